/**
 * The embedded balancer itself, as a driver in this process: all addresses, the guard, and the order of a change.
 *
 * A change is: refuse it or not (revision), make it durable, then act on every address in one turn of the event loop,
 * then wait until new addresses are bound and cut connections are gone. Changes are serialised; between being durable
 * and being acted on nothing else runs. A crash in between is repaired at the next start, which acts on the file.
 */
import { OperationError, type Logger } from '@holdfast/base';
import { desiredSchema, describeIssues, mayReplace } from '../binding-set.ts';
import type {
  ApplyResult,
  BalancerDriver,
  Binding,
  DesiredBindings,
  ObservedBindings,
  ProbedBackend,
  ProbeRequest,
} from '../driver.ts';
import type { BalancerLimits } from '../limits.ts';
import { AddressListener, type Counters } from './address-listener.ts';
import { BackendProber } from './backend-prober.ts';
import { loadBindings, saveBindings } from './bindings-file.ts';

export interface L4BalancerOptions {
  /** Where the bindings are kept. */
  readonly path: string;
  readonly limits: BalancerLimits;
  readonly logger: Logger;
}

export interface CountedBindings extends ObservedBindings {
  readonly probes: readonly ProbedBackend[];
  readonly bindings: readonly (ObservedBindings['bindings'][number] & { readonly counters: Counters })[];
}

export class L4Balancer implements BalancerDriver {
  readonly name = 'embedded';
  readonly #path: string;
  readonly #limits: BalancerLimits;
  readonly #logger: Logger;
  readonly #listeners = new Map<string, AddressListener>();
  readonly #prober: BackendProber;
  #current: DesiredBindings;
  /** The change under way; the next one waits for it. Never rejects. */
  #turn: Promise<void> = Promise.resolve();

  private constructor({ path, limits, logger }: L4BalancerOptions, current: DesiredBindings) {
    this.#path = path;
    this.#limits = limits;
    this.#logger = logger;
    this.#current = current;
    this.#prober = new BackendProber({
      forgetAfterMs: limits.probeForgetMs,
      logger,
      takesHeader: (backend) => this.#current.bindings.some((each) => each.backend === backend && each.proxy === true),
    });
  }

  /**
   * Loads the bindings and serves them.
   * @throws FatalError when the file is damaged.
   */
  static async start(options: L4BalancerOptions): Promise<L4Balancer> {
    const balancer = new L4Balancer(options, await loadBindings(options.path));
    await balancer.#act(balancer.#current.bindings);
    return balancer;
  }

  get connectionCount(): number {
    let count = 0;
    for (const listener of this.#listeners.values()) count += listener.connectionCount;
    return count;
  }

  apply(desired: DesiredBindings): Promise<ApplyResult> {
    const parsed = desiredSchema.safeParse(desired);
    if (!parsed.success) {
      const error = new OperationError('BALANCER_REFUSED', describeIssues(parsed.error), { outcome: 'not-applied' });
      return Promise.reject(error);
    }
    const done = this.#turn.then(() => this.#change(parsed.data));
    this.#turn = done.then(
      () => undefined,
      () => undefined,
    );
    return done;
  }

  async observe(): Promise<CountedBindings> {
    const bindings = [...this.#listeners.values()].map((listener) => listener.observe());
    return { revision: this.#current.revision, bindings, probes: this.#prober.reports };
  }

  async probe(request: ProbeRequest): Promise<readonly ProbedBackend[]> {
    return this.#prober.probe(request);
  }

  async cut(address: string, backend: string): Promise<number> {
    const cut = this.#listeners.get(address)?.cut(backend) ?? [];
    await Promise.all(cut.map(({ closed }) => closed));
    return cut.length;
  }

  /** Resets all connections and gives all addresses up. The file stays. */
  async close(): Promise<void> {
    await this.#turn;
    this.#prober.close();
    await Promise.all([...this.#listeners.values()].map((listener) => listener.close()));
    this.#listeners.clear();
  }

  async #change(desired: DesiredBindings): Promise<ApplyResult> {
    if (mayReplace(this.#current, desired)) {
      await saveBindings(this.#path, desired);
      this.#current = desired;
      this.#logger.info('following new bindings', { revision: desired.revision, addresses: desired.bindings.length });
      await this.#act(desired.bindings);
    }
    const failed = [...this.#listeners].flatMap(([address, { error: reason }]) =>
      reason === null ? [] : [{ address, reason }],
    );
    return { revision: this.#current.revision, failed };
  }

  /** Everything that moves an address or cuts a connection happens before the first await. */
  async #act(bindings: readonly Binding[]): Promise<void> {
    const settled: Promise<void>[] = [];
    const wanted = new Set(bindings.map(({ address }) => address));
    for (const [address, listener] of this.#listeners) {
      if (wanted.has(address)) continue;
      this.#listeners.delete(address);
      this.#logger.info('address given up', { address });
      settled.push(listener.close());
    }
    for (const binding of bindings) {
      const listener = this.#listeners.get(binding.address);
      if (listener === undefined) settled.push(this.#open(binding).settled);
      else settled.push(...listener.rebind(binding).map(({ closed }) => closed));
    }
    await Promise.all(settled);
  }

  #open(binding: Binding): AddressListener {
    const listener = new AddressListener({
      binding,
      limits: this.#limits,
      logger: this.#logger,
      connectionsOfAll: () => this.connectionCount,
    });
    this.#listeners.set(binding.address, listener);
    return listener;
  }
}
