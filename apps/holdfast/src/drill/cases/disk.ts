/**
 * The file system of a master has no byte left. What it cannot write it must not acknowledge, what it acknowledged it must
 * keep, and if it cannot write at all another node is to be master. Then there is room again, and the node comes back.
 */
import type { DrillCase } from './drill-case.ts';
import { faultCase } from './fault-case.ts';
import { firstFaultMs } from './schedule.ts';

const fullMs = 5000;

export const diskCase: DrillCase = faultCase<void>({
  name: 'disk',
  summary: "Fills the file system of a master's data for 5 s, then frees it.",
  seconds: 15,
  leastSeconds: 8,
  controllers: 1,
  needs: ['namespaces', 'own-disk'],
  directTo: 'first-master',
  async script(run) {
    const { hosts, firstMaster } = run;
    const place = run.placeOf(firstMaster);
    await run.load.sleepUntil(firstFaultMs(run.plan));
    await run.fault({
      name: "master's disk full",
      expects: { promotions: 'any', writes: 'after', errors: 'any' },
      lastMs: fullMs,
      begin: () => hosts.fillDisk(place),
      end: () => hosts.freeDisk(place),
    });
    await run.steady();
  },
});
