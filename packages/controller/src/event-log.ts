/**
 * Every decision as an event, for people and for `ctl events`.
 *
 * Events are kept in memory at once and written to the store later, several at a time and never while a shard changes
 * its master: writes to the store go one after another, and a failover must not wait for its own chronicle. What a
 * killed controller had not written yet is lost with it; the decisions themselves are in the shard records. The log is
 * bounded; ids go on rising.
 */
import { messageOf, type Clock, type Logger, type Timers } from '@holdfast/base';
import type { EventRecord } from './records.ts';
import type { RecordStore } from './record-store.ts';

/** Kept per cluster: some hundred bytes each, so a full log stays far below the store's limit for one value. */
const eventsMax = 500;
/** Events that come together are written together. */
const writeAfterMs = 250;
/** A change of master that never ends does not keep events from the store longer than this. */
const writeAfterMaxMs = 10_000;

export interface EventInput {
  readonly kind: string;
  readonly shard?: number;
  readonly epoch?: number;
  readonly cause?: string;
  readonly message: string;
  /** Milliseconds; rounded to tenths. */
  readonly timings?: Readonly<Record<string, number>>;
}

export interface EventLogOptions {
  readonly records: RecordStore;
  /** `<ns>/<name>` of the cluster. */
  readonly key: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  /** True while the store is needed for something that clients wait for. */
  isBusy(): boolean;
}

export class EventLog {
  readonly #records: RecordStore;
  readonly #key: string;
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #logger: Logger;
  readonly #isBusy: () => boolean;
  #events: EventRecord[];
  #nextId: number;
  /** Lease clock of the first event that is not on its way to the store; undefined: all are. */
  #dirtySinceMs: number | undefined;

  constructor(options: EventLogOptions) {
    this.#records = options.records;
    this.#key = options.key;
    this.#clock = options.clock;
    this.#timers = options.timers;
    this.#logger = options.logger;
    this.#isBusy = options.isBusy;
    this.#events = [...(options.records.cluster(options.key)?.events.value.events ?? [])];
    this.#nextId = (this.#events.at(-1)?.id ?? 0) + 1;
  }

  add(input: EventInput): void {
    const { kind, shard = null, epoch = null, cause = null, message } = input;
    const timings: Record<string, number> = {};
    for (const [name, ms] of Object.entries(input.timings ?? {})) timings[name] = Math.round(ms * 10) / 10;
    const at = new Date(this.#clock.wallMs()).toISOString();
    this.#events.push({ id: this.#nextId++, at, kind, shard, epoch, cause, message, timings });
    if (this.#events.length > eventsMax) this.#events.splice(0, this.#events.length - eventsMax);
    this.#logger.info(message, { event: kind, shard, epoch, cause, ...timings });
    if (this.#dirtySinceMs !== undefined) return;
    this.#dirtySinceMs = this.#clock.leaseMs();
    this.#writeLater();
  }

  /** Events with an id above `after`, oldest first, the last `limit` of them. */
  list(after: number, limit: number): readonly EventRecord[] {
    return this.#events.filter(({ id }) => id > after).slice(-limit);
  }

  #writeLater(): void {
    this.#timers.after(writeAfterMs, () => {
      const waitedMs = this.#clock.leaseMs() - (this.#dirtySinceMs ?? 0);
      if (this.#isBusy() && waitedMs < writeAfterMaxMs) return this.#writeLater();
      this.#dirtySinceMs = undefined;
      this.#records
        .commit(this.#key, () => ({ events: { events: [...this.#events] } }))
        // The next event tries again; a store that failed for good ends the process at the next decision.
        .catch((error: unknown) => this.#logger.warn('events were not written', { error: messageOf(error) }));
    });
  }
}
