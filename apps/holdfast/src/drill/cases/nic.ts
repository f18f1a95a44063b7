/**
 * The network interface of a master goes down and comes up again. Its clients on other hosts see nothing any more, nor do
 * the controllers; clients on its own host see a master that answers. It must know by itself, from its clock, when it is
 * one no more; and what lay in the network's and the kernel's buffers arrives when the interface comes up.
 */
import { faultCase } from './fault-case.ts';
import type { DrillCase } from './drill-case.ts';
import { firstFaultMs } from './schedule.ts';

/** @param downMs how long the interface is down. */
export function nicCaseOf(downMs: number): DrillCase {
  return faultCase({
    name: 'nic',
    summary:
      "Takes down the network interface of a master's host for a few seconds; clients on that host still reach it.",
    seconds: 12,
    leastSeconds: 8,
    controllers: 1,
    needs: ['namespaces'],
    directTo: 'first-master',
    async script(run) {
      const { hosts, firstMaster } = run;
      const place = run.placeOf(firstMaster);
      const hasInsiders = await run.connectInside(firstMaster);
      await run.load.sleepUntil(firstFaultMs(run.plan));
      await run.fault({
        name: 'interface of the master down',
        expects: { promotions: 'some', writes: 'during', errors: 'any' },
        lastMs: downMs,
        begin: () => hosts.setInterface(place, 'down'),
        end: () => hosts.setInterface(place, 'up'),
      });
      await run.steady();
      return { hasInsiders };
    },
    measure({ load, faults, extra }) {
      const [fault] = faults;
      const inside = load.recorder.operations.filter(({ client }) => client.startsWith('inside-'));
      const during = inside.filter(({ invokedMs }) => fault && invokedMs >= fault.fromMs && invokedMs <= fault.untilMs);
      const answered = during.filter(({ outcome }) => outcome === 'ok').length;
      const figures = { inside: { sent: during.length, acknowledged: answered } };
      const text = `${during.length} sent, ${answered} ok`;
      return { figures, rows: [["on the master's host", extra.hasInsiders ? text : 'no clients there']] };
    },
  });
}
