/** Requests that the checks of all declarations use (data/data-commands.test.ts). */
import type { FamilySamples } from '../../data/testing/family-samples.ts';

const expiration =
  'fields have times only in the encoding field-expiration, which is not the default: see expiry.test.ts';

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
    'hexpire none 10 FIELDS 1 f',
    'hpexpire none 10 FIELDS 1 f',
    'hexpireat none 10 NX FIELDS 1 f',
    'hpexpireat none 10 FIELDS 1 f',
    'httl none FIELDS 1 f',
    'hpttl none FIELDS 1 f',
    'hexpiretime none FIELDS 1 f',
    'hpexpiretime none FIELDS 1 f',
    'hpersist none FIELDS 1 f',
    'hsetex none FXX EX 10 FIELDS 1 f v',
    'hgetex none EX 10 FIELDS 1 f',
    'hgetdel h FIELDS 1 f',
  ],
  exceptions: {
    hexpire: expiration,
    hpexpire: expiration,
    hexpireat: expiration,
    hpexpireat: expiration,
    hpersist: expiration,
    hsetex: expiration,
    hgetex: expiration,
  },
};
