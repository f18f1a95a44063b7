/** Every case of the drills, in the order in which `drill all` runs them. */
import type { DrillCase } from './drill-case.ts';
import { hangCase } from './hang-case.ts';
import { killCase } from './kill-case.ts';

export type { CasePlan, DrillCase, Need, PlayedCase } from './drill-case.ts';

export const drillCases: readonly DrillCase[] = [hangCase, killCase];

/** The case with a name. Throws RangeError when there is none. */
export function caseNamed(name: string): DrillCase {
  const found = drillCases.find((candidate) => candidate.name === name);
  if (found) return found;
  throw new RangeError(`no drill ${JSON.stringify(name)}; there are ${drillCases.map((each) => each.name).join(', ')}`);
}
