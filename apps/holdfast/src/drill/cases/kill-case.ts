import { judgeKill } from '../kill-verdict.ts';
import { runKill } from '../kill.ts';
import type { DrillCase } from './drill-case.ts';

/** Between two kills: at least, and at most. */
const gapMs = [1000, 6000] as const;

export const killCase: DrillCase = {
  name: 'kill',
  summary: 'Kills nodes of a shard with -9 at random moments under load, master or replica, and judges.',
  seconds: 60,
  leastSeconds: 8,
  controllers: 1,
  needs: [],
  async run(cluster, plan, world, fences) {
    const run = await runKill(cluster, { ...plan, gapMs }, world);
    return { report: judgeKill(run, fences), recorder: run.recorder };
  },
};
