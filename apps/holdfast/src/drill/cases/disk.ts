/**
 * The file system of a master has no byte left. What it cannot write it must not acknowledge, what it acknowledged it must
 * keep, and since it can write nothing another node is to be master. When there is room again it comes back.
 */
import { isAcknowledged } from '@holdfast/history';
import { ReplyError } from '@holdfast/resp';
import { openConnection } from '../connection.ts';
import type { CaseRun } from './case-run.ts';
import type { DrillCase } from './drill-case.ts';
import { faultCase } from './fault-case.ts';
import { firstFaultMs } from './schedule.ts';

/** Less than the disks of a drill have. The default is for real ones. */
const minFreeMb = 32;

/** @param fullMs how long the disk is full. */
export function diskCaseOf(fullMs: number): DrillCase {
  return faultCase<void>({
    name: 'disk',
    summary: "Fills the file system of a master's data, then frees it.",
    seconds: 15,
    leastSeconds: 8,
    controllers: 1,
    needs: ['namespaces', 'own-disk'],
    directTo: 'first-master',
    async script(run) {
      const { hosts, firstMaster } = run;
      const place = run.placeOf(firstMaster);
      await acceptSmallDisks(run);
      await run.load.sleepUntil(run.now() + firstFaultMs(run.plan));
      await run.fault({
        name: "master's disk full",
        expects: { promotions: 'some', writes: 'during', errors: 'any' },
        lastMs: fullMs,
        begin: () => hosts.fillDisk(place),
        end: () => hosts.freeDisk(place),
      });
      await run.steady();
    },
  });
}

/** Lets nodes write on the small disks of a drill, also after a restart, and waits until clients can. */
async function acceptSmallDisks(run: CaseRun): Promise<void> {
  const nodes = run.watch.latest.shards.flatMap((shard) => shard.nodes);
  await Promise.all(nodes.map(({ address }) => configure(address, run)));
  const isWritten = (): boolean =>
    run.load.recorder.operations.some((each) => each.op === 'write' && isAcknowledged(each));
  if (!(await run.until(isWritten, run.plan.settleMs))) run.mark('no write', 'clients cannot write before the fault');
}

/** @throws RangeError when the node refuses. */
async function configure(address: string, run: CaseRun): Promise<void> {
  const { client } = await openConnection(address, run.load.settings);
  for (const command of [
    ['CONFIG', 'SET', 'min-free-mb', String(minFreeMb)],
    ['CONFIG', 'REWRITE'],
  ]) {
    const reply = await client.command(...command);
    if (reply instanceof ReplyError) throw new RangeError(`${address} refused ${command.join(' ')}: ${reply.message}`);
  }
  client.close();
}
