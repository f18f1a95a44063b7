/** Every case of the drills, in the order in which `drill all` runs them. */
import { controllerCaseOf } from './controller.ts';
import { diskCaseOf } from './disk.ts';
import type { DrillCase } from './drill-case.ts';
import { hangCase } from './hang-case.ts';
import { killCase } from './kill-case.ts';
import { lullCase } from './lull.ts';
import { nicCaseOf } from './nic.ts';
import { partitionCaseOf } from './partition.ts';
import { slowCaseOf } from './slow.ts';
import { stallCaseOf } from './stall.ts';
import { stormCaseOf } from './storm.ts';
import { switchoverCaseOf } from './switchover.ts';

export type { CasePlan, DrillCase, Need, PlayedCase } from './drill-case.ts';

export const drillCases: readonly DrillCase[] = [
  hangCase,
  killCase,
  nicCaseOf(3000),
  partitionCaseOf({ cutMs: 3000, repeatAfterMs: 10_000 }),
  lullCase,
  slowCaseOf(4000),
  stormCaseOf({ connections: 5000, stormMs: 8000, recoveryLimitMs: 20_000 }),
  controllerCaseOf({ electionMs: 3000, etcdStoppedMs: 5000, zombieAloneMs: 500 }),
  diskCaseOf(5000),
  stallCaseOf(2000),
  switchoverCaseOf(1000),
];

/** The case with a name. Throws RangeError when there is none. */
export function caseNamed(name: string): DrillCase {
  const found = drillCases.find((candidate) => candidate.name === name);
  if (found) return found;
  throw new RangeError(`no drill ${JSON.stringify(name)}; there are ${drillCases.map((each) => each.name).join(', ')}`);
}
