/**
 * What every drill does around its fault: clients that load all shards, clients that never leave one node, a line of progress a second, the wait until the
 * cluster is whole again, and the comparison of replicas with what was read from their master.
 */
import { seededRandom, type Connector } from '@holdfast/base';
import { masterOf, shardOf, type ClusterView, type DrillCluster, type NodeView, type ShardView } from './cluster.ts';
import type { ConnectionSettings } from './connection.ts';
import type { DrillWorld } from './drill-world.ts';
import { keysOf, type ShardKeys } from './keys.ts';
import { runLane, type LaneOptions, type LoadWorld } from './load.ts';
import { compareReplica, readBack, type Difference } from './read-back.ts';
import { Recorder, type Intent } from './recorder.ts';
import type { Watch } from './watch.ts';

export interface LoadPlan {
  /** The shard the drill is about: it gets five times the load of the others. */
  readonly shard: number;
  readonly clients: number;
  /** How long clients write. */
  readonly loadMs: number;
  /** How long the cluster may take to be whole after the load. */
  readonly settleMs: number;
  readonly seed: number;
  /** Keys of each shard that all its clients write. */
  readonly registersPerShard: number;
  /** Between two rounds of a client on the drilled shard. */
  readonly paceMs: number;
}

/** Clients of each node that has some of its own. */
const directLanes = 4;

export class LoadRun {
  readonly recorder: Recorder;
  /** What clients met, by name. */
  readonly counts: Map<string, number> = new Map();
  /** Of everybody who is no load client. */
  readonly settings: ConnectionSettings;
  readonly #laneSettings: ConnectionSettings;
  readonly #cluster: DrillCluster;
  readonly #plan: LoadPlan;
  readonly #world: DrillWorld;
  readonly #first: ClusterView;
  readonly #watch: Watch;
  readonly #keys: ReadonlyMap<number, ShardKeys>;
  #isLull = false;

