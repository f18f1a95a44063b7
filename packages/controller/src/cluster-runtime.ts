/** One cluster at work: its nodes are watched, its shards driven, its topology and replica addresses kept right. */
import type { Clock, Connector, Logger, Timers } from '@holdfast/base';
import { fenceTimes, publishedMasterId, type FenceTimes, type Heartbeat } from '@holdfast/fencing';
import type { BindingReconciler } from './binding-reconciler.ts';
import { desiredBindings, sameBindingRecords } from './cluster-layout.ts';
import { EventLog } from './event-log.ts';
import { NodeWatch } from './node-watch.ts';
import type { ClusterChange, ClusterMirror, RecordStore } from './record-store.ts';
import type { BindingsRecord } from './records.ts';
import { ShardDriver } from './shard-driver.ts';
import type { ShardHost } from './shard-host.ts';
import { followingIds } from './shard-steps.ts';
import { TopologyReconciler } from './topology-reconciler.ts';

/** Readers of a replica that is left behind may finish within this time. */
const replicaDrainMs = 500;

export interface ClusterRuntimeOptions {
  readonly key: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly connector: Connector;
  readonly logger: Logger;
  readonly records: RecordStore;
  readonly bindings: BindingReconciler;
  readonly repeatAfterMs: number | undefined;
  fatal(error: unknown): void;
}

export class ClusterRuntime implements ShardHost {
  readonly key: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly times: FenceTimes;
  readonly isLeased: boolean;
  readonly bindings: BindingReconciler;
  readonly events: EventLog;
  readonly drivers: readonly ShardDriver[];
  readonly #options: ClusterRuntimeOptions;
  readonly #watches: ReadonlyMap<string, NodeWatch>;
  /** Shard index by node id. */
  readonly #shardOf = new Map<string, number>();
  readonly #processIds = new Map<string, string>();
  readonly #topology: TopologyReconciler;

  constructor(options: ClusterRuntimeOptions) {
    const { key, clock, timers, records, bindings, repeatAfterMs } = options;
    this.#options = options;
    this.key = key;
    this.clock = clock;
    this.timers = timers;
    this.logger = options.logger.child({ cluster: key });
    this.bindings = bindings;
    this.events = new EventLog({
      records,
      key,
      clock,
      timers,
      logger: this.logger,
      isBusy: () => this.mirror().shards.some(({ value }) => value.transition !== null),
    });
    const cluster = this.mirror().cluster.value;
    this.times = fenceTimes({ leaseMs: cluster.leaseMs, ...(repeatAfterMs === undefined ? {} : { repeatAfterMs }) });
    this.isLeased = cluster.fences.includes('lease');
    this.#watches = this.#watchAll();
    this.drivers = cluster.shards.map((_, index) => new ShardDriver(this, index));
    const watches = [...this.#watches.values()];
    this.#topology = new TopologyReconciler(
      this,
      () => watches,
      () => this.isSettled,
    );
  }

