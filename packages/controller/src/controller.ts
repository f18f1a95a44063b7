/**
 * The controller: one of several, or the only one. Each keeps a mirror of the store, watches every node, grants and
 * withholds leases; the one that leads decides and writes. One that loses the leadership goes on as the others do and
 * stands for election again. Everything decided is in the packages and files below; this one only puts them together.
 */
import {
  FatalError,
  messageOf,
  OperationError,
  type Clock,
  type Connector,
  type Logger,
  type Random,
  type Timers,
} from '@holdfast/base';
import type { BalancerDriver, ObservedBindings } from '@holdfast/balancer';
import { fenceTimes, leaseUseOf, type FenceTimes } from '@holdfast/fencing';
import type { Announcement, Leadership, MetadataStore } from '@holdfast/metadata';
import { apiError } from './api-error.ts';
import { performCall, type ApiCall, type ApiHost, type ApiReply } from './api.ts';
import { checkNewCluster, makeCluster, type NewCluster } from './cluster-creation.ts';
import { ClusterRuntime, type ControllerSelf } from './cluster-runtime.ts';
import { LeaderTerm } from './leader-term.ts';
import { OwnRecords } from './own-records.ts';
import { keys, type ControllerRecord, type Fence, type Replication } from './records.ts';
import { clusterKey, StoreMirror } from './store-mirror.ts';

/** A creation that takes longer is answered with what is missing; it goes on by itself. */
const creationTimeoutMs = 15_000;
/** Between two attempts to stand for election, or to read the store after it was won. */
const candidacyMs = 200;

export interface ControllerEnv {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly connector: Connector;
  readonly logger: Logger;
  /** Opened; the controller closes it. */
  readonly store: MetadataStore;
  /** Undefined: bindings are only stored. */
  readonly balancer: BalancerDriver | undefined;
}

export interface ControllerSettings {
  readonly self: ControllerSelf;
  /** Of clusters created from now on. */
  readonly leaseMs: number;
  readonly fences: readonly Fence[];
  readonly replication: Replication;
  /** One shard is not failed over twice within this time unless its process is unreachable. Default 10,000. */
  readonly repeatAfterMs?: number | undefined;
  /** Serves clusters whose leases nobody waits for (F3 without F2); any other controller ends when it meets one. */
  readonly isForDrills?: boolean | undefined;
}

export class Controller implements ApiHost {
  readonly self: ControllerSelf;
  readonly mirror: StoreMirror;
  readonly #env: ControllerEnv;
  readonly #settings: ControllerSettings;
  readonly #times: FenceTimes;
  readonly #runtimes = new Map<string, ClusterRuntime>();
  readonly #own: OwnRecords;
  readonly #creating = new Set<string>();
  #term: LeaderTerm | undefined;
  #announcement: Announcement | undefined;
  #isStopped = false;
  #fatal: ((error: unknown) => void) | undefined;
  /** Rejects when the controller cannot go on; resolves never. */
  readonly failed: Promise<never>;

