/**
 * What every drill does around its fault: clients that load all shards, clients that never leave one node, a line of progress a second, the wait until the
 * cluster is whole again, and the comparison of replicas with what was read from their master.
 */
import { seededRandom, type Connector } from '@holdfast/base';
import type { Reply } from '@holdfast/resp';
import { masterOf, shardOf, type ClusterView, type DrillCluster, type NodeView, type ShardView } from './cluster.ts';
import type { ConnectionSettings } from './connection.ts';
import type { DrillWorld } from './drill-world.ts';
import { keysOf, type ShardKeys } from './keys.ts';
import { isChange } from '@holdfast/history';
import { runLane, type LaneOptions, type LoadWorld } from './load.ts';
import { consumingTraffic, mixedTraffic, poppingTraffic, type Traffic } from './mix.ts';
import { compareReplica, expectedOf, readBack, readingOf, type Difference } from './read-back.ts';
import { Recorder, type Pending } from './recorder.ts';
import { openConnection } from './connection.ts';
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

/** Clients of each node that has some of its own; beside them one that uses more than registers, and one that waits. */
const directLanes = 4;

/** Load clients of the drilled shard, beside those of registers, that use more than registers. Other shards have one. */
const mixedLanes = 2;

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
    const isWrite = (pending: Pending): boolean => pending.shard === this.#plan.shard && isChange(pending);
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
    const traffics: readonly (Traffic | undefined)[] = [
      ...Array.from({ length: directLanes }, () => undefined),
      ...(connector === undefined ? [mixedTraffic(), poppingTraffic()] : []),
    ];
    for (const [i, traffic] of traffics.entries()) {
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
        ...(traffic === undefined ? {} : { traffic }),
      };
      lanes.push(runLane(lane, { ...this.#laneWorld(signal), connection, random }));
    }
    await Promise.all(lanes);
  }

  #lanes(signal: AbortSignal): Promise<void>[] {
    const { clients, shard: drilled } = this.#plan;
    const lanes: Promise<void>[] = [];
    for (const { index: shard } of this.#first.shards) {
      for (let i = 0; i < clients; i++) lanes.push(this.#lane(`client-${i}-${shard}`, shard, signal, i));
      const mixed = shard === drilled ? mixedLanes : 1;
      for (let i = 0; i < mixed; i++)
        lanes.push(this.#lane(`mixed-${i}-${shard}`, shard, signal, 100 + i, mixedTraffic()));
    }
    lanes.push(this.#lane(`waiting-${drilled}`, drilled, signal, 110, poppingTraffic()));
    lanes.push(this.#lane(`consumer-${drilled}`, drilled, signal, 111, consumingTraffic()));
    return lanes;
  }

  #lane(client: string, shard: number, signal: AbortSignal, number: number, traffic?: Traffic): Promise<void> {
    const { seed, shard: drilled, paceMs } = this.#plan;
    const random = seededRandom(seed + 1000 * number + shard);
    const lane: LaneOptions = {
      phase: 'load',
      client,
      shard,
      entry: () => this.entryOf(shard),
      keys: this.keysOf(shard),
      paceMs: (shard === drilled ? 1 : 5) * (traffic === undefined ? 1 : 2) * paceMs,
      mayWrite: () => !this.#isLull || shard !== drilled,
      ...(traffic === undefined ? {} : { traffic }),
    };
    return runLane(lane, { ...this.#laneWorld(signal), random });
  }

  /**
   * Reads what was sent to a node that stands still from its successor: what is there was executed before the stop,
   * however late its answer comes. Never rejects.
   */
  async lookFor(sent: readonly Pick<Pending, 'op' | 'key'>[]): Promise<void> {
    const { shard } = this.#plan;
    const address = this.entryOf(shard);
    const connection = await openConnection(address, this.settings).catch(() => undefined);
    if (connection === undefined) return;
    const readings = new Map(sent.map(({ op, key }) => [key, readingOf(op, key)]));
    await Promise.all(
      [...readings].map(([key, deed]) => {
        const actor = { client: 'look', phase: 'load', shard, address, key } as const;
        const send = (): Promise<Reply> => connection.client.command(...deed.args);
        return this.recorder.recordDeed(actor, deed, send, connection.node);
      }),
    );
    connection.client.close();
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
    const expected = expectedOf(this.recorder.operations, this.#plan.shard);
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
