/** When things happen in a case. */
import { randomBelow, seededRandom } from '@holdfast/base';
import type { CasePlan } from './drill-case.ts';

/** When the first fault begins: when the load has run for a sixth of its time, moved by up to 200 ms by the seed. */
export function firstFaultMs({ loadMs, seed }: CasePlan): number {
  return Math.min(2000, loadMs / 6) + randomBelow(seededRandom(seed), 200);
}
