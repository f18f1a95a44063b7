/**
 * What only the leader does for one cluster: its shards are driven, its topology and replica addresses kept right, and
 * every decision is told. Made when this controller begins to lead, stopped when it leads no more; what was under way
 * then is the next leader's to finish, from the store.
 */
import type { Clock, Logger, Timers } from '@holdfast/base';
import {
  isUnreached,
  publishedMasterId,
  type FenceTimes,
  type LeaseUse,
  type ReachFacts,
  type Suspicion,
  type WithholdAnswer,
} from '@holdfast/fencing';
import type { BalancerWatch, WatchedCluster, WatchedNode } from './balancer-watch.ts';
import type { BindingReconciler } from './binding-reconciler.ts';
import { desiredBindings, sameBindingRecords } from './cluster-layout.ts';
import type { ClusterRuntime } from './cluster-runtime.ts';
import { EventLog } from './event-log.ts';
import type { NodeWatch } from './node-watch.ts';
import type { BuildChange, RecordWriter } from './record-writer.ts';
import type { Granting, ShardGrants } from './shard-grants.ts';
import { ShardDriver } from './shard-driver.ts';
import type { ShardHost } from './shard-host.ts';
import { followingIds } from './shard-steps.ts';
import type { ClusterNodeRecord } from './records.ts';
import type { ClusterMirror } from './store-mirror.ts';
import { TopologyReconciler } from './topology-reconciler.ts';

/** Readers of a replica that is left behind may finish within this time. */
const replicaDrainMs = 500;

export interface ClusterLeadOptions {
  readonly runtime: ClusterRuntime;
  readonly writer: RecordWriter;
  readonly bindings: BindingReconciler;
  readonly balancer: BalancerWatch;
  /** Our own bug, or an environment that does not let the process go on. */
  fatal(error: unknown): void;
}

export class ClusterLead implements ShardHost, WatchedCluster {
  readonly key: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly times: FenceTimes;
  readonly leaseUse: LeaseUse;
  readonly isLeased: boolean;
  readonly bindings: BindingReconciler;
  readonly events: EventLog;
  readonly drivers: readonly ShardDriver[];
  readonly #options: ClusterLeadOptions;
  readonly #runtime: ClusterRuntime;
  readonly #processIds = new Map<string, string>();
  readonly #topology: TopologyReconciler;
  /** Ids of nodes that are told not to be reached by the balancer. */
  readonly #unreachedIds = new Set<string>();
  #isStopped = false;

  constructor(options: ClusterLeadOptions) {
    const { runtime, writer, bindings } = options;
    this.#options = options;
    this.#runtime = runtime;
    this.key = runtime.key;
    this.clock = runtime.clock;
    this.timers = runtime.timers;
    this.logger = runtime.logger;
    this.times = runtime.times;
    this.leaseUse = runtime.leaseUse;
    this.isLeased = runtime.isLeased;
    this.bindings = bindings;
    this.events = new EventLog({
      key: this.key,
      before: this.mirror().events.value.events,
      clock: this.clock,
      timers: this.timers,
      logger: this.logger,
      isBusy: () => this.mirror().shards.some(({ value }) => value.transition !== null),
      write: (events) => writer.commit(this.key, () => ({ events: { events } })),
    });
    this.drivers = this.mirror().shards.map((_, index) => new ShardDriver(this, index));
    this.#topology = new TopologyReconciler(this);
    for (const { node, reply } of runtime.watches)
      if (reply !== undefined) this.#processIds.set(node.id, reply.processId);
  }

  start(): void {
    this.onChanged();
  }

  stop(): void {
    this.#isStopped = true;
    for (const driver of this.drivers) driver.stop();
    this.events.stop();
  }

  mirror(): ClusterMirror {
    return this.#runtime.mirror();
  }

  commit(build: BuildChange): Promise<boolean> {
    return this.#options.writer.commit(this.key, build);
  }

  watch(nodeId: string): NodeWatch | undefined {
    return this.#runtime.watch(nodeId);
  }

  get watches(): readonly NodeWatch[] {
    return this.#runtime.watches;
  }

  grants(index: number): ShardGrants {
    return this.#runtime.grants(index);
  }

  withholdAnswers(index: number): readonly WithholdAnswer[] {
    return this.#runtime.withholdAnswers(index);
  }

  suspicion(nodeId: string): Suspicion {
    return this.#runtime.suspicion(nodeId);
  }

  /** There is one balancer, as far as this controller knows. */
  reach(index: number): ReachFacts {
    const { balancer } = this.#options;
    const shard = this.mirror().cluster.value.shards[index];
    if (shard === undefined || shard.masterLb === null) return { balancers: [], masterAnswersForMs: 0 };
    const { masterId } = this.#runtime.record(index);
    const addr = shard.nodes.find(({ id }) => id === masterId)?.addr ?? '';
    return { balancers: [balancer.view(shard.nodes)], masterAnswersForMs: balancer.answersForMs(addr) };
  }

