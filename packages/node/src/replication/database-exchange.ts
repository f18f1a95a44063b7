/**
 * The times when the database is closed: a full sync puts the master's in its place, a rewind takes back its end. Meanwhile
 * the node is `loading`: commands are refused, replicas are cut and the checkpoint that others fetch is gone.
 */
import type { Endpoint } from '@holdfast/base';
import type { LogEnd } from '@holdfast/fencing';
import { runFullSync, type RewindOutcome } from '@holdfast/replication';
import type { ReplicatorEnvironment } from './environment.ts';

/** What the owner does about it. */
export interface ExchangeEvents {
  /** The database is about to be closed: whoever reads it ends. */
  begins(): Promise<void>;
  /** A database is open again, perhaps another one. */
  opened(): void;
}

export class DatabaseExchange {
  readonly #env: ReplicatorEnvironment;
  readonly #events: ExchangeEvents;
  #loading = false;

  constructor(env: ReplicatorEnvironment, events: ExchangeEvents) {
    this.#env = env;
    this.#events = events;
  }

  /** The database is closed or being exchanged. */
  get loading(): boolean {
    return this.#loading;
  }

  /**
   * Takes the whole database of `master`.
   * @param fetched files that an earlier attempt received, kept from one attempt to the next.
   * @throws OperationError FULL_SYNC_*, see runFullSync.
   */
  async fullSync(master: Endpoint, fetched: Set<string>, signal: AbortSignal): Promise<void> {
    const { password, connectTimeoutMs, transferTimeoutMs, emptyDatabaseFirst } = this.#env.settings();
    await runFullSync(
      {
        ...this.#env,
        master,
        log: this.#env.engine,
        password,
        connectTimeoutMs,
        silenceMs: transferTimeoutMs,
        emptyDatabaseFirst,
        fetched,
        beforeClose: async (): Promise<void> => {
          await this.#begin();
          this.#env.beforeDatabaseReplaced();
        },
        afterOpen: (replaced) => this.#afterOpen(replaced),
        onDatabaseLost: (error) => this.#env.onDatabaseLost(error),
      },
      signal,
    );
  }

  /** Takes back the log's end; nobody uses the database meanwhile. */
  async rewind(target: LogEnd | undefined, signal: AbortSignal): Promise<RewindOutcome> {
    await this.#begin();
    try {
      return await this.#env.rewind(target, signal);
    } finally {
      if (this.#env.engine.isOpen) this.#afterOpen(true);
    }
  }

  async #begin(): Promise<void> {
    this.#loading = true;
    // In this order: replicas are cut before anybody hears of it, and the checkpoint goes last.
    const ended = this.#events.begins();
    this.#env.onLoading(true);
    await ended;
  }

  #afterOpen(replaced: boolean): void {
    this.#events.opened();
    if (replaced) this.#env.onDatabaseReplaced();
    this.#loading = false;
    this.#env.onLoading(false);
  }
}
