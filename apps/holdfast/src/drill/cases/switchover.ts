/**
 * Planned switchovers under load. Clients are held for a moment, told where the master is, and lose nothing: no error
 * reaches them but that hint (and the end of what waits or is half queued), and no command they sent may have been executed twice or in vain.
 */
import { messageOf } from '@holdfast/base';
import type { Operation } from '@holdfast/history';
import type { DrillViolation } from '../drill-report.ts';
import { parkedText } from '../verdict.ts';
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
      const violations: DrillViolation[] = [];
      const parked = { parked: 0, told: 0, cut: 0 };
      await run.load.sleepUntil(firstFaultMs(run.plan));
      for (let i = 0; i < leastSwitchovers || run.now() < run.plan.loadMs - 2 * gapMs; i++) {
        const lot = run.parkingLot(`switchover-${i}`);
        const former = run.master;
        await lot.park(former.address);
        lot.begin();
        await run.fault({
          name: 'switchover',
          expects: { promotions: 'some', writes: 'after', errors: 'any' },
          lastMs: gapMs,
          begin: () =>
            run.cluster.switchOver(run.plan.shard).catch((error: unknown) => void failures.push(messageOf(error))),
          end: () => undefined,
        });
        lot.execute();
        const hasMoved = run.master.id !== former.id;
        const judged = await lot.judge(hasMoved ? run.load.entryOf(run.plan.shard) : undefined);
        violations.push(...judged.violations);
        for (const kind of ['parked', 'told', 'cut'] as const) parked[kind] += judged.figures[kind];
        await run.steady();
        await run.sleep(gapMs);
      }
      return { failures, violations, parked };
    },
    measure(facts) {
      const shown = errorsShown(facts.load.recorder.operations, facts.plan.shard);
      const { failures, parked } = facts.extra;
      const violations = failures.map((message): DrillViolation => {
        return { kind: 'no-failover', message: `switchover: ${message}`, operations: [] };
      });
      violations.push(...facts.extra.violations);
      return {
        figures: { errorsShown: shown.length, parked },
        rows: [
          ['waiting at the former masters', parkedText(parked)],
          ['errors shown to clients', `${shown.length} (MOVED, EXECABORT and UNBLOCKED are none: they are followed)`],
        ],
        violations:
          shown.length === 0
            ? violations
            : [...violations, { kind: 'unexpected-errors', message: describe(shown), operations: shown }],
      };
    },
  });
}

/**
 * What sends a client on and promises that nothing was executed: where to go, that a transaction met it half queued, that
 * a wait has ended.
 */
const sentOn = /^(MOVED|EXECABORT|UNBLOCKED) /;

/** Of load clients, on the drilled shard: what they cannot put right by going where they are told to. */
function errorsShown(operations: readonly Operation[], drilled: number): Operation[] {
  return operations.filter(
    ({ phase, shard, outcome, reason }) =>
      phase === 'load' && shard === drilled && outcome !== 'ok' && !(outcome === 'failed' && sentOn.test(reason ?? '')),
  );
}

function describe(shown: readonly Operation[]): string {
  const reasons = [...new Set(shown.map(({ reason }) => reason ?? 'no answer'))].slice(0, 3);
  return `${shown.length} operations failed in planned switchovers: ${reasons.join('; ')}`;
}
