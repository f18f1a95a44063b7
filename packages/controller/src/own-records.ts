/**
 * The records of the store that are this controller's own: what it answered when an epoch was withheld, whom it does not
 * hear. Anybody may lead meanwhile, so the leadership guards none of them; each write demands the revision the mirror has,
 * so a late one of this very process overwrites nothing newer.
 *
 * One says what a key is to hold; it is written, and written again for as long as the store has something else.
 */
import { messageOf, OperationError, type Logger, type Timer, type Timers } from '@holdfast/base';
import type { MetadataStore } from '@holdfast/metadata';
import type { StoreMirror } from './store-mirror.ts';

/** After a write failed or found something else it is tried again. */
const retryMs = 100;

export interface OwnRecordsOptions {
  readonly store: MetadataStore;
  readonly mirror: StoreMirror;
  readonly timers: Timers;
  readonly logger: Logger;
  /** Our own bug. */
  fatal(error: unknown): void;
}

export class OwnRecords {
  readonly #options: OwnRecordsOptions;
  readonly #wanted = new Map<string, unknown>();
  readonly #inFlight = new Set<string>();
  #retry: Timer | undefined;
  #isStopped = false;
  #lastError = '';

  constructor(options: OwnRecordsOptions) {
    this.#options = options;
  }

  /** From now on `key` is to hold `value`. */
  want(key: string, value: unknown): void {
    this.#wanted.set(key, value);
    this.#bring(key);
  }

  /** The key is not this controller's concern any more; what it holds stays. */
  forget(prefix: string): void {
    for (const key of [...this.#wanted.keys()]) if (key.startsWith(prefix)) this.#wanted.delete(key);
  }

  /** The mirror changed: whatever differs is written again. */
  onChange(): void {
    for (const key of this.#wanted.keys()) this.#bring(key);
  }

  stop(): void {
    this.#isStopped = true;
    this.#retry?.cancel();
  }

  #bring(key: string): void {
    const { mirror } = this.#options;
    if (this.#isStopped || this.#inFlight.has(key) || this.#retry !== undefined) return;
    const value = this.#wanted.get(key);
    const { revision, value: held } = mirror.stored(key);
    const text = JSON.stringify(value);
    if (revision > 0 && JSON.stringify(held) === text) return;
    this.#inFlight.add(key);
    this.#write(key, text, revision)
      .then(
        (isWritten) => {
          this.#inFlight.delete(key);
          if (isWritten) this.#bring(key);
          else this.#again();
        },
        (error: unknown) => {
          this.#inFlight.delete(key);
          if (!(error instanceof OperationError)) return this.#options.fatal(error);
          this.#complain(messageOf(error));
          this.#again();
        },
      )
      .catch((error: unknown) => this.#options.fatal(error));
  }

  /** False when the store had something else than the mirror. */
  async #write(key: string, text: string, revision: number): Promise<boolean> {
    const { store, mirror } = this.#options;
    const result = await store.compareAndSet(key, revision === 0 ? 'absent' : revision, text);
    this.#lastError = '';
    if (!result.ok) return false;
    mirror.note(result.revision, [{ key, value: JSON.parse(text) as unknown }]);
    return true;
  }

  #again(): void {
    if (this.#isStopped) return;
    this.#retry ??= this.#options.timers.after(retryMs, () => {
      this.#retry = undefined;
      // A guard that failed means that the watch is late; without it the next guard would fail as well.
      this.#options.mirror.resync().then(
        () => this.onChange(),
        (error: unknown) => {
          if (!(error instanceof OperationError)) return this.#options.fatal(error);
          this.#complain(messageOf(error));
          this.#again();
        },
      );
    });
  }

  /** Once per reason, or an outage would fill the log. */
  #complain(reason: string): void {
    if (reason !== this.#lastError)
      this.#options.logger.warn('what this controller has to say was not written', { reason });
    this.#lastError = reason;
  }
}
