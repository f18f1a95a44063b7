/** Requests that the checks of all declarations use (data/data-commands.test.ts). */
import type { FamilySamples } from '../../data/testing/family-samples.ts';

export const samples: FamilySamples = {
  prepare: ['HSET h f 1 g 2 n 3'],
  samples: [
    'hget h f',
    'hexists h f',
    'hstrlen h f',
    'hmget h f g',
    'hlen h',
    'hset h f w x y',
    'hmset h f w',
    'hsetexpire h 10 f w',
    'hsetnx h x w',
    'hdel h f',
    'hincrby h n 2',
    'hincrbyfloat h n 0.5',
    'hgetall h',
    'hkeys h',
    'hvals h',
    'hrangebylex h - + LIMIT 0 5',
    'hscan h 0 MATCH * COUNT 5',
    'hrandfield h 2 WITHVALUES',
  ],
};
