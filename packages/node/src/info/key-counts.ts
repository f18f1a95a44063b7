/**
 * DBSIZE and INFO keyspace: the number of keys of a namespace as last counted. Counting walks the metadata family in
 * small steps between ticks, so that other clients are not held up; a second request while one runs changes nothing.
 */
import type { Clock, Timers } from '@holdfast/base';
import type { KeyCounter, Namespace } from '@holdfast/engine';

export interface KeyCount {
  readonly countedAtMs: number;
  readonly keys: number;
  readonly expires: number;
  readonly expired: number;
  readonly averageTtlMs: number;
}

/** Records looked at per turn of the event loop: about a millisecond. */
const recordsPerTurn = 1000;

export class KeyCounts {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #newCounter: (namespace: Namespace) => KeyCounter;
  readonly #mayRead: () => boolean;
  readonly #counts = new Map<string, KeyCount>();
  readonly #running = new Set<string>();

  /** @param mayRead false while the database is closed or replaced: a running count is then given up. */
  constructor(options: {
    clock: Clock;
    timers: Timers;
    counter(namespace: Namespace): KeyCounter;
    mayRead(): boolean;
  }) {
    this.#clock = options.clock;
    this.#timers = options.timers;
    this.#newCounter = (namespace): KeyCounter => options.counter(namespace);
    this.#mayRead = (): boolean => options.mayRead();
  }

  of(namespace: Namespace): KeyCount | undefined {
    return this.#counts.get(namespace.name);
  }

  start(namespace: Namespace): void {
    if (this.#running.has(namespace.name)) return;
    this.#running.add(namespace.name);
    const counter = this.#newCounter(namespace);
    const turn = (): void => {
      if (!this.#mayRead()) this.#running.delete(namespace.name);
      else if (counter.step(recordsPerTurn, this.#clock.wallMs())) this.#finish(namespace, counter);
      else this.#timers.soon(turn);
    };
    this.#timers.soon(turn);
  }

  #finish(namespace: Namespace, { keys, expires, expired, ttlSumMs }: KeyCounter): void {
    this.#running.delete(namespace.name);
    const averageTtlMs = expires === 0 ? 0 : ttlSumMs / expires;
    this.#counts.set(namespace.name, { countedAtMs: this.#clock.wallMs(), keys, expires, expired, averageTtlMs });
  }
}
