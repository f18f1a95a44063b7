/**
 * The controller: opens the store, leads, and keeps one runtime per cluster. Everything it decides is in the packages
 * and files below; this one only puts them together.
 */
import { OperationError, type Clock, type Connector, type Logger, type Random, type Timers } from '@holdfast/base';
import type { BalancerDriver } from '@holdfast/balancer';
import { fenceTimes, type FenceTimes } from '@holdfast/fencing';
import type { MetadataStore } from '@holdfast/metadata';
import { apiError } from './api-error.ts';
import { performCall, type ApiCall, type ApiHost, type ApiReply } from './api.ts';
import { BindingReconciler } from './binding-reconciler.ts';
import { checkNewCluster, makeCluster, type NewCluster } from './cluster-creation.ts';
import { ClusterRuntime } from './cluster-runtime.ts';
import { clusterKey, RecordStore } from './record-store.ts';
import type { Fence } from './records.ts';

/** A creation that takes longer is answered with what is missing; it goes on by itself. */
const creationTimeoutMs = 15_000;

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
  /** Of clusters created from now on. */
  readonly leaseMs: number;
  readonly fences: readonly Fence[];
  /** One shard is not failed over twice within this time unless its process is unreachable. Default 10,000. */
  readonly repeatAfterMs?: number | undefined;
}

export class Controller implements ApiHost {
  readonly records: RecordStore;
  readonly #env: ControllerEnv;
  readonly #settings: ControllerSettings;
  readonly #times: FenceTimes;
  readonly #runtimes = new Map<string, ClusterRuntime>();
  readonly #bindings: BindingReconciler;
  readonly #creating = new Set<string>();
  #isStopped = false;
  #fatal: ((error: unknown) => void) | undefined;
  /** Rejects when the controller cannot go on; resolves never. */
  readonly failed: Promise<never>;

  private constructor(env: ControllerEnv, settings: ControllerSettings, records: RecordStore) {
    this.#env = env;
    this.#settings = settings;
    this.#times = fenceTimes({ leaseMs: settings.leaseMs });
    this.records = records;
    this.failed = new Promise<never>((_, reject) => (this.#fatal = reject));
    this.failed.catch(() => this.#stopRuntimes());
    this.#bindings = new BindingReconciler({
      driver: env.balancer,
      records,
      timers: env.timers,
      logger: env.logger,
      mayApply: () => [...this.#runtimes.values()].every(({ isSettled }) => isSettled),
      refresh: async () => {
        for (const runtime of this.#runtimes.values()) await runtime.refreshBindings();
      },
    });
  }

  /** Wins the leadership, reads the store and begins to watch. */
  static async start(env: ControllerEnv, settings: ControllerSettings): Promise<Controller> {
    const leadership = await env.store.campaign('controller');
    const controller = new Controller(env, settings, await RecordStore.open(env.store, leadership));
    for (const { cluster } of controller.records.clusters) {
      const { namespace, name, leaseMs } = cluster.value;
      if (leaseMs !== settings.leaseMs)
        env.logger.warn('a cluster keeps the lease it was created with', { cluster: name, leaseMs });
      controller.#run(clusterKey(namespace, name));
    }
    controller.#bindings.start();
    return controller;
  }

  /** Stops watching and closes the store. Nothing is told to nodes: masters go on until their leases end. */
  async close(): Promise<void> {
    this.#stopRuntimes();
    await this.#env.store.close();
  }

  #stopRuntimes(): void {
    this.#isStopped = true;
    this.#bindings.stop();
    for (const runtime of this.#runtimes.values()) runtime.stop();
  }

  call(call: ApiCall): Promise<ApiReply> {
    return performCall(this, call).catch((error: unknown) => {
      this.#fatal?.(error);
      throw error;
    });
  }

  runtime(namespace: string, cluster: string): ClusterRuntime | undefined {
    return this.#runtimes.get(clusterKey(namespace, cluster));
  }

  #run(key: string): ClusterRuntime {
    const { clock, timers, connector, logger } = this.#env;
    const runtime = new ClusterRuntime({
      key,
      clock,
      timers,
      connector,
      logger,
      records: this.records,
      bindings: this.#bindings,
      repeatAfterMs: this.#settings.repeatAfterMs,
      fatal: (error) => {
        if (!this.#isStopped) this.#fatal?.(error);
      },
    });
    this.#runtimes.set(key, runtime);
    runtime.start();
    return runtime;
  }

  /**
   * Creates a cluster and waits until every shard writes and every node knows the topology.
   * @throws ApiError, OperationError of the store.
   */
  async createCluster(namespace: string, request: NewCluster): Promise<void> {
    const key = clusterKey(namespace, request.name);
    if (this.#creating.has(key)) throw apiError(409, 'cluster: already exists');
    const usedAddresses = this.#usedAddresses();
    checkNewCluster(request, usedAddresses);
    this.#creating.add(key);
    try {
      const { clock, random, connector, timers } = this.#env;
      const { cluster, shards, bindings } = await makeCluster(request, {
        namespace,
        fences: this.#settings.fences,
        times: this.#times,
        random,
        wallMs: clock.wallMs(),
        usedAddresses,
        link: { connector, timers },
      });
      await this.records.createCluster(cluster, shards, bindings);
    } finally {
      this.#creating.delete(key);
    }
    const runtime = this.#run(key);
    const nodes = request.nodes.length;
    const message = `cluster ${request.name} of ${nodes} nodes in ${nodes / request.replicas} shards was created`;
    runtime.events.add({ kind: 'cluster-created', message });
    await this.#untilReady(runtime);
  }

  async #untilReady(runtime: ClusterRuntime): Promise<void> {
    const { clock, timers } = this.#env;
    const endMs = clock.leaseMs() + creationTimeoutMs;
    while (!runtime.isReady) {
      if (this.#isStopped) throw apiError(500, 'the controller is stopping; the creation goes on when it is back');
      if (clock.leaseMs() >= endMs)
        throw apiError(500, `the cluster was created but is not ready after ${creationTimeoutMs} ms; see its status`);
      await new Promise<void>((resolve) => timers.after(10, resolve));
    }
  }

  #usedAddresses(): Set<string> {
    const shards = this.records.clusters.flatMap(({ cluster }) => cluster.value.shards);
    const addresses = shards.flatMap(({ nodes, masterLb, replicaLb }) => {
      return [...nodes.map(({ addr }) => addr), masterLb, replicaLb];
    });
    return new Set(addresses.filter((address) => address !== null));
  }

  /** Forgets the cluster: nodes are not reset, their leases end, their LB addresses are closed. */
  async deleteCluster(namespace: string, name: string): Promise<void> {
    const key = clusterKey(namespace, name);
    const runtime = this.#runtimes.get(key);
    runtime?.stop();
    this.#runtimes.delete(key);
    await this.records.removeCluster(key);
    await this.#bindings.apply().catch((error: unknown) => {
      if (!(error instanceof OperationError)) throw error;
      this.#env.logger.warn('the balancer did not take the removal yet', { error: error.message });
    });
  }
}