  private constructor(env: ControllerEnv, settings: ControllerSettings, mirror: StoreMirror) {
    this.#env = env;
    this.#settings = settings;
    this.self = settings.self;
    this.#times = fenceTimes({ leaseMs: settings.leaseMs });
    this.mirror = mirror;
    this.failed = new Promise<never>((_, reject) => (this.#fatal = reject));
    this.failed.catch(() => this.#stopRuntimes());
    const fatal = (error: unknown): void => this.#fail(error);
    this.#own = new OwnRecords({ store: env.store, mirror, timers: env.timers, logger: env.logger, fatal });
    mirror.listen(() => this.#onMirrorChange(), fatal);
  }

  /**
   * Reads the store and begins to watch and to grant. It counts for nothing else before `join`.
   * @throws OperationError of the store; FatalError when its records are damaged.
   */
  static async open(env: ControllerEnv, settings: ControllerSettings): Promise<Controller> {
    const controller = new Controller(env, settings, await StoreMirror.open(env.store, env));
    controller.#onMirrorChange();
    for (const { cluster } of controller.mirror.clusters) {
      const { name, leaseMs } = cluster.value;
      if (leaseMs !== settings.leaseMs)
        env.logger.warn('a cluster keeps the lease it was created with', { cluster: name, leaseMs });
    }
    return controller;
  }

  /**
   * Lets the others know of this one and stands for election: its API is there to be asked. With a store of its own it
   * leads when this resolves.
   */
  async join(): Promise<void> {
    const { id, address, isShared } = this.self;
    if (isShared) {
      const record: ControllerRecord = { id, address, startedAtMs: this.#env.clock.wallMs() };
      this.#own.want(keys.controller(id), record);
      this.#announce(JSON.stringify(address)).catch((error: unknown) => this.#fail(error));
    }
    const firstTerm = this.#standForever();
    if (!isShared) await firstTerm;
  }

  async #announce(value: string): Promise<void> {
    while (!this.#isStopped && this.#announcement === undefined) {
      try {
        this.#announcement = await this.#env.store.announce(this.self.id, value);
      } catch (error) {
        this.#excuse(error);
        await this.#pause();
      }
    }
  }

  #pause(): Promise<void> {
    return new Promise<void>((resolve) => this.#env.timers.after(candidacyMs, resolve));
  }

  /** Stops watching and closes the store. Nothing is told to nodes: masters go on until their leases end. */
  async close(): Promise<void> {
    await this.#term?.close();
    this.#stopRuntimes();
    await this.#announcement?.withdraw().catch(() => undefined); // It ends with the store's lease anyway.
    await this.#env.store.close();
  }

  #stopRuntimes(): void {
    this.#isStopped = true;
    this.#term?.stop();
    this.#own.stop();
    this.mirror.close();
    for (const runtime of this.#runtimes.values()) runtime.stop();
  }

  #fail(error: unknown): void {
    if (!this.#isStopped) this.#fatal?.(error);
  }

  // Leading.

  /** Stands for election again and again. Resolves when the first term has begun. */
  #standForever(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const run = async (): Promise<void> => {
      while (!this.#isStopped) await this.#serveTerm(resolve);
    };
    run().catch((error: unknown) => {
      this.#fail(error);
      resolve();
    });
    return promise;
  }

  async #serveTerm(onBegin: () => void): Promise<void> {
    const { store, balancer, clock, timers, connector, logger } = this.#env;
    const leadership = await this.#win();
    if (leadership === undefined) return;
    const fatal = (error: unknown): void => this.#fail(error);
    const { mirror } = this;
    const env = { store, balancer, clock, timers, connector, logger };
    const term = new LeaderTerm({ ...env, mirror, leadership, fatal });
    this.#term = term;
    term.start(this.#runtimes.values());
    logger.info('this controller leads', { id: this.self.id, term: leadership.term });
    onBegin();
    const reason = await term.ended;
    term.stop();
    this.#term = undefined;
    for (const runtime of this.#runtimes.values()) runtime.lead = undefined;
    if (this.#isStopped) return;
    logger.warn('this controller leads no more', { id: this.self.id, reason });
    await leadership.resign().catch((error: unknown) => this.#excuse(error));
  }

  /** Wins the leadership and reads what stands in the store by then; undefined: it is tried again. */
  async #win(): Promise<Leadership | undefined> {
    let leadership: Leadership | undefined;
    try {
      leadership = await this.#env.store.campaign(this.self.id);
      await this.mirror.resync();
      if (!this.#isStopped) return leadership;
    } catch (error) {
      this.#excuse(error);
      await leadership?.resign().catch((cause: unknown) => this.#excuse(cause));
      await this.#pause();
    }
    return undefined;
  }

  /** A store that cannot be reached is waited for; one that must be opened anew ends the process. */
  #excuse(error: unknown): void {
    if (this.#isStopped) return;
    if (!(error instanceof OperationError) || reopened.includes(error.code)) throw error;
    this.#env.logger.warn('the store was not reached', { error: messageOf(error) });
  }

  /** Clusters come and go with their records; everything that depends on a record looks again. */
  #onMirrorChange(): void {
    if (this.#isStopped) return;
    try {
      for (const runtime of [...this.#runtimes.values()]) if (runtime.isReplaced) this.#end(runtime);
      for (const { cluster } of this.mirror.clusters) {
        const key = clusterKey(cluster.value.namespace, cluster.value.name);
        if (!this.#runtimes.has(key)) this.#run(key);
      }
      for (const runtime of this.#runtimes.values()) runtime.onMirrorChange();
      this.#own.onChange();
    } catch (error) {
      this.#fail(error);
    }
  }

  #end(runtime: ClusterRuntime): void {
    this.#runtimes.delete(runtime.key);
    this.#term?.drop(runtime);
    runtime.stop();
  }

  /** A store of a drill that is served by accident must not go unnoticed. */
  #checkLeaseUse(key: string): void {
    const cluster = this.mirror.cluster(key)?.cluster.value;
    if (cluster === undefined || leaseUseOf(cluster.fences, cluster.replication) !== 'unawaited') return;
    const what = `cluster ${key} waits for no lease: a master that was replaced goes on to answer`;
    if (this.#settings.isForDrills !== true)
      throw new FatalError(`${what}; it was made for drills (--unsafe-for-drills): delete it and create it anew`, 3);
    this.#env.logger.warn(`${what}; for drills only`, { cluster: key });
  }

  #run(key: string): void {
    this.#checkLeaseUse(key);
    const { clock, timers, connector, logger } = this.#env;
    const runtime = new ClusterRuntime({
      key,
      self: this.self,
      clock,
      timers,
      connector,
      logger,
      mirror: this.mirror,
      own: this.#own,
      repeatAfterMs: this.#settings.repeatAfterMs,
    });
    this.#runtimes.set(key, runtime);
    runtime.start();
    this.#term?.lead(runtime);
  }

  // The API.

  call(call: ApiCall): Promise<ApiReply> {
    return performCall(this, call).catch((error: unknown) => {
      this.#fail(error);
      throw error;
    });
  }

  get term(): LeaderTerm | undefined {
    return this.#term;
  }

  runtime(namespace: string, cluster: string): ClusterRuntime | undefined {
    return this.#runtimes.get(clusterKey(namespace, cluster));
  }

  async observedBindings(): Promise<ObservedBindings | undefined> {
    if (this.#term !== undefined) return this.#term.bindings.observed;
    // One that follows looks when it is asked; a balancer that does not answer is shown as nothing observed.
    return this.#env.balancer?.observe().catch(() => undefined);
  }

  /**
   * Creates a cluster and waits until every shard writes and every node knows the topology.
   * @throws ApiError, OperationError of the store.
   */
  async createCluster(term: LeaderTerm, namespace: string, request: NewCluster): Promise<void> {
    const key = clusterKey(namespace, request.name);
    if (this.#creating.has(key)) throw apiError(409, 'cluster: already exists');
    checkNewCluster(request, this.#usedAddresses());
    this.#creating.add(key);
    try {
      const { clock, random, connector, timers } = this.#env;
      const { cluster, shards, bindings } = await makeCluster(request, {
        namespace,
        fences: this.#settings.fences,
        replication: this.#settings.replication,
        controllers: this.self.isShared ? this.mirror.controllers.map(({ id }) => id) : [],
        times: this.#times,
        random,
        wallMs: clock.wallMs(),
        link: { connector, timers },
      });
      // Once more when the write's turn has come: another creation may have taken an address while nodes were asked.
      const check = (): void => checkNewCluster(request, this.#usedAddresses());
      await term.writer.createCluster(cluster, shards, bindings, check);
    } finally {
      this.#creating.delete(key);
    }
    const nodes = request.nodes.length;
    const message = `cluster ${request.name} of ${nodes} nodes in ${nodes / request.replicas} shards was created`;
    this.#runtimes.get(key)?.lead?.events.add({ kind: 'cluster-created', message });
    await this.#untilReady(key);
  }

  async #untilReady(key: string): Promise<void> {
    const { clock, timers } = this.#env;
    const endMs = clock.leaseMs() + creationTimeoutMs;
    while (this.#runtimes.get(key)?.lead?.isReady !== true) {
      if (this.#isStopped || this.#term === undefined)
        throw apiError(500, 'this controller leads no more; the creation goes on with the next leader');
      if (clock.leaseMs() >= endMs)
        throw apiError(500, `the cluster was created but is not ready after ${creationTimeoutMs} ms; see its status`);
      await new Promise<void>((resolve) => timers.after(10, resolve));
    }
  }

  #usedAddresses(): Set<string> {
    const shards = this.mirror.clusters.flatMap(({ cluster }) => cluster.value.shards);
    const addresses = shards.flatMap(({ nodes, masterLb, replicaLb }) => {
      return [...nodes.map(({ addr }) => addr), masterLb, replicaLb];
    });
    return new Set(addresses.filter((address) => address !== null));
  }

  /** Forgets the cluster: nodes are not reset, their leases end, their LB addresses are closed. */
  async deleteCluster(term: LeaderTerm, namespace: string, name: string): Promise<void> {
    await term.writer.removeCluster(clusterKey(namespace, name));
    await term.applyBindings();
  }
}

/** After these only a new process can read the store again. */
const reopened: readonly string[] = ['METADATA_FAILED', 'METADATA_CLOSED'];
