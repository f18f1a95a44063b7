/** The samples of every data family. */
import { samples as bitmap } from '../../bitmap/testing/samples.ts';
import { samples as bloom } from '../../bloom/testing/samples.ts';
import { samples as generic } from '../../generic/testing/samples.ts';
import { samples as geo } from '../../geo/testing/samples.ts';
import { samples as hash } from '../../hash/testing/samples.ts';
import { samples as hyperLogLog } from '../../hyperloglog/testing/samples.ts';
import { samples as json } from '../../json/testing/samples.ts';
import { samples as list } from '../../list/testing/samples.ts';
import { samples as set } from '../../set/testing/samples.ts';
import { samples as sortedInt } from '../../sortedint/testing/samples.ts';
import { samples as stream } from '../../stream/testing/samples.ts';
import { samples as string } from '../../string/testing/samples.ts';
import { samples as zset } from '../../zset/testing/samples.ts';
import type { FamilySamples } from './family-samples.ts';

export const families: readonly FamilySamples[] = [
  bitmap,
  bloom,
  generic,
  geo,
  hash,
  hyperLogLog,
  json,
  list,
  set,
  sortedInt,
  stream,
  string,
  zset,
];
