/** A case made of a script of faults: most are. */
import type { CaseFacts, CaseRun } from './case-run.ts';
import { playCase } from './case-run.ts';
import { judgeCase, type Measured } from './case-verdict.ts';
import type { DrillCase } from './drill-case.ts';

export interface FaultCase<Extra> extends Omit<DrillCase, 'run'> {
  /** Whose internal addresses have clients that never leave them. */
  readonly directTo: 'first-master' | 'every-node';
  /** Does the faults. Clients write until it is done, and as long as the plan says. */
  script(run: CaseRun): Promise<Extra>;
  /** What only this case measures. */
  measure?(facts: CaseFacts<Extra>, fences: readonly string[]): Measured;
}

export function faultCase<Extra>(spec: FaultCase<Extra>): DrillCase {
  const { directTo, script, measure, ...rest } = spec;
  return {
    ...rest,
    async run(cluster, plan, world, fences) {
      const isSynchronous = fences.includes('sync');
      const facts = await playCase(cluster, plan, world, { directTo, isSynchronous, script });
      const measured = measure?.(facts, fences) ?? {};
      return { report: judgeCase(spec.name, facts, fences, measured), recorder: facts.load.recorder };
    },
  };
}
