/**
 * The drill `hang`: a master's process is stopped under load, with requests in its socket buffers, and wakes up when the
 * cluster has gone on without it. A fenced cluster believes nothing it then does.
 *
 * The run: load, stop, hold, resume, load on, wait until the cluster is whole, read everything back, judge. Whatever is
 * random comes from the seed.
 */
import { randomBelow, seededRandom, type Connector, type Timers } from '@holdfast/base';
import { RespClient, itemsOf, textOf } from '@holdfast/resp';
import type { Pause } from '@holdfast/history';
import { masterOf, shardOf, type ClusterView, type DrillCluster, type NodeView, type ShardView } from './cluster.ts';
import { openConnection, parseEndpoint, type ConnectionSettings } from './connection.ts';
import { keysOf, type ShardKeys } from './keys.ts';
import { runLane, type LoadWorld } from './load.ts';
import { Queue } from './queued-writes.ts';
import { compareReplica, readBack, type Difference } from './read-back.ts';
import { Recorder, type RunClock } from './recorder.ts';
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

export interface DrillWorld {
  readonly connector: Connector;
  readonly timers: Timers;
  readonly clock: RunClock;
  /** One line about how the run stands, about every second. */
  progress(line: string): void;
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
  readonly counts: ReadonlyMap<string, number>;
  /** Per replica address of the drilled shard: differences to its master, or why it could not be compared. */
  readonly replicas: ReadonlyMap<string, readonly Difference[] | string>;
}