  #watchAll(): ReadonlyMap<string, NodeWatch> {
    const { clock, timers, connector } = this.#options;
    const cluster = this.mirror().cluster.value;
    const watches = new Map<string, NodeWatch>();
    cluster.shards.forEach((shard, index) => {
      for (const node of shard.nodes) {
        this.#shardOf.set(node.id, index);
        const watch = new NodeWatch({
          env: { clock, timers, connector, logger: this.logger },
          node,
          password: cluster.password,
          times: this.times,
          compose: (each) => this.#compose(each),
          onReply: (each, arrivedMs) => this.#onReply(each, arrivedMs),
          onChange: (each, effect) => this.#onChange(each, effect),
        });
        watches.set(node.id, watch);
      }
    });
    return watches;
  }

  start(): void {
    for (const watch of this.#watches.values()) watch.start();
    for (const driver of this.drivers) driver.drive();
  }

  stop(): void {
    for (const watch of this.#watches.values()) watch.stop();
    for (const driver of this.drivers) driver.stop();
  }

  mirror(): ClusterMirror {
    const mirror = this.#options.records.cluster(this.key);
    if (mirror === undefined) throw new RangeError(`cluster ${this.key} is not in the store`);
    return mirror;
  }

  commit(build: (mirror: ClusterMirror, bindings: BindingsRecord) => ClusterChange | undefined): Promise<void> {
    return this.#options.records.commit(this.key, build);
  }

  watch(nodeId: string): NodeWatch | undefined {
    return this.#watches.get(nodeId);
  }

  fatal(error: unknown): void {
    this.#options.fatal(error);
  }

  onChanged(): void {
    for (const watch of this.#watches.values()) this.#reconcile(watch);
  }

  /** False while an announced master is not promoted yet: neither topology nor bindings go out before. */
  get isSettled(): boolean {
    return this.drivers.every(({ isSettled }) => isSettled);
  }

  /** True when every shard has its master, every node the topology: what a creation waits for. */
  get isReady(): boolean {
    const { version } = this.mirror().cluster.value;
    const isStable = this.drivers.every(({ record }) => record.transition === null && record.masterId !== '-');
    return isStable && [...this.#watches.values()].every(({ reply }) => reply?.version === version);
  }

  /** Lets the bindings of replica addresses follow who is well. Masters' addresses move with transitions only. */
  async refreshBindings(): Promise<void> {
    if (this.drivers.some(({ record }) => record.transition !== null)) return;
    await this.commit((mirror, bindings) => {
      const current = bindings.clusters[this.key] ?? [];
      const shards = mirror.shards.map(({ value }) => value);
      if (shards.some(({ transition }) => transition !== null)) return undefined;
      const wellIds = followingIds(this, mirror);
      const cluster = mirror.cluster.value;
      const wanted = desiredBindings({ cluster, shards, wellIds, current, drainMs: replicaDrainMs });
      if (sameBindingRecords(wanted, current)) return undefined;
      return { bindings: { clusters: { ...bindings.clusters, [this.key]: wanted } } };
    });
  }

  #driverOf(watch: NodeWatch): ShardDriver | undefined {
    return this.drivers[this.#shardOf.get(watch.node.id) ?? -1];
  }

  #compose(watch: NodeWatch): Heartbeat {
    const driver = this.#driverOf(watch);
    if (driver === undefined) throw new RangeError(`node ${watch.node.id} belongs to no shard`);
    return driver.compose(watch);
  }

  #onReply(watch: NodeWatch, arrivedMs: number): void {
    this.#noteProcess(watch);
    this.#driverOf(watch)?.onReply(watch, arrivedMs);
    this.#reconcile(watch);
  }

  #reconcile(watch: NodeWatch): void {
    const driver = this.#driverOf(watch);
    if (driver !== undefined && !watch.isSuspect) this.#topology.consider(watch, driver);
  }

  #noteProcess(watch: NodeWatch): void {
    const { id } = watch.node;
    const processId = watch.reply?.processId ?? '';
    const before = this.#processIds.get(id);
    this.#processIds.set(id, processId);
    if (before === undefined || before === processId || processId === '') return;
    const message = `node ${id} was restarted: process ${before} is now ${processId}`;
    this.events.add({ kind: 'process-changed', shard: this.#shardOf.get(id) ?? -1, message });
  }

  #onChange(watch: NodeWatch, effect: 'suspected' | 'recovered'): void {
    const { id } = watch.node;
    const shard = this.#shardOf.get(id) ?? -1;
    const record = this.drivers[shard]?.record;
    const silentMs = this.clock.leaseMs() - watch.heardMs;
    if (effect === 'recovered') {
      this.events.add({ kind: 'node-up', shard, message: `node ${id} answers again` });
    } else {
      const isMaster = record !== undefined && publishedMasterId(record) === id;
      const kind = isMaster ? 'master-suspected' : 'node-down';
      const message = `${isMaster ? 'master' : 'node'} ${id} has not answered for ${Math.round(silentMs)} ms`;
      this.events.add({
        kind,
        shard,
        epoch: record?.epoch ?? 0,
        cause: 'no-reply',
        message,
        timings: { silent_ms: silentMs },
      });
    }
    this.#driverOf(watch)?.drive();
  }
}
