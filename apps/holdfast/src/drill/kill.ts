/**
 * The drill `kill`: nodes of one shard are killed with -9 at random moments under load, master or replica, and started
 * again by their supervisor; the next kill does not wait until the last victim is back. With synchronous replication no
 * acknowledged write may be missing at the end, whoever was killed when.
 *
 * Who was master when is not asked: under kills that overlap, the controller's own view is what is in doubt. The clients'
 * history alone judges.
 */
import { randomBelow, seededRandom } from '@holdfast/base';
import { masterOf, shardOf, type DrillCluster } from './cluster.ts';
import type { DrillWorld } from './drill-world.ts';
import { LoadRun } from './load-run.ts';
import type { Difference } from './read-back.ts';
import type { Recorder } from './recorder.ts';
import { Watch } from './watch.ts';

export interface KillPlan {
  readonly shard: number;
  readonly clients: number;
  /** How long clients write and nodes are killed. */
  readonly loadMs: number;
  /** How long the cluster may take to be whole after the load. */
  readonly settleMs: number;
  /** Between two kills: at least, and at most. */
  readonly gapMs: readonly [number, number];
  readonly seed: number;
}

export interface Kill {
  readonly atMs: number;
  readonly address: string;
  /** What the controller held the node to be. */
  readonly role: 'master' | 'slave';
  readonly epoch: number;
  /** The node was still down from the kill before. */
  readonly wasDown: boolean;
  /** Another node was there that could take over. */
  readonly hadOther: boolean;
}

/** What happened, before it is judged. */
export interface KillRun {
  readonly plan: KillPlan;
  readonly leaseMs: number;
  readonly recorder: Recorder;
  readonly watch: Watch;
  readonly kills: readonly Kill[];
  readonly loadEndMs: number;
  /** When, after the load, every node had its master's whole log; null when that was not seen. */
  readonly wholeMs: number | null;
  readonly counts: ReadonlyMap<string, number>;
  readonly replicas: ReadonlyMap<string, readonly Difference[] | string>;
}

const registersPerShard = 64;
const paceMs = 20;
/** The load runs so long before the first kill and after the last one. */
const quietMs = 2000;

/**
 * Runs the drill. The cluster is whole and idle at the start; it is neither made nor closed here.
 * @throws RangeError when the cluster has no such shard; OperationError when the controller does not answer at the start.
 */
export async function runKill(cluster: DrillCluster, plan: KillPlan, world: DrillWorld): Promise<KillRun> {
  const first = await cluster.view();
  const master = masterOf(shardOf(first, plan.shard));
  const watch = new Watch(cluster, world.clock, plan.shard, first);
  const load = new LoadRun(cluster, { ...plan, registersPerShard, paceMs }, world, first, watch);
  const watching = new AbortController();
  const watched = load.follow(await load.lastEventId(), watching.signal);
  const loading = new AbortController();
  const loaded = Promise.all([
    load.load(loading.signal),
    ...(master === undefined ? [] : [load.direct(master, loading.signal)]),
  ]);
  const kills = await killAtRandom(cluster, plan, load, watch);
  await load.sleepUntil(plan.loadMs);
  loading.abort();
  await loaded;
  const loadEndMs = load.now();
  const wholeMs = await load.whole(loadEndMs + plan.settleMs);
  await load.readBack();
  const replicas = await load.compareReplicas();
  watching.abort();
  await watched;
  const { recorder, counts } = load;
  return { plan, leaseMs: first.leaseMs, recorder, watch, kills, loadEndMs, wholeMs, counts, replicas };
}

async function killAtRandom(cluster: DrillCluster, plan: KillPlan, load: LoadRun, watch: Watch): Promise<Kill[]> {
  const random = seededRandom(plan.seed);
  const [least, most] = plan.gapMs;
  const kills: Kill[] = [];
  for (let atMs = quietMs; atMs < plan.loadMs - quietMs; atMs += least + randomBelow(random, 1 + most - least)) {
    await load.sleepUntil(atMs);
    const { nodes, epoch } = watch.latestShard;
    const victim = nodes[randomBelow(random, nodes.length)];
    if (victim === undefined) continue;
    const { id, address, role } = victim;
    const hadOther = nodes.some((node) => node !== victim && node.isAlive && node.isInSync !== false);
    const killedMs = load.now();
    kills.push({ atMs: killedMs, address, role, epoch, hadOther, wasDown: !cluster.kill(cluster.placeOf(id)) });
  }
  return kills;
}
