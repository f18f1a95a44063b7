/**
 * The drill `hang`: a master's process is stopped under load, with requests in its socket buffers, and wakes up when the
 * cluster has gone on without it. A fenced cluster believes nothing it then does.
 *
 * The run: load, stop, hold, resume, load on, wait until the cluster is whole, read everything back, judge. Whatever is
 * random comes from the seed.
 */
import { randomBelow, seededRandom } from '@holdfast/base';
import { RespClient, itemsOf, textOf } from '@holdfast/resp';
import { isChange, type Pause } from '@holdfast/history';
import { masterOf, shardOf, type ClusterView, type DrillCluster, type NodeView, type ShardView } from './cluster.ts';
import { parseEndpoint } from './connection.ts';
import type { DrillWorld } from './drill-world.ts';
import { LoadRun } from './load-run.ts';
import { ParkingLot, type ParkedFigures } from './parked.ts';
import type { DrillViolation } from './drill-report.ts';
import { Queue } from './queued-writes.ts';
import type { Difference } from './read-back.ts';
import type { Recorder } from './recorder.ts';
import { Watch } from './watch.ts';

export interface HangPlan {
  /** Shard whose master is stopped. */
  readonly shard: number;
  readonly clients: number;
  /** How long clients write. */
  readonly loadMs: number;
  /** From the start of the load to the stop. */
  readonly stopAfterMs: number;
  /** From the stop to SIGCONT. */
  readonly holdMs: number;
  /** How long the cluster may take to be whole after the load, and the old master to rejoin after the resume. */
  readonly settleMs: number;
  readonly seed: number;
}

/** What happened, before it is judged. */
export interface HangRun {
  readonly plan: HangPlan;
  readonly leaseMs: number;
  readonly recorder: Recorder;
  readonly watch: Watch;
  readonly before: ShardView;
  readonly oldMaster: NodeView;
  readonly pause: Pause;
  readonly loadEndMs: number;
  /** When the old master said it is a replica; null when it never did. */
  readonly demotedMs: number | null;
  /** When the old master had, as a replica, what the new one had at the demotion; null when that was not seen. */
  readonly convergedMs: number | null;
  /** When, after the load, every node had its master's whole log; null when that was not seen. */
  readonly wholeMs: number | null;
  readonly queue: Queue;
  /** What became of clients that waited at the old master. */
  readonly parked: { readonly violations: readonly DrillViolation[]; readonly figures: ParkedFigures };
  readonly counts: ReadonlyMap<string, number>;
  /** Per replica address of the drilled shard: differences to its master, or why it could not be compared. */
  readonly replicas: ReadonlyMap<string, readonly Difference[] | string>;
}

const registersPerShard = 16;
const paceMs = 10;

/**
 * Runs the drill. The cluster is whole and idle at the start; it is neither made nor closed here.
 * @throws RangeError when the cluster has no such shard or the shard no living replica; OperationError when the
 *   controller does not answer at the start.
 */
export async function runHang(cluster: DrillCluster, plan: HangPlan, world: DrillWorld): Promise<HangRun> {
  const first = await cluster.view();
  const before = shardOf(first, plan.shard);
  const oldMaster = masterOf(before);
  if (oldMaster === undefined) throw new RangeError(`shard ${plan.shard} has no master to stop`);
  if (!before.nodes.some((node) => node.isAlive && node !== oldMaster))
    throw new RangeError(`shard ${plan.shard} has no living replica that could take over`);
  const run = new Run(cluster, plan, world, { first, before, oldMaster });
  return run.play();
}

interface Start {
  readonly first: ClusterView;
  readonly before: ShardView;
  readonly oldMaster: NodeView;
}

class Run {
  readonly #cluster: DrillCluster;
  readonly #plan: HangPlan;
  readonly #world: DrillWorld;
  readonly #start: Start;
  readonly #watch: Watch;
  readonly #queue: Queue;
  readonly #load: LoadRun;
  readonly #parked: ParkingLot;

