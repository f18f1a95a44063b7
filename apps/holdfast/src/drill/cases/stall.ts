/**
 * The event loop of a master stands still for 2 s, as in a long garbage collection or a slow command. Its control thread
 * goes on, so its lease does; it is slow and not dead, and a failover would cost more than the stall.
 */
import type { DrillCase } from './drill-case.ts';
import { faultCase } from './fault-case.ts';
import { firstFaultMs } from './schedule.ts';

const stalls = 2;

/** @param stallMs how long the event loop stands still each time. */
export function stallCaseOf(stallMs: number): DrillCase {
  return faultCase<void>({
    name: 'stall',
    summary: 'Stalls the event loop of a master, twice; nobody may be promoted.',
    seconds: 12,
    leastSeconds: 8,
    controllers: 1,
    needs: [],
    directTo: 'first-master',
    async script(run) {
      await run.load.sleepUntil(firstFaultMs(run.plan));
      for (let i = 0; i < stalls; i++) {
        let stalled: Promise<void> = Promise.resolve();
        await run.fault({
          name: "master's event loop stalled",
          expects: { promotions: 'none', writes: 'after', errors: 'any' },
          lastMs: stallMs,
          begin: () => {
            stalled = run.stallEventLoop(run.master, stallMs / 1000);
            stalled.catch(() => undefined); // awaited at the end
          },
          end: () => stalled,
        });
        await run.steady();
      }
    },
  });
}
