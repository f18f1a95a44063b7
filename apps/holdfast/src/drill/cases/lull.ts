/**
 * The controllers and a master lose each other while nobody happens to write; clients that know its internal address go
 * on reading. What a write to it would give away (no replica acknowledges it) no read does: only its own clock can tell
 * the old master that another one may have been promoted, whose clients have new values.
 */
import type { DrillCase } from './drill-case.ts';
import { faultCase } from './fault-case.ts';
import { firstFaultMs } from './schedule.ts';

const cutMs = 4000;
const newcomers = 4;

export const lullCase: DrillCase = faultCase<void>({
  name: 'lull',
  summary: 'Cuts a master off from the controllers while clients only read, some of them straight from it.',
  seconds: 12,
  leastSeconds: 8,
  controllers: 1,
  needs: ['namespaces'],
  directTo: 'first-master',
  async script(run) {
    const { hosts, cluster, firstMaster, load } = run;
    const master = run.placeOf(firstMaster);
    await load.sleepUntil(firstFaultMs(run.plan));
    await load.beginLull();
    run.mark('lull', 'every write has its answer; clients only read');
    const writing = new AbortController();
    const writeWhenMoved = async (fromMs: number): Promise<void> => {
      if (await run.until(() => run.watch.first('lb-moved', fromMs) !== undefined, cutMs))
        await load.newcomers(newcomers, writing.signal);
    };
    let written: Promise<void> = Promise.resolve();
    try {
      await run.fault({
        name: 'controllers <-> master, in a lull of writes',
        expects: { promotions: 'some', writes: 'during', errors: 'any' },
        lastMs: cutMs,
        begin: () => {
          written = writeWhenMoved(run.now());
          for (const controller of cluster.controllers) hosts.cutLink(controller, master);
          for (const controller of cluster.controllers) hosts.cutLink(master, controller);
        },
        end: () => {
          for (const controller of cluster.controllers) hosts.healLink(controller, master);
          for (const controller of cluster.controllers) hosts.healLink(master, controller);
        },
      });
      await run.steady();
    } finally {
      writing.abort();
      await written;
      load.endLull();
    }
  },
});
