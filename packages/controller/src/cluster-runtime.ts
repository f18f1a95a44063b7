/**
 * One cluster as every controller serves it, whether it leads or not: each node is watched, leases are granted and
 * withheld by what the mirror of the store shows, and what the other controllers must know of it (answers to "withhold",
 * nodes that do not answer) is written to the store. What only the leader does hangs on it as `lead`.
 */
import { OperationError, type Clock, type Connector, type Logger, type Timer, type Timers } from '@holdfast/base';
import {
  countWithheld,
  fenceTimes,
  leaseUseOf,
  type FenceTimes,
  type Heartbeat,
  type LeaseUse,
  type ShardRecord,
  type Suspicion,
  type WithholdAnswer,
} from '@holdfast/fencing';
import type { ClusterLead } from './cluster-lead.ts';
import { NodeWatch } from './node-watch.ts';
import type { OwnRecords } from './own-records.ts';
import { keys, type WithheldRecord } from './records.ts';
import { ShardGrants } from './shard-grants.ts';
import type { ClusterMirror, StoreMirror } from './store-mirror.ts';

/** Who this controller is, and whether there may be others. */
export interface ControllerSelf {
  readonly id: string;
  /** URL of its REST API; empty when it has none. */
  readonly address: string;
  /** The store is shared: leases need a majority of the controllers. False: this is the one controller there is. */
  readonly isShared: boolean;
}

export interface ClusterRuntimeOptions {
  readonly key: string;
  readonly self: ControllerSelf;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly connector: Connector;
  readonly logger: Logger;
  readonly mirror: StoreMirror;
  readonly own: OwnRecords;
  readonly repeatAfterMs: number | undefined;
}

export class ClusterRuntime {
  readonly key: string;
  readonly self: ControllerSelf;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly times: FenceTimes;
  readonly leaseUse: LeaseUse;
  /** Nodes are armed: epochs and leases mean something. */
  readonly isLeased: boolean;
  /** What only the leader does; undefined while this controller follows. */
  lead: ClusterLead | undefined;
  readonly #options: ClusterRuntimeOptions;
  readonly #createdAtMs: number;
  readonly #watches: ReadonlyMap<string, NodeWatch>;
  readonly #grants: readonly ShardGrants[];
  /** Shard index by node id. */
  readonly #shardOf = new Map<string, number>();
  /** By shard index, while its candidate is asked more often. */
  readonly #hastened = new Map<number, Timer>();
  /** Lease clock at which a shard's record was last seen to change while this controller ran, by shard index. */
  readonly #changedMs = new Map<number, number>();
  readonly #records = new Map<number, ShardRecord>();
  #isStopped = false;