  /** @param first the view of the whole and idle cluster. */
  constructor(cluster: DrillCluster, plan: LoadPlan, world: DrillWorld, first: ClusterView, watch: Watch) {
    this.#cluster = cluster;
    this.#plan = plan;
    this.#world = world;
    this.#first = first;
    this.#watch = watch;
    this.recorder = new Recorder(world.clock);
    const { connector, timers } = world;
    const usual = { connectTimeoutMs: 1000, commandTimeoutMs: 2000 };
    this.settings = { connector, timers, ...usual };
    const { clientTimeoutMs = Infinity } = cluster;
    this.#laneSettings = {
      connector,
      timers,
      connectTimeoutMs: Math.min(usual.connectTimeoutMs, clientTimeoutMs),
      commandTimeoutMs: Math.min(usual.commandTimeoutMs, clientTimeoutMs),
    };
    this.#keys = new Map(first.shards.map((shard) => [shard.index, keysOf(shard, plan.registersPerShard)]));
  }

  now(): number {
    return this.#world.clock.nowMs();
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.#world.timers.after(delayMs, resolve));
  }

  async sleepUntil(atMs: number): Promise<void> {
    for (let left = atMs - this.now(); left > 0; left = atMs - this.now()) await this.sleep(left);
  }

  keysOf(shard: number): ShardKeys {
    const keys = this.#keys.get(shard);
    if (keys === undefined) throw new RangeError(`no shard ${shard}`);
    return keys;
  }

  /** Where a client that knows nothing better opens a connection to a shard now. */
  entryOf(index: number): string {
    return this.#cluster.entryOf(shardOf(this.#watch.latest, index));
  }

  /** The latest event there is before the run. */
  async lastEventId(): Promise<number> {
    const earlier = await this.#cluster.events(0);
    return earlier.reduce((latest, event) => Math.max(latest, event.id), 0);
  }

  /** Follows the cluster from the controller's side, from after that event, until the signal ends. */
  follow(afterEventId: number, signal: AbortSignal): Promise<void> {
    return this.#watch.run(afterEventId, signal, (ms) => this.sleep(ms));
  }

  /** Every client writes to every shard, and a line a second says how the run stands. Ends with the signal. */
  async load(signal: AbortSignal): Promise<void> {
    void this.#report(signal);
    await Promise.all(this.#lanes(signal));
  }

  /**
   * All clients that there are go on reading and write no more, until `endLull`.
   * @returns when every write to the drilled shard has its end.
   */
  async beginLull(): Promise<void> {
    this.#isLull = true;
    const isWrite = ({ shard, value }: Intent): boolean => shard === this.#plan.shard && value !== undefined;
    while (this.recorder.underWay.some(isWrite)) await this.sleep(10);
  }

  endLull(): void {
    this.#isLull = false;
  }

  /** New clients of the drilled shard, by its LB address; they write whatever the others do, until the signal ends. */
  async newcomers(count: number, signal: AbortSignal): Promise<void> {
    const { shard, seed, paceMs } = this.#plan;
    const lanes = Array.from({ length: count }, (_, i) => {
      const lane = { client: `newcomer-${i}`, entry: () => this.entryOf(shard), keys: this.keysOf(shard), paceMs };
      const world = { ...this.#laneWorld(signal), random: seededRandom(seed + 700 + i) };
      return runLane({ ...lane, phase: 'load', shard, mayWrite: () => true }, world);
    });
    await Promise.all(lanes);
  }

  /**
   * Clients that know nothing but the internal address of one node of the drilled shard, until the signal ends. Every
   * second one never gives up waiting for a reply.
   * @param connector how they connect, where that is not how all others do.
   */
  async direct(node: NodeView, signal: AbortSignal, connector?: Connector): Promise<void> {
    const { shard, seed, paceMs, loadMs } = this.#plan;
    const lanes: Promise<void>[] = [];
    for (let i = 0; i < directLanes; i++) {
      const patience = i % 2 === 0 ? {} : { commandTimeoutMs: 100 * loadMs };
      const connection = { ...this.#laneSettings, ...patience, ...(connector === undefined ? {} : { connector }) };
      const client = `${connector === undefined ? 'direct' : 'inside'}-${i}-${node.id.slice(0, 8)}`;
      const random = seededRandom(seed + 500 + i);
      const lane: LaneOptions = {
        phase: 'direct',
        client,
        shard,
        entry: () => node.address,
        node: node.id,
        keys: this.keysOf(shard),
        paceMs: 2 * paceMs,
        mayWrite: () => !this.#isLull,
      };
      lanes.push(runLane(lane, { ...this.#laneWorld(signal), connection, random }));
    }
    await Promise.all(lanes);
  }

  #lanes(signal: AbortSignal): Promise<void>[] {
    const { clients, seed, shard: drilled, paceMs } = this.#plan;
    const lanes: Promise<void>[] = [];
    for (let i = 0; i < clients; i++) {
      for (const { index: shard } of this.#first.shards) {
        const random = seededRandom(seed + 1000 * i + shard);
        const lane: LaneOptions = {
          phase: 'load',
          client: `client-${i}-${shard}`,
          shard,
          entry: () => this.entryOf(shard),
          keys: this.keysOf(shard),
          paceMs: shard === drilled ? paceMs : 5 * paceMs,
          mayWrite: () => !this.#isLull || shard !== drilled,
        };
        lanes.push(runLane(lane, { ...this.#laneWorld(signal), random }));
      }
    }
    return lanes;
  }

  #laneWorld(signal: AbortSignal): Omit<LoadWorld, 'random'> {
    const sleep = (ms: number): Promise<void> => this.sleep(ms);
    return { recorder: this.recorder, connection: this.#laneSettings, sleep, signal, counts: this.counts };
  }

  async #report(signal: AbortSignal): Promise<void> {
    for (let second = 1; ; second++) {
      await this.sleepUntil(second * 1000);
      if (signal.aborted) return;
      const { operations, unknownCount } = this.recorder;
      const shard = this.#watch.latestShard;
      this.#world.progress(
        `${(this.now() / 1000).toFixed(1)} s: ${operations.length} operations, ${unknownCount} unknown; ` +
          `shard ${shard.index} epoch ${shard.epoch} ${shard.phase}`,
      );
    }
  }

  /**
   * Waits until every node of every shard is alive and has its master's whole log.
   * @returns when; null when that was not seen before `deadlineMs`.
   */
  async whole(deadlineMs: number): Promise<number | null> {
    while (this.now() < deadlineMs) {
      if (this.#watch.latest.shards.every(isWhole)) return this.now();
      await this.sleep(50);
    }
    return null;
  }

  /** Reads back every key that was written. */
  async readBack(): Promise<void> {
    const deadlineMs = this.now() + this.#plan.settleMs;
    await readBack(this.#first, {
      recorder: this.recorder,
      connection: this.settings,
      entryOf: (shard) => this.entryOf(shard.index),
      sleep: (ms) => this.sleep(ms),
      mayGoOn: () => this.now() < deadlineMs,
    });
  }

  /** What the replicas of the drilled shard answer, against the last read of each key through the LB address. */
  async compareReplicas(): Promise<Map<string, readonly Difference[] | string>> {
    const expected = new Map<string, string | null>();
    for (const operation of this.recorder.operations) {
      const { op, phase, shard, outcome, key } = operation;
      if (op === 'read' && phase === 'read-back' && shard === this.#plan.shard && outcome === 'ok')
        expected.set(key, operation.value);
    }
    const found = new Map<string, readonly Difference[] | string>();
    for (const node of this.#watch.latestShard.nodes) {
      if (node.role === 'master') continue;
      const result = compareReplica(node.address, expected, this.settings);
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
