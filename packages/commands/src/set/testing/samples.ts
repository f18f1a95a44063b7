/** Requests that the checks of all declarations use (data/data-commands.test.ts). */
import type { FamilySamples } from '../../data/testing/family-samples.ts';

export const samples: FamilySamples = {
  prepare: ['SADD set:a x y z', 'SADD set:b y z w'],
  samples: [
    'sadd set:a new',
    'srem set:a x',
    'smove set:a set:b x',
    'scard set:a',
    'sismember set:a x',
    'smismember set:a x nothing',
    'smembers set:a',
    'sscan set:a 0 MATCH * COUNT 5',
    'srandmember set:a 2',
    'spop set:a 2',
    'sinter set:a set:b',
    'sunion set:a set:b',
    'sdiff set:a set:b',
    'sinterstore set:c set:a set:b',
    'sunionstore set:c set:a set:b',
    'sdiffstore set:c set:a set:b',
    'sintercard 2 set:a set:b LIMIT 5',
  ],
};
