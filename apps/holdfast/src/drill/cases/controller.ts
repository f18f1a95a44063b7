/**
 * Those who decide fail themselves. The leader is killed in the middle of a failover: the next one goes on from the store.
 * The leader stands still while another one takes its place and changes a master, then wakes up and still believes that it
 * leads. The store stands still: nobody can decide anything, and nobody need: masters live on, clients notice nothing.
 */
import type { CaseRun } from './case-run.ts';
import type { DrillCase } from './drill-case.ts';
import { faultCase } from './fault-case.ts';
import { firstFaultMs } from './schedule.ts';

export interface ControllerTimes {
  /** An election takes as long as the store's lease, which is 2 s at least. */
  readonly electionMs: number;
  readonly etcdStoppedMs: number;
  /** The woken leader acts so long before the old master is woken. */
  readonly zombieAloneMs: number;
}

export function controllerCaseOf(times: ControllerTimes): DrillCase {
  return faultCase<void>({
    name: 'controller',
    summary: 'Kills the leader in the middle of a failover, stops another and wakes it up again, stops etcd.',
    seconds: 40,
    leastSeconds: 8,
    controllers: 3,
    needs: ['etcd'],
    directTo: 'every-node',
    async script(run) {
      await run.load.sleepUntil(firstFaultMs(run.plan));
      await killLeaderInFailover(run, times);
      await run.steady();
      await wakeZombie(run, times);
      await run.steady();
      await run.fault({
        name: 'etcd stopped',
        expects: { promotions: 'none', writes: 'during', errors: 'none' },
        lastMs: times.etcdStoppedMs,
        begin: () => run.cluster.suspend('etcd'),
        end: () => run.cluster.resume('etcd'),
      });
      await run.steady();
    },
  });
}

async function killLeaderInFailover(run: CaseRun, { electionMs }: ControllerTimes): Promise<void> {
  const leader = await leaderOf(run);
  const { master } = run;
  await run.fault({
    name: 'leader killed in a failover',
    expects: { promotions: 'some', writes: 'during', errors: 'any' },
    lastMs: 2 * (run.leaseMs + electionMs),
    begin: async () => {
      await run.suspend(master);
      const fromMs = run.now();
      const hasBegun = (): boolean =>
        run.shard.phase === 'failover' ||
        ['master-suspected', 'failover-started'].some((kind) => run.watch.first(kind, fromMs) !== undefined);
      if (!(await run.until(hasBegun, 3 * run.leaseMs))) run.mark('no failover seen', 'the leader is killed anyway');
      run.cluster.kill(leader);
      run.mark('leader killed', `${leader}, shard in phase ${run.shard.phase}`);
    },
    end: () => run.resume(master),
  });
}

async function wakeZombie(run: CaseRun, { electionMs, zombieAloneMs }: ControllerTimes): Promise<void> {
  const leader = await leaderOf(run);
  await run.fault({
    name: 'leader stopped',
    expects: { promotions: 'none', writes: 'during', errors: 'none' },
    lastMs: 2 * electionMs,
    begin: async () => {
      await run.cluster.suspend(leader);
      run.mark('leader stopped', leader);
    },
    end: () => undefined,
  });
  const { master } = run;
  await run.fault({
    name: 'failover under its successor, then the old leader wakes up',
    expects: { promotions: 'some', writes: 'during', errors: 'any' },
    lastMs: 3 * run.leaseMs,
    begin: () => run.suspend(master),
    end: async () => {
      run.cluster.resume(leader);
      run.mark('old leader woken', leader);
      await run.sleep(zombieAloneMs);
      run.resume(master);
    },
  });
}

/** The place of the leader, asked again until there is one. @throws RangeError when there is none. */
async function leaderOf(run: CaseRun): Promise<string> {
  let leader: string | undefined;
  await run.until(async () => {
    leader = await run.cluster.leader().catch(() => undefined);
    return leader !== undefined;
  }, run.plan.settleMs);
  if (leader !== undefined) return leader;
  throw new RangeError(`no controller led for ${run.plan.settleMs} ms; the cluster is not whole`);
}
