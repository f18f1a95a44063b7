/**
 * Every decision as an event, for people and for `ctl events`.
 *
 * Events are kept in memory at once and written to the store later, several at a time and never while a shard changes
 * its master: writes to the store go one after another, and a failover must not wait for its own chronicle. What a
 * killed controller had not written yet is lost with it; the decisions themselves are in the shard records. The log is
 * bounded; ids go on rising.
 */
import { messageOf, type Clock, type Logger, type Timer, type Timers } from '@holdfast/base';
import type { EventRecord } from './records.ts';

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
  /** `<ns>/<name>` of the cluster. */
  readonly key: string;
  /** What the store has. */
  readonly before: readonly EventRecord[];
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  /** True while the store is needed for something that clients wait for. */
  isBusy(): boolean;
  /** Writes the whole log. */
  write(events: readonly EventRecord[]): Promise<unknown>;
}

export class EventLog {
  readonly #options: EventLogOptions;
  #events: readonly EventRecord[];
  #nextId: number;
  #timer: Timer | undefined;
  /** Lease clock of the first event that is not on its way to the store; undefined: all are. */
  #dirtySinceMs: number | undefined;
  #isStopped = false;

  constructor(options: EventLogOptions) {
    this.#options = options;
    this.#events = options.before;
    this.#nextId = (this.#events.at(-1)?.id ?? 0) + 1;
  }

  /** Nothing is told after this: somebody else leads, and tells what happens. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  add(input: EventInput): void {
    if (this.#isStopped) return;
    const { clock, logger } = this.#options;
    const { kind, shard = null, epoch = null, cause = null, message } = input;
    const timings: Record<string, number> = {};
    for (const [name, ms] of Object.entries(input.timings ?? {})) timings[name] = Math.round(ms * 10) / 10;
    const at = new Date(clock.wallMs()).toISOString();
    const event = { id: this.#nextId++, at, kind, shard, epoch, cause, message, timings };
    this.#events = [...this.#events, event].slice(-eventsMax);
    logger.info(message, { event: kind, shard, epoch, cause, ...timings });
    if (this.#dirtySinceMs !== undefined) return;
    this.#dirtySinceMs = clock.leaseMs();
    this.#writeLater();
  }

  /** Events with an id above `after`, oldest first, the last `limit` of them. */
  list(after: number, limit: number): readonly EventRecord[] {
    return listEvents(this.#events, after, limit);
  }

  /** Writes what is not written yet, now: the controller is about to end. */
  async flush(): Promise<void> {
    if (this.#isStopped || this.#dirtySinceMs === undefined) return;
    this.#timer?.cancel();
    await this.#write();
  }

  #writeLater(): void {
    const { clock, timers, isBusy } = this.#options;
    this.#timer = timers.after(writeAfterMs, () => {
      const waitedMs = clock.leaseMs() - (this.#dirtySinceMs ?? 0);
      if (isBusy() && waitedMs < writeAfterMaxMs) return this.#writeLater();
      void this.#write();
    });
  }

  /** Never rejects: the next event tries again. */
  async #write(): Promise<void> {
    this.#dirtySinceMs = undefined;
    try {
      await this.#options.write(this.#events);
    } catch (error) {
      if (!this.#isStopped) this.#options.logger.warn('events were not written', { error: messageOf(error) });
    }
  }
}

/** Of `events`, oldest first, those with an id above `after`, and of them the newest `limit`. */
export function listEvents(events: readonly EventRecord[], after: number, limit: number): readonly EventRecord[] {
  return events.filter(({ id }) => id > after).slice(-limit);
}
