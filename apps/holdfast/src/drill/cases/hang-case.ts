import { runHang, stopAfterMs } from '../hang.ts';
import { judgeHang } from '../verdict.ts';
import type { DrillCase } from './drill-case.ts';

/** The master stands still for this long, counted from the stop. */
const holdMs = 3000;

export const hangCase: DrillCase = {
  name: 'hang',
  summary: 'Stops a master under load with requests in its socket buffers, wakes it up 3 s later, and judges.',
  seconds: 12,
  leastSeconds: 8,
  controllers: 1,
  needs: [],
  async run(cluster, plan, world, fences) {
    const { loadMs, seed } = plan;
    const run = await runHang(cluster, { ...plan, stopAfterMs: stopAfterMs(loadMs, seed), holdMs }, world);
    return { report: judgeHang(run, fences), recorder: run.recorder };
  },
};