  constructor(options: ClusterRuntimeOptions) {
    const { key, self, clock, timers, repeatAfterMs } = options;
    this.#options = options;
    this.key = key;
    this.self = self;
    this.clock = clock;
    this.timers = timers;
    this.logger = options.logger.child({ cluster: key });
    const { cluster, shards } = this.mirror();
    const { leaseMs, fences, replication, createdAtMs } = cluster.value;
    this.#createdAtMs = createdAtMs;
    this.times = fenceTimes({ leaseMs, ...(repeatAfterMs === undefined ? {} : { repeatAfterMs }) });
    this.leaseUse = leaseUseOf(fences, replication);
    this.isLeased = this.leaseUse !== 'none';
    this.#watches = this.#watchAll();
    this.#grants = shards.map((_, index) => new ShardGrants(this, index));
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
          onChange: (each, effect) => this.#onObserved(each, effect),
        });
        watches.set(node.id, watch);
      }
    });
    return watches;
  }

  start(): void {
    for (const watch of this.#watches.values()) watch.start();
    this.onMirrorChange();
  }

  stop(): void {
    this.#isStopped = true;
    this.lead?.stop();
    this.lead = undefined;
    for (const watch of this.#watches.values()) watch.stop();
    for (const timer of this.#hastened.values()) timer.cancel();
    for (const prefix of [keys.withheldAll, keys.observedAll]) this.#options.own.forget(`${prefix}${this.key}/`);
  }

  /** True when this is another cluster than the mirror's of the same name. */
  get isReplaced(): boolean {
    return this.#options.mirror.cluster(this.key)?.cluster.value.createdAtMs !== this.#createdAtMs;
  }

  mirror(): ClusterMirror {
    const mirror = this.#options.mirror.cluster(this.key);
    if (mirror !== undefined) return mirror;
    throw new OperationError('CONTROLLER_CLUSTER_GONE', `cluster ${this.key} is gone`, { outcome: 'not-applied' });
  }

  record(index: number): ShardRecord {
    const stored = this.mirror().shards[index];
    if (stored === undefined) throw new RangeError(`no shard ${index} in ${this.key}`);
    return stored.value;
  }

  get watches(): readonly NodeWatch[] {
    return [...this.#watches.values()];
  }

  watch(nodeId: string): NodeWatch | undefined {
    return this.#watches.get(nodeId);
  }

  shardOf(nodeId: string): number {
    const index = this.#shardOf.get(nodeId);
    if (index === undefined) throw new RangeError(`node ${nodeId} belongs to no shard`);
    return index;
  }

  grants(index: number): ShardGrants {
    const grants = this.#grants[index];
    if (grants === undefined) throw new RangeError(`no shard ${index} in ${this.key}`);
    return grants;
  }

  /** The store shows something else than before: grants follow at once, and this controller answers for it. */
  onMirrorChange(): void {
    if (this.#isStopped) return;
    this.#grants.forEach((grants, index) => {
      const { epoch, controllers, transition } = this.record(index);
      grants.noteRecord();
      this.#noteChange(index);
      this.#hasten(index);
      if (transition === null || transition.fromEpoch === 0) return;
      const { epoch: withheldEpoch, remainingMs } = grants.withhold(epoch - 1);
      if (!controllers.includes(this.self.id)) return;
      const value: WithheldRecord = { createdAtMs: this.#createdAtMs, epoch: withheldEpoch, remainingMs };
      this.#options.own.want(keys.withheld(this.key, index, this.self.id), value);
    });
    this.lead?.onChanged();
  }

  #noteChange(index: number): void {
    const record = this.record(index);
    if (this.#records.has(index) && this.#records.get(index) !== record)
      this.#changedMs.set(index, this.clock.leaseMs());
    this.#records.set(index, record);
  }

  /**
   * A candidate that was announced needs leases of a majority the moment it acts, but it is the leader that tells it to:
   * the others see that in its replies only. So they ask more often until it has its lease, and give up after a while.
   */
  #hasten(index: number): void {
    const { transition, masterId, epoch } = this.record(index);
    if (!this.self.isShared || !this.isLeased || this.#hastened.has(index)) return;
    const isNew = transition === null && this.clock.leaseMs() < (this.#changedMs.get(index) ?? 0) + this.times.leaseMs;
    if (transition?.announced !== true && !isNew) return;
    const watch = this.#watches.get(masterId);
    const isServing = watch?.reply?.epoch === epoch && watch.reply.leaseRemainingMs > 0;
    if (watch === undefined || watch.isSuspect || isServing) return;
    const timer = this.timers.after(this.times.heartbeatMs / 20, () => {
      this.#hastened.delete(index);
      if (this.#isStopped) return;
      watch.beatNow();
      this.#hasten(index);
    });
    this.#hastened.set(index, timer);
  }

  /** What is known to have been answered to "withhold every epoch below the record's", this controller's word included. */
  withholdAnswers(index: number): WithholdAnswer[] {
    const { epoch, controllers } = this.record(index);
    const { id } = this.self;
    const own = this.grants(index).ownAnswer(epoch - 1, controllers.length === 0 ? '' : id);
    const answers = own === undefined ? [] : [own];
    for (const [controllerId, { value, arrivedMs }] of this.#options.mirror.withheld(this.key, index)) {
      if (controllerId === id || value.createdAtMs !== this.#createdAtMs || value.epoch < epoch - 1) continue;
      answers.push(countWithheld(controllerId, value, arrivedMs));
    }
    return answers;
  }

  /** Ids of all that belong to the controllers; empty where there is only this one. */
  get controllerIds(): readonly string[] {
    return this.self.isShared ? this.#options.mirror.controllers.map(({ id }) => id) : [];
  }

  /** Controllers that are alive and do not hear the node, and how many controllers there are. */
  suspicion(nodeId: string): Suspicion {
    const { mirror } = this.#options;
    const isOwn = this.#watches.get(nodeId)?.isSuspect === true;
    if (!this.self.isShared) return { suspectedBy: isOwn ? 1 : 0, controllerCount: 1 };
    let suspectedBy = isOwn ? 1 : 0;
    for (const [id, { value }] of mirror.observed(this.key)) {
      if (id === this.self.id || !mirror.isAlive(id) || value.createdAtMs !== this.#createdAtMs) continue;
      if (value.suspects.includes(nodeId)) suspectedBy += 1;
    }
    return { suspectedBy, controllerCount: Math.max(1, mirror.controllers.length) };
  }

  #compose(watch: NodeWatch): Heartbeat {
    const index = this.shardOf(watch.node.id);
    const granting = this.lead?.granting(index) ?? { isGranting: false, isPromoted: false };
    return this.grants(index).compose(watch, granting);
  }

  #onReply(watch: NodeWatch, arrivedMs: number): void {
    const index = this.shardOf(watch.node.id);
    this.grants(index).noteReply(watch, arrivedMs);
    this.lead?.onReply(watch);
  }

  #onObserved(watch: NodeWatch, effect: 'suspected' | 'recovered'): void {
    if (this.self.isShared) {
      const suspects = this.watches.filter(({ isSuspect }) => isSuspect).map(({ node }) => node.id);
      this.#options.own.want(keys.observed(this.key, this.self.id), {
        createdAtMs: this.#createdAtMs,
        suspects: suspects.sort(),
      });
    }
    this.lead?.onObserved(watch, effect);
  }
}
