/** Requests that the checks of all declarations use (data/data-commands.test.ts). */
import type { FamilySamples } from '../../data/testing/family-samples.ts';

export const samples: FamilySamples = {
  prepare: ['RPUSH l a b c b', 'RPUSH m x'],
  samples: [
    'lpush l v w',
    'rpush l v w',
    'lpushx l v w',
    'rpushx l v w',
    'lpop l 2',
    'rpop l 2',
    'lmpop 1 l LEFT COUNT 2',
    'llen l',
    'lindex l -2',
    'lrange l 0 -1',
    'lpos l b RANK -1 COUNT 0 MAXLEN 3',
    'lset l 1 v',
    'linsert l BEFORE c v',
    'lrem l 1 b',
    'ltrim l 1 2',
    'lmove l m LEFT RIGHT',
    'rpoplpush l m',
    'blpop l 0',
    'brpop l 0',
    'blmpop 0 1 l RIGHT COUNT 2',
    'blmove l m LEFT RIGHT 0',
    'brpoplpush l m 0',
  ],
};
