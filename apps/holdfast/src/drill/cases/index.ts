/** Every case of the drills, in the order in which `drill all` runs them. */
import { controllerCase } from './controller.ts';
import { diskCase } from './disk.ts';
import type { DrillCase } from './drill-case.ts';
import { hangCase } from './hang-case.ts';
import { killCase } from './kill-case.ts';
import { lullCase } from './lull.ts';
import { nicCase } from './nic.ts';
import { partitionCase } from './partition.ts';
import { slowCase } from './slow.ts';
import { stallCase } from './stall.ts';
import { stormCaseOf } from './storm.ts';
import { switchoverCase } from './switchover.ts';

export type { CasePlan, DrillCase, Need, PlayedCase } from './drill-case.ts';

/** Clients of one shard that lose their connection in one instant. */
const stormConnections = 5000;

export const drillCases: readonly DrillCase[] = [
  hangCase,
  killCase,
  nicCase,
  partitionCase,
  lullCase,
  slowCase,
  stormCaseOf(stormConnections),
  controllerCase,
  diskCase,
  stallCase,
  switchoverCase,
];

/** The case with a name. Throws RangeError when there is none. */
export function caseNamed(name: string): DrillCase {
  const found = drillCases.find((candidate) => candidate.name === name);
  if (found) return found;
  throw new RangeError(`no drill ${JSON.stringify(name)}; there are ${drillCases.map((each) => each.name).join(', ')}`);
}
