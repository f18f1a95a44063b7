/**
 * Keeps the balancer at the bindings of the store: applied at once when a transition moves an address, looked at every
 * second, put right when it does something else (a restart, a reload, another hand).
 *
 * The revision of the bindings record guards every call, so a late one of a deposed controller changes nothing.
 */
import { messageOf, OperationError, type Logger, type Timer, type Timers } from '@holdfast/base';
import type { ApplyResult, BalancerDriver, Binding, ObservedBindings } from '@holdfast/balancer';
import type { StoreMirror } from './store-mirror.ts';

const observeEveryMs = 1000;

export interface BindingReconcilerOptions {
  /** Undefined: there is no balancer, bindings are only stored. */
  readonly driver: BalancerDriver | undefined;
  readonly mirror: StoreMirror;
  readonly timers: Timers;
  readonly logger: Logger;
  /** False while the bindings of the store run ahead of what may be true (an announced master is not promoted yet). */
  mayApply(): boolean;
  /** Called before each look: may write a new bindings record (replicas that came or went). */
  refresh(): Promise<void>;
}

export class BindingReconciler {
  readonly #options: BindingReconcilerOptions;
  #observed: ObservedBindings | undefined;
  #inFlight: Promise<ApplyResult> | undefined;
  #next: Promise<ApplyResult> | undefined;
  #timer: Timer | undefined;
  #lastError = '';
  #isStopped = false;

  constructor(options: BindingReconcilerOptions) {
    this.#options = options;
  }

  get hasDriver(): boolean {
    return this.#options.driver !== undefined;
  }

  /** What the balancer did when it was last asked. */
  get observed(): ObservedBindings | undefined {
    return this.#observed;
  }

  start(): void {
    void this.#look();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  /**
   * Applies the bindings the store has now. Calls that come while one is under way share the one after it.
   * @throws the driver's OperationError.
   */
  apply(): Promise<ApplyResult> {
    if (this.#inFlight === undefined) return this.#start();
    this.#next ??= this.#inFlight.then(
      () => this.#start(),
      () => this.#start(),
    );
    return this.#next;
  }

  #start(): Promise<ApplyResult> {
    this.#next = undefined;
    const running = this.#applyOnce().finally(() => {
      if (this.#inFlight === running) this.#inFlight = undefined;
    });
    this.#inFlight = running;
    return running;
  }

  async #applyOnce(): Promise<ApplyResult> {
    if (this.#isStopped)
      throw new OperationError('CONTROLLER_TERM_ENDED', 'this controller does not lead any more', {
        outcome: 'not-applied',
      });
    const { driver } = this.#options;
    const { revision } = this.#options.mirror.bindings;
    if (driver === undefined || revision === 0) return { revision, failed: [] };
    const result = await driver.apply({ revision, bindings: this.#desired() });
    for (const { address, reason } of result.failed)
      this.#options.logger.warn('the balancer cannot serve an address', { address, reason });
    return result;
  }

  /**
   * Asks what the balancer really does.
   * @throws the driver's OperationError.
   */
  async observe(): Promise<ObservedBindings | undefined> {
    this.#observed = await this.#options.driver?.observe();
    return this.#observed;
  }

  /** Connections that still lead from `address` to another backend than `backend` are reset; returns how many. */
  async cutOthers(address: string, backend: string): Promise<number> {
    const observed = await this.observe();
    const binding = observed?.bindings.find((each) => each.address === address);
    let cut = 0;
    for (const other of binding?.connections ?? []) {
      // No revision guards a cut: once somebody else leads, the backend may be the right one again.
      if (other.backend === backend || other.count === 0 || this.#isStopped) continue;
      cut += (await this.#options.driver?.cut(address, other.backend)) ?? 0;
    }
    return cut;
  }

  #desired(): Binding[] {
    return Object.values(this.#options.mirror.bindings.value.clusters).flat();
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    const { driver, mirror, timers, logger } = this.#options;
    try {
      const before = mirror.bindings.revision;
      await this.#options.refresh();
      const { revision } = mirror.bindings;
      const isNew = revision !== before;
      if (driver !== undefined && revision > 0) await (isNew ? this.#applyIfAllowed() : this.#putRight());
      this.#lastError = '';
    } catch (error) {
      const reason = messageOf(error);
      if (reason !== this.#lastError && !this.#isStopped)
        logger.warn('the balancer is not where it should be', { reason });
      this.#lastError = reason;
    }
    if (!this.#isStopped) this.#timer = timers.after(observeEveryMs, () => void this.#look());
  }

  async #applyIfAllowed(): Promise<void> {
    if (this.#options.mayApply()) await this.apply();
  }

  async #putRight(): Promise<void> {
    const { mirror, logger } = this.#options;
    const observed = await this.observe();
    const { revision } = mirror.bindings;
    if (observed === undefined || this.#inFlight !== undefined || !this.#options.mayApply()) return;
    if (observed.revision === revision && this.#desired().every((wanted) => isServed(wanted, observed))) return;
    logger.warn('the balancer differs from the store and is put right', {
      observedRevision: observed.revision,
      revision,
    });
    await this.apply();
  }
}

function isServed(wanted: Binding, observed: ObservedBindings): boolean {
  const found = observed.bindings.find(({ address }) => address === wanted.address);
  return found !== undefined && found.backend === wanted.backend;
}
