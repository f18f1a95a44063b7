/**
 * One leadership of this controller, from the moment it is won until it is lost: the writer, the balancer's reconciler
 * and watch, and what each cluster needs of a leader. All of it is dropped at the end, plans in memory included; the next term,
 * here or elsewhere, begins from the store.
 */
import type { BalancerDriver } from '@holdfast/balancer';
import { messageOf, OperationError, type Clock, type Connector, type Logger, type Timers } from '@holdfast/base';
import type { Leadership, MetadataStore } from '@holdfast/metadata';
import { BalancerWatch } from './balancer-watch.ts';
import { BindingReconciler } from './binding-reconciler.ts';
import { ClusterLead } from './cluster-lead.ts';
import type { ClusterRuntime } from './cluster-runtime.ts';
import { RecordWriter } from './record-writer.ts';
import type { StoreMirror } from './store-mirror.ts';

export interface LeaderTermOptions {
  readonly store: MetadataStore;
  readonly mirror: StoreMirror;
  readonly leadership: Leadership;
  readonly balancer: BalancerDriver | undefined;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly connector: Connector;
  readonly logger: Logger;
  fatal(error: unknown): void;
}

export class LeaderTerm {
  readonly writer: RecordWriter;
  readonly bindings: BindingReconciler;
  readonly balancer: BalancerWatch;
  /** Resolves when the term is over, with the reason. */
  readonly ended: Promise<string>;
  readonly #options: LeaderTermOptions;
  readonly #leads = new Map<string, ClusterLead>();
  #isEnded = false;

  constructor(options: LeaderTermOptions) {
    const { store, mirror, leadership, balancer, clock, timers, connector, logger, fatal } = options;
    this.#options = options;
    const { promise, resolve } = Promise.withResolvers<string>();
    this.ended = promise;
    const lost = (): void => resolve('another may lead now');
    if (leadership.lost.aborted) lost();
    else leadership.lost.addEventListener('abort', lost, { once: true });
    this.writer = new RecordWriter({ store, mirror, leadership, onEnd: resolve });
    this.bindings = new BindingReconciler({
      driver: balancer,
      mirror,
      timers,
      logger,
      mayApply: () => [...this.#leads.values()].every(({ isSettled }) => isSettled),
      refresh: async () => {
        for (const lead of this.#leads.values()) await lead.refreshBindings();
      },
    });
    const clusters = (): Iterable<ClusterLead> => this.#leads.values();
    this.balancer = new BalancerWatch({ driver: balancer, clock, timers, connector, logger, clusters, fatal });
  }

  start(runtimes: Iterable<ClusterRuntime>): void {
    for (const runtime of runtimes) {
      const { events } = this.lead(runtime);
      const { id, isShared } = runtime.self;
      if (isShared) events.add({ kind: 'leader-elected', message: `controller ${id} leads` });
    }
    this.bindings.start();
    this.balancer.start();
  }

  /** Takes a cluster on. */
  lead(runtime: ClusterRuntime): ClusterLead {
    const { writer, bindings, balancer } = this;
    const lead = new ClusterLead({ runtime, writer, bindings, balancer, fatal: this.#options.fatal });
    this.#leads.set(runtime.key, lead);
    runtime.lead = lead;
    lead.start();
    return lead;
  }

  /** The cluster is gone, or served anew. */
  drop(runtime: ClusterRuntime): void {
    this.#leads.delete(runtime.key);
  }

  /** Lets the addresses of a removed cluster be closed. */
  async applyBindings(): Promise<void> {
    try {
      await this.bindings.apply();
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      this.#options.logger.warn('the balancer did not take the bindings yet', { error: messageOf(error) });
    }
  }

  /** Ends it in order: what was told is written first. */
  async close(): Promise<void> {
    for (const lead of this.#leads.values()) await lead.events.flush();
    this.stop();
  }

  /** Nothing is begun any more. Safe to call twice. */
  stop(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.writer.stop();
    this.bindings.stop();
    this.balancer.stop();
    for (const lead of this.#leads.values()) lead.stop();
    this.#leads.clear();
  }
}
