/**
 * A replica stops reading what its master sends: once its event loop stands still, once the whole process does. Its master
 * may wait for it no longer than the in-sync timeout, then goes on without it; nobody is promoted, and the replica comes
 * back when it can.
 */
import { isAcknowledged } from '@holdfast/history';
import type { CaseFacts, Expectation, Fault } from './case-run.ts';
import type { DrillCase } from './drill-case.ts';
import type { DrillViolation } from '../drill-report.ts';
import { faultCase } from './fault-case.ts';
import { firstFaultMs } from './schedule.ts';

const expects: Expectation = { promotions: 'none', writes: 'during', errors: 'any' };

/** @param slowMs how long the replica stands still each time. */
export function slowCaseOf(slowMs: number): DrillCase {
  return faultCase<void>({
    name: 'slow',
    summary: 'Lets a replica stop reading, its event loop first and then its whole process.',
    seconds: 18,
    leastSeconds: 8,
    controllers: 1,
    needs: [],
    directTo: 'first-master',
    async script(run) {
      await run.load.sleepUntil(firstFaultMs(run.plan));
      let stalled: Promise<void> = Promise.resolve();
      await run.fault({
        name: "replica's event loop stalled",
        expects,
        lastMs: slowMs,
        begin: () => {
          stalled = run.stallEventLoop(run.replica, slowMs / 1000);
          stalled.catch(() => undefined); // awaited at the end
        },
        end: () => stalled,
      });
      await run.steady();
      const { replica } = run;
      await run.fault({
        name: 'replica stopped',
        expects,
        lastMs: slowMs,
        begin: () => run.suspend(replica),
        end: () => run.resume(replica),
      });
      await run.steady();
    },
    measure(facts, fences) {
      const spans = facts.faults.map((fault) => ({ fault, ...inSyncSpan(facts, fault) }));
      const violations: DrillViolation[] = spans
        .filter(({ shrunkMs, grownMs }) => fences.includes('sync') && shrunkMs !== null && grownMs === null)
        .map(({ fault: { name } }) => {
          const message = `${name}: the replica left the in-sync set and did not come back`;
          return { kind: 'not-whole', message, operations: [] };
        });
      return {
        figures: { inSync: spans.map(({ fault: { name }, shrunkMs, grownMs }) => ({ name, shrunkMs, grownMs })) },
        rows: spans.map(({ fault: { name }, shrunkMs, grownMs }) => [
          `in-sync set, ${name}`,
          shrunkMs === null ? 'unchanged' : `left after ${shrunkMs} ms, back ${grownMs ?? 'never'} ms after its end`,
        ]),
        violations,
      };
    },
  });
}

/** How long after the fault began the replica left the in-sync set, and how long after its end it was back in it. */
function inSyncSpan(
  { watch, load }: CaseFacts<void>,
  { fromMs, untilMs }: Fault,
): { shrunkMs: number | null; grownMs: number | null } {
  const lastMs = load.recorder.operations.findLast(isAcknowledged)?.completedMs ?? untilMs;
  const shrunk = watch.first('isr-shrunk', fromMs);
  const hasLeft = shrunk !== undefined && shrunk.atMs <= Math.min(untilMs, lastMs);
  const grown = hasLeft ? watch.first('isr-expanded', shrunk.atMs) : undefined;
  return {
    shrunkMs: hasLeft ? Math.round(shrunk.atMs - fromMs) : null,
    grownMs: grown === undefined ? null : Math.round(grown.atMs - untilMs),
  };
}