  isUnreached(nodeId: string): boolean {
    return isUnreached(nodeId, this.reach(this.#runtime.shardOf(nodeId)).balancers, this.times);
  }

  get password(): string {
    return this.mirror().cluster.value.password;
  }

  get behindBalancer(): readonly WatchedNode[] {
    return this.mirror().cluster.value.shards.flatMap(({ masterLb, nodes }, index) => {
      if (masterLb === null) return [];
      const { masterId } = this.#runtime.record(index);
      return nodes.map((node) => ({ node, isMaster: node.id === masterId }));
    });
  }

  onBalancerReport(): void {
    if (this.#isStopped) return;
    for (const { node } of this.behindBalancer) this.#noteReach(node);
    for (const driver of this.drivers) driver.drive();
  }

  /** What is not heard by controllers either is told as that. */
  #noteReach({ id, addr }: ClusterNodeRecord): void {
    const heard = this.#options.balancer.heard(addr);
    const isTold = this.#unreachedIds.has(id);
    if (heard === undefined || this.isUnreached(id) === isTold) return;
    const repliedMs = this.watch(id)?.repliedMs ?? -Infinity;
    if (!isTold && this.clock.leaseMs() - repliedMs > 3 * this.times.heartbeatMs) return;
    const shard = this.#runtime.shardOf(id);
    const timings = { silent_ms: heard.silentMs };
    if (isTold) {
      this.#unreachedIds.delete(id);
      this.events.add({ kind: 'lb-reached', shard, message: `node ${id} answers the balancer again` });
      return;
    }
    this.#unreachedIds.add(id);
    const message = `node ${id} has not answered the balancer for ${heard.silentMs} ms (${heard.error ?? 'slow'})`;
    this.events.add({ kind: 'lb-unreached', shard, cause: 'no-answer', message, timings });
  }

  get controllerIds(): readonly string[] {
    return this.#runtime.controllerIds;
  }

  get mayAct(): boolean {
    return !this.#isStopped && this.#options.writer.mayWrite;
  }

  fatal(error: unknown): void {
    this.#options.fatal(error);
  }

  /** A record changed, here or in the store: drivers and reconcilers may have something to do. */
  onChanged(): void {
    if (this.#isStopped) return;
    for (const driver of this.drivers) driver.drive();
    for (const watch of this.watches) this.#reconcile(watch);
  }

  onReply(watch: NodeWatch): void {
    if (this.#isStopped) return;
    this.#noteProcess(watch);
    this.#driverOf(watch)?.onReply(watch);
    this.#reconcile(watch);
  }

  /** What the heartbeats of this controller may grant because it leads. */
  granting(index: number): Granting {
    const driver = this.drivers[index];
    return { isGranting: driver?.isGranting === true, isPromoted: driver?.isPromoted === true };
  }

  /** False while an announced master is not promoted yet: neither topology nor bindings go out before. */
  get isSettled(): boolean {
    return this.drivers.every(({ isSettled }) => isSettled);
  }

  isShardSettled(index: number): boolean {
    return this.drivers[index]?.isSettled !== false;
  }

  /** True when every shard has its master, every node the topology: what a creation waits for. */
  get isReady(): boolean {
    const { version } = this.mirror().cluster.value;
    const isStable = this.drivers.every(({ record }) => record.transition === null && record.masterId !== '-');
    return isStable && this.watches.every(({ reply }) => reply?.version === version);
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
      const masterIds = shards.map(publishedMasterId);
      const wanted = desiredBindings({ cluster, masterIds, wellIds, current, drainMs: replicaDrainMs });
      if (sameBindingRecords(wanted, current)) return undefined;
      return { bindings: { clusters: { ...bindings.clusters, [this.key]: wanted } } };
    });
  }

  onObserved(watch: NodeWatch, effect: 'suspected' | 'recovered'): void {
    if (this.#isStopped) return;
    const { id } = watch.node;
    const shard = this.#runtime.shardOf(id);
    if (effect === 'recovered') this.events.add({ kind: 'node-up', shard, message: `node ${id} answers again` });
    else this.#tellSuspected(watch, shard);
    this.#driverOf(watch)?.drive();
  }

  #tellSuspected(watch: NodeWatch, shard: number): void {
    const { id } = watch.node;
    const record = this.drivers[shard]?.record;
    const silentMs = this.clock.leaseMs() - watch.heardMs;
    const isMaster = record !== undefined && publishedMasterId(record) === id;
    this.events.add({
      kind: isMaster ? 'master-suspected' : 'node-down',
      shard,
      epoch: record?.epoch ?? 0,
      cause: 'no-reply',
      message: `${isMaster ? 'master' : 'node'} ${id} has not answered for ${Math.round(silentMs)} ms`,
      timings: { silent_ms: silentMs },
    });
  }

  #driverOf(watch: NodeWatch): ShardDriver | undefined {
    return this.drivers[this.#runtime.shardOf(watch.node.id)];
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
    this.events.add({ kind: 'process-changed', shard: this.#runtime.shardOf(id), message });
  }
}
