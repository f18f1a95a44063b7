/** Requests that the checks of all declarations use (data/data-commands.test.ts). */
import type { FamilySamples } from '../../data/testing/family-samples.ts';

export const samples: FamilySamples = {
  prepare: [
    'XADD x 1-1 f v',
    'XADD x 2-1 f w g x',
    'XADD x 3-1 f y',
    'XADD y 1-1 f v',
    'XGROUP CREATE x grp 0',
    'XREADGROUP GROUP grp alice COUNT 2 STREAMS x >',
  ],
  samples: [
    'xadd x MAXLEN ~ 1000 LIMIT 10 5-1 f v',
    'xtrim x MAXLEN 1',
    'xlen x 1-1 +',
    'xrange x - + COUNT 2',
    'xrevrange x + - COUNT 2',
    'xdel x 1-1 9-9',
    'xsetid x 9-9 ENTRIESADDED 9 MAXDELETEDID 4-4',
    'xread COUNT 1 STREAMS x y 0 0',
    'xreadgroup GROUP grp alice COUNT 1 STREAMS x >',
    'xgroup CREATE x other $ ENTRIESREAD 3',
    'xack x grp 1-1 2-1',
    'xpending x grp - + 10 alice',
    'xclaim x grp bob 0 1-1 JUSTID',
    'xautoclaim x grp bob 0 - COUNT 1',
    'xinfo STREAM x FULL COUNT 2',
  ],
};