const registersPerShard = 16;

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
  readonly #recorder: Recorder;
  readonly #watch: Watch;
  readonly #queue: Queue;
  readonly #keys: ReadonlyMap<number, ShardKeys>;
  readonly #counts = new Map<string, number>();
  readonly #settings: ConnectionSettings;

  constructor(cluster: DrillCluster, plan: HangPlan, world: DrillWorld, start: Start) {
    this.#cluster = cluster;
    this.#plan = plan;
    this.#world = world;
    this.#start = start;
    this.#recorder = new Recorder(world.clock);
    this.#watch = new Watch(cluster, world.clock, plan.shard, start.first);
    this.#keys = new Map(start.first.shards.map((shard) => [shard.index, keysOf(shard, registersPerShard)]));
    const { connector, timers } = world;
    this.#settings = { connector, timers, connectTimeoutMs: 1000, commandTimeoutMs: 2000 };
    this.#queue = new Queue({
      recorder: this.#recorder,
      connection: { ...this.#settings, commandTimeoutMs: 10 * plan.loadMs },
      keys: this.#keysOf(plan.shard),
      shard: plan.shard,
      node: start.oldMaster.id,
    });
  }

  async play(): Promise<HangRun> {
    const { before, oldMaster, first } = this.#start;
    const earlier = await this.#cluster.events(0);
    const lastEvent = earlier.reduce((latest, event) => Math.max(latest, event.id), 0);
    const watching = new AbortController();
    const watched = this.#watch.run(lastEvent, watching.signal, (ms) => this.#sleep(ms));
    const loading = new AbortController();
    const lanes = this.#startLoad(loading.signal);
    const reporting = this.#report(loading.signal);

    const pause = await this.#stopAndResume();
    const rejoined = this.#followRejoin(pause.untilMs + this.#plan.settleMs);
    await this.#probeOldMaster();
    await this.#sleepUntil(this.#plan.loadMs);
    loading.abort();
    await Promise.all([...lanes, reporting]);
    const loadEndMs = this.#now();
    await this.#queue.close();
    const { demotedMs, convergedMs } = await rejoined;

    const wholeMs = await this.#waitUntilWhole(loadEndMs + this.#plan.settleMs);
    const deadlineMs = this.#now() + this.#plan.settleMs;
    await readBack(first, {
      recorder: this.#recorder,
      connection: this.#settings,
      sleep: (ms) => this.#sleep(ms),
      mayGoOn: () => this.#now() < deadlineMs,
    });
    const replicas = await this.#compareReplicas();
    watching.abort();
    await watched;
    return {
      plan: this.#plan,
      leaseMs: first.leaseMs,
      recorder: this.#recorder,
      watch: this.#watch,
      before,
      oldMaster,
      pause,
      loadEndMs,
      demotedMs,
      convergedMs,
      wholeMs,
      queue: this.#queue,
      counts: this.#counts,
      replicas,
    };
  }

  #now(): number {
    return this.#world.clock.nowMs();
  }

  #sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.#world.timers.after(delayMs, resolve));
  }

  async #sleepUntil(atMs: number): Promise<void> {
    for (let left = atMs - this.#now(); left > 0; left = atMs - this.#now()) await this.#sleep(left);
  }

  #keysOf(shard: number): ShardKeys {
    const keys = this.#keys.get(shard);
    if (keys === undefined) throw new RangeError(`no shard ${shard}`);
    return keys;
  }

  /** Every client writes to every shard; to the drilled one five times as often. */
  #startLoad(signal: AbortSignal): Promise<void>[] {
    const lanes: Promise<void>[] = [];
    for (let i = 0; i < this.#plan.clients; i++) {
      for (const { index: shard, lbAddress } of this.#start.first.shards) {
        const world: LoadWorld = {
          recorder: this.#recorder,
          connection: this.#settings,
          random: seededRandom(this.#plan.seed + 1000 * i + shard),
          sleep: (ms) => this.#sleep(ms),
          signal,
          counts: this.#counts,
        };
        const client = `client-${i}-${shard}`;
        const paceMs = shard === this.#plan.shard ? 10 : 50;
        lanes.push(runLane({ client, shard, lbAddress, keys: this.#keysOf(shard), paceMs }, world));
      }
    }
    return lanes;
  }

  async #report(signal: AbortSignal): Promise<void> {
    for (let second = 1; !signal.aborted; second++) {
      await this.#sleepUntil(Math.min(second * 1000, this.#plan.loadMs));
      const { operations } = this.#recorder;
      const unknown = operations.filter((operation) => operation.outcome === 'unknown').length;
      const shard = this.#watch.latestShard;
      this.#world.progress(
        `${(this.#now() / 1000).toFixed(1)} s: ${operations.length} operations, ${unknown} unknown; ` +
          `shard ${shard.index} epoch ${shard.epoch} ${shard.phase}`,
      );
      if (this.#now() >= this.#plan.loadMs) return;
    }
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
    await this.#sleepUntil(this.#plan.stopAfterMs);
    queue.send(64);
    const sentBefore = [...queue.keys];
    await this.#cluster.suspend(oldMaster.id);
    const fromMs = this.#now();
    const untilMs = fromMs + this.#plan.holdMs;
    const stepMs = Math.max(50, this.#plan.holdMs / 12);
    queue.send(16, this.#someRegisters());
    // The balancer points at the old master until it is suspected, so these reach it; it cannot say so itself.
    await queue.connect('lb', before.lbAddress, 2, true);
    let looking: Promise<void> | undefined;
    for (let step = 0; this.#now() < untilMs - stepMs; step++) {
      if (this.#watch.first('lb-moved', fromMs)) looking ??= this.#lookFor(sentBefore);
      if (step % 3 === 0) await queue.connect('direct', oldMaster.address, 1, true);
      queue.send(4, this.#someRegisters());
      await this.#sleep(stepMs);
    }
    queue.send(4, this.#someRegisters());
    await this.#sleepUntil(untilMs);
    const resumedMs = this.#now();
    this.#cluster.resume(oldMaster.id);
    await looking;
    return { node: oldMaster.id, fromMs, untilMs: resumedMs };
  }

  /**
   * Reads keys from the new master while the old one stands still: what is there was executed before the stop, however
   * late its answer comes.
   */
  async #lookFor(keys: readonly string[]): Promise<void> {
    const { lbAddress: address, index: shard } = this.#start.before;
    const connection = await openConnection(address, this.#settings).catch(() => undefined);
    if (connection === undefined) return;
    const look = (key: string): Promise<unknown> =>
      this.#recorder.record(
        { client: 'look', phase: 'load', shard, address, key },
        () => connection.client.command('GET', key),
        connection.node,
      );
    await Promise.all(keys.map(look));
    connection.client.close();
  }

  #someRegisters(): string[] {
    const { registers } = this.#keysOf(this.#plan.shard);
    return registers.slice(0, 4);
  }

  /** New clients come straight to the node that woke up, for a second: it must not take their writes. */
  async #probeOldMaster(): Promise<void> {
    for (let i = 0; i < 10; i++) {
      await this.#queue.connect('direct', this.#start.oldMaster.address, 1, true);
      this.#queue.send(2, this.#someRegisters());
      await this.#sleep(100);
    }
  }

  /** Waits for the old master to call itself a replica, then to have what the new master had at that moment. */
  async #followRejoin(deadlineMs: number): Promise<{ demotedMs: number | null; convergedMs: number | null }> {
    const demotedMs = await this.#pollRole(deadlineMs);
    const target = masterOf(this.#watch.latestShard)?.sequence;
    if (demotedMs === null || target === undefined) return { demotedMs, convergedMs: null };
    while (this.#now() < deadlineMs) {
      const node = this.#watch.latestShard.nodes.find(({ id }) => id === this.#start.oldMaster.id);
      if (node?.isAlive === true && node.role === 'slave' && node.sequence >= target)
        return { demotedMs, convergedMs: this.#now() };
      await this.#sleep(20);
    }
    return { demotedMs, convergedMs: null };
  }

  /** Asks the old master for its role until it says replica. */
  async #pollRole(deadlineMs: number): Promise<number | null> {
    const { connector, timers } = this.#world;
    const options = { timers, connectTimeoutMs: 500, commandTimeoutMs: 500 };
    while (this.#now() < deadlineMs) {
      try {
        const client = await RespClient.connect(connector, parseEndpoint(this.#start.oldMaster.address), options);
        const role = itemsOf(await client.command('ROLE'))?.[0];
        client.close();
        if (role !== undefined && textOf(role) === 'slave') return this.#now();
      } catch {
        // It closes connections while its lease is lapsed and at a role change; it will be asked again.
      }
      await this.#sleep(20);
    }
    return null;
  }

  /** Waits until every node of every shard is alive and has its master's whole log. */
  async #waitUntilWhole(deadlineMs: number): Promise<number | null> {
    while (this.#now() < deadlineMs) {
      if (this.#watch.latest.shards.every(isWhole)) return this.#now();
      await this.#sleep(50);
    }
    return null;
  }

  /** What the replicas of the drilled shard answer, against the last read of each key through the LB address. */
  async #compareReplicas(): Promise<Map<string, readonly Difference[] | string>> {
    const expected = new Map<string, string | null>();
    for (const operation of this.#recorder.operations) {
      const { op, phase, shard, outcome, key } = operation;
      if (op === 'read' && phase === 'read-back' && shard === this.#plan.shard && outcome === 'ok')
        expected.set(key, operation.value);
    }
    const found = new Map<string, readonly Difference[] | string>();
    for (const node of this.#watch.latestShard.nodes) {
      if (node.role === 'master') continue;
      const result = compareReplica(node.address, expected, this.#settings);
      found.set(node.address, await result.catch((error: unknown) => String(error)));
    }
    return found;
  }
}

function isWhole(shard: ShardView): boolean {
  const master = masterOf(shard);
  if (master === undefined || shard.phase !== 'stable') return false;
  return shard.nodes.every((node) => node.isAlive && node.sequence === master.sequence);
}

/** When the load of `loadMs` is stopped into: a quarter in, moved by up to 200 ms by the seed. */
export function stopAfterMs(loadMs: number, seed: number): number {
  return loadMs / 4 + randomBelow(seededRandom(seed), 200);
}