  constructor(cluster: DrillCluster, plan: HangPlan, world: DrillWorld, start: Start) {
    this.#cluster = cluster;
    this.#plan = plan;
    this.#world = world;
    this.#start = start;
    this.#watch = new Watch(cluster, world.clock, plan.shard, start.first);
    this.#load = new LoadRun(cluster, { ...plan, registersPerShard, paceMs }, world, start.first, this.#watch);
    this.#queue = new Queue({
      recorder: this.#load.recorder,
      connection: { ...this.#load.settings, commandTimeoutMs: 10 * plan.loadMs },
      keys: this.#load.keysOf(plan.shard),
      shard: plan.shard,
      node: start.oldMaster.id,
    });
    this.#parked = new ParkingLot({
      connection: this.#load.settings,
      keys: this.#load.keysOf(plan.shard),
      name: 'hang',
      nowMs: () => this.#load.now(),
      sleep: (ms) => this.#load.sleep(ms),
    });
  }

  async play(): Promise<HangRun> {
    const { before, oldMaster, first } = this.#start;
    const load = this.#load;
    const watching = new AbortController();
    const watched = load.follow(await load.lastEventId(), watching.signal);
    const loading = new AbortController();
    const loaded = Promise.all([load.load(loading.signal), load.direct(oldMaster, loading.signal)]);

    const pause = await this.#stopAndResume();
    const rejoined = this.#followRejoin(pause.untilMs + this.#plan.settleMs);
    // Awaited below, and not before: until then nobody would handle its failure.
    rejoined.catch(() => undefined);
    await this.#probeOldMaster();
    const parked = await this.#parked.judge(this.#hasMoved() ? load.entryOf(this.#plan.shard) : undefined);
    await load.sleepUntil(this.#plan.loadMs);
    loading.abort();
    await loaded;
    const loadEndMs = load.now();
    await this.#queue.close();
    const { demotedMs, convergedMs } = await rejoined;

    const wholeMs = await load.whole(loadEndMs + this.#plan.settleMs);
    await load.readBack();
    const replicas = await load.compareReplicas();
    watching.abort();
    await watched;
    return {
      plan: this.#plan,
      leaseMs: first.leaseMs,
      recorder: load.recorder,
      watch: this.#watch,
      before,
      oldMaster,
      pause,
      loadEndMs,
      demotedMs,
      convergedMs,
      wholeMs,
      queue: this.#queue,
      parked,
      counts: load.counts,
      replicas,
    };
  }

  /**
   * Fills the master's socket buffers around the stop: writes just before it (some run before, some after), writes and
   * reads while it stands still, over connections from before the stop and new ones, through the LB and directly.
   */
  async #stopAndResume(): Promise<Pause> {
    const { before, oldMaster } = this.#start;
    const queue = this.#queue;
    await queue.connect('lb', before.lbAddress, 4);
    await queue.connect('direct', oldMaster.address, 4);
    await queue.named();
    queue.send(2);
    await this.#parked.park(oldMaster.address);
    await this.#load.sleepUntil(this.#plan.stopAfterMs);
    this.#parked.begin();
    queue.send(64);
    const sentBefore = [...queue.sent, ...this.#load.recorder.underWay.filter(isChange)];
    await this.#cluster.suspend(this.#cluster.placeOf(oldMaster.id));
    const fromMs = this.#load.now();
    const untilMs = fromMs + this.#plan.holdMs;
    const stepMs = Math.max(50, this.#plan.holdMs / 12);
    queue.send(16, this.#someRegisters());
    this.#parked.execute();
    // The balancer points at the old master until it is suspected, so these reach it; it cannot say so itself.
    await queue.connect('lb', before.lbAddress, 2, true);
    let looking: Promise<void> | undefined;
    for (let step = 0; this.#load.now() < untilMs - stepMs; step++) {
      if (this.#watch.first('lb-moved', fromMs)) looking ??= this.#load.lookFor(sentBefore);
      if (step % 3 === 0) await queue.connect('direct', oldMaster.address, 1, true);
      queue.send(4, this.#someRegisters());
      await this.#load.sleep(stepMs);
    }
    queue.send(4, this.#someRegisters());
    await this.#load.sleepUntil(untilMs);
    const resumedMs = this.#load.now();
    this.#cluster.resume(this.#cluster.placeOf(oldMaster.id));
    await looking;
    return { node: oldMaster.id, fromMs, untilMs: resumedMs };
  }

  #hasMoved(): boolean {
    const master = masterOf(this.#watch.latestShard);
    return master !== undefined && master.id !== this.#start.oldMaster.id;
  }

  #someRegisters(): string[] {
    const { registers } = this.#load.keysOf(this.#plan.shard);
    return registers.slice(0, 4);
  }

  /** New clients come straight to the node that woke up, for a second: it must not take their writes. */
  async #probeOldMaster(): Promise<void> {
    for (let i = 0; i < 10; i++) {
      await this.#queue.connect('direct', this.#start.oldMaster.address, 1, true);
      this.#queue.send(2, this.#someRegisters());
      await this.#load.sleep(100);
    }
  }

  /** Waits for the old master to call itself a replica, then to have what the new master had at that moment. */
  async #followRejoin(deadlineMs: number): Promise<{ demotedMs: number | null; convergedMs: number | null }> {
    const demotedMs = await this.#pollRole(deadlineMs);
    const target = masterOf(this.#watch.latestShard)?.sequence;
    if (demotedMs === null || target === undefined) return { demotedMs, convergedMs: null };
    while (this.#load.now() < deadlineMs) {
      const node = this.#watch.latestShard.nodes.find(({ id }) => id === this.#start.oldMaster.id);
      if (node?.isAlive === true && node.role === 'slave' && node.sequence >= target)
        return { demotedMs, convergedMs: this.#load.now() };
      await this.#load.sleep(20);
    }
    return { demotedMs, convergedMs: null };
  }

  /** Asks the old master for its role until it says replica. */
  async #pollRole(deadlineMs: number): Promise<number | null> {
    const { connector, timers } = this.#world;
    const options = { timers, connectTimeoutMs: 500, commandTimeoutMs: 500 };
    while (this.#load.now() < deadlineMs) {
      try {
        const client = await RespClient.connect(connector, parseEndpoint(this.#start.oldMaster.address), options);
        const role = itemsOf(await client.command('ROLE'))?.[0];
        client.close();
        if (role !== undefined && textOf(role) === 'slave') return this.#load.now();
      } catch {
        // It closes connections while its lease is lapsed and at a role change; it will be asked again.
      }
      await this.#load.sleep(20);
    }
    return null;
  }
}

/** When the load of `loadMs` is stopped into: a quarter in, moved by up to 200 ms by the seed. */
export function stopAfterMs(loadMs: number, seed: number): number {
  return loadMs / 4 + randomBelow(seededRandom(seed), 200);
}
