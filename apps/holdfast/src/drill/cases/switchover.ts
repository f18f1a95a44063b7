/**
 * Planned switchovers under load. Clients are held for a moment, told where the master is, and lose nothing: no error
 * reaches them but that hint, and no command they sent may have been executed twice or in vain.
 */
import { messageOf } from '@holdfast/base';
import type { Operation } from '@holdfast/history';
import type { DrillCase } from './drill-case.ts';
import { faultCase } from './fault-case.ts';
import { firstFaultMs } from './schedule.ts';

/** At least, however short the load is. */
const leastSwitchovers = 3;

/** @param gapMs given to what a switchover leaves behind, and again when the shard has healed. */
export function switchoverCaseOf(gapMs: number): DrillCase {
  return faultCase({
    name: 'switchover',
    summary: 'Switches the master of a shard over to its replica and back under load, again and again.',
    seconds: 20,
    leastSeconds: 8,
    controllers: 1,
    needs: [],
    directTo: 'every-node',
    async script(run) {
      const failures: string[] = [];
      await run.load.sleepUntil(firstFaultMs(run.plan));
      for (let i = 0; i < leastSwitchovers || run.now() < run.plan.loadMs - 2 * gapMs; i++) {
        await run.fault({
          name: 'switchover',
          expects: { promotions: 'some', writes: 'after', errors: 'any' },
          lastMs: gapMs,
          begin: () =>
            run.cluster.switchOver(run.plan.shard).catch((error: unknown) => void failures.push(messageOf(error))),
          end: () => undefined,
        });
        await run.steady();
        await run.sleep(gapMs);
      }
      return { failures };
    },
    measure(facts) {
      const shown = errorsShown(facts.load.recorder.operations, facts.plan.shard);
      const violations = facts.extra.failures.map((message) => {
        return { kind: 'no-failover', message: `switchover: ${message}`, operations: [] } as const;
      });
      return {
        figures: { errorsShown: shown.length },
        rows: [['errors shown to clients', `${shown.length} (MOVED is none: it is followed)`]],
        violations:
          shown.length === 0
            ? violations
            : [...violations, { kind: 'unexpected-errors', message: describe(shown), operations: shown }],
      };
    },
  });
}

/** Of load clients, on the drilled shard: what they cannot put right by going where they are told to. */
function errorsShown(operations: readonly Operation[], drilled: number): Operation[] {
  return operations.filter(
    ({ phase, shard, outcome, reason }) =>
      phase === 'load' &&
      shard === drilled &&
      outcome !== 'ok' &&
      !(outcome === 'failed' && reason?.startsWith('MOVED ')),
  );
}

function describe(shown: readonly Operation[]): string {
  const reasons = [...new Set(shown.map(({ reason }) => reason ?? 'no answer'))].slice(0, 3);
  return `${shown.length} operations failed in planned switchovers: ${reasons.join('; ')}`;
}
