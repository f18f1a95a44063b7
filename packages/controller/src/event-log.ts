/**
 * Every decision as an event, for people and for `ctl events`.
 *
 * Events are kept in memory at once and written to the store in the background, several at a time: a failover must not
 * wait for the disk to hear what it did. What a killed controller had not written yet is lost with it; the decisions
 * themselves are in the shard records. The log is bounded; ids go on rising.
 */
import { messageOf, type Clock, type Logger } from '@holdfast/base';
import type { EventRecord } from './records.ts';
import type { RecordStore } from './record-store.ts';

/** Kept per cluster: some hundred bytes each, so a full log stays far below the store's limit for one value. */
const eventsMax = 500;

export interface EventInput {
  readonly kind: string;
  readonly shard?: number;
  readonly epoch?: number;
  readonly cause?: string;
  readonly message: string;
  /** Milliseconds; rounded to tenths. */
  readonly timings?: Readonly<Record<string, number>>;
}

export class EventLog {
  readonly #records: RecordStore;
  readonly #key: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #events: EventRecord[];
  #nextId: number;
  #isWriting = false;
  #isDirty = false;

  constructor(options: { records: RecordStore; key: string; clock: Clock; logger: Logger }) {
    this.#records = options.records;
    this.#key = options.key;
    this.#clock = options.clock;
    this.#logger = options.logger;
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
    this.#isDirty = true;
    void this.#write();
  }

  /** Events with an id above `after`, oldest first, the last `limit` of them. */
  list(after: number, limit: number): readonly EventRecord[] {
    return this.#events.filter(({ id }) => id > after).slice(-limit);
  }

  async #write(): Promise<void> {
    if (this.#isWriting) return;
    this.#isWriting = true;
    try {
      while (this.#isDirty) {
        this.#isDirty = false;
        await this.#records.commit(this.#key, () => ({ events: { events: [...this.#events] } }));
      }
    } catch (error) {
      // The next event tries again; a store that failed for good ends the process at the next decision.
      this.#logger.warn('events were not written to the store', { error: messageOf(error) });
    } finally {
      this.#isWriting = false;
    }
  }
}
