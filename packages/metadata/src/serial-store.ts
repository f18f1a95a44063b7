/**
 * A store whose transactions are decided one after the other in this process; what durability means is handed in. The
 * memory store and the embedded store are this with different `persist` functions.
 *
 * The idea: calls queue; the loop takes everything queued, decides it in order against the newest content, makes the
 * result durable with one `persist`, and only then publishes it, answers the callers and tells the watches. So a reader
 * never sees what a crash could take back, and transactions that arrive during a write share the next one.
 *
 * Leadership is one key, written by `campaign`; its revision is the term. A transaction that carries a leadership is
 * decided with a guard on that key, the same way an etcd store does it.
 */
import { OperationError, assert } from '@holdfast/base';
import {
  checkTransaction,
  entriesWithPrefix,
  evaluate,
  withoutPresence,
  type Evaluation,
  type Keyspace,
} from './keyspace.ts';
import { leaderKey, membersPrefix } from './metadata-store.ts';
import type {
  Announcement,
  Change,
  CompareAndSetResult,
  Entry,
  Expected,
  Leadership,
  Listing,
  MetadataStore,
  Transaction,
  TransactionResult,
  Watch,
} from './metadata-store.ts';

export interface SerialStoreOptions {
  readonly name: string;
  readonly initial: Keyspace;
  /**
   * Makes a keyspace durable, whole.
   * @throws OperationError METADATA_WRITE_FAILED or METADATA_TOO_LARGE; with outcome unknown the store refuses all
   *   further use.
   */
  readonly persist: (next: Keyspace) => Promise<void>;
  /** Releases locks and the like, once, after the last persist. */
  readonly release: () => void;
}

interface Pending {
  readonly transaction: Transaction;
  resolve(result: TransactionResult): void;
  reject(error: unknown): void;
}

interface Watcher {
  readonly prefix: string;
  readonly listener: (change: Change) => void;
}

type Phase =
  { readonly kind: 'open' } | { readonly kind: 'failed'; readonly why: string } | { readonly kind: 'closed' };

export class SerialStore implements MetadataStore {
  readonly name: string;
  readonly #persist: (next: Keyspace) => Promise<void>;
  readonly #release: () => void;
  readonly #watchers = new Set<Watcher>();
  #space: Keyspace;
  #queue: Pending[] = [];
  #running: Promise<void> | undefined;
  #phase: Phase = { kind: 'open' };
  #closing: Promise<void> | undefined;
  #leading: LeadershipHandle | undefined;
  #candidates: { candidate: string; resolve(leadership: Leadership): void; reject(error: unknown): void }[] = [];

  constructor({ name, initial, persist, release }: SerialStoreOptions) {
    this.name = name;
    // Whoever led or was announced before did so in a process that has ended.
    this.#space = withoutPresence(initial);
    this.#persist = persist;
    this.#release = release;
  }

  // The signatures are asynchronous because other stores ask a server.
  async get(key: string): Promise<Entry | undefined> {
    this.#requireReadable();
    return this.#space.entries.get(key);
  }

  async list(prefix: string): Promise<Listing> {
    this.#requireReadable();
    return { revision: this.#space.revision, entries: entriesWithPrefix(this.#space, prefix) };
  }

  async compareAndSet(
    key: string,
    expected: Expected,
    value: string,
    options: { readonly leadership?: Leadership } = {},
  ): Promise<CompareAndSetResult> {
    const result = await this.transact({ guards: [{ key, expected }], puts: [{ key, value }], ...options });
    return result.ok ? result : { ok: false, current: result.conflicts[0]?.current };
  }

  transact(transaction: Transaction): Promise<TransactionResult> {
    return new Promise((resolve, reject) => {
      this.#requireReadable();
      const tooLarge = checkTransaction(transaction);
      if (tooLarge !== undefined) throw refused('METADATA_TOO_LARGE', tooLarge);
      this.#queue.push({ transaction, resolve, reject });
      this.#running ??= this.#drain();
    });
  }

  watch(prefix: string, listener: (change: Change) => void): Watch {
    const watcher: Watcher = { prefix, listener };
    this.#watchers.add(watcher);
    return { cancel: (): void => void this.#watchers.delete(watcher) };
  }

  campaign(candidate: string): Promise<Leadership> {
    return new Promise((resolve, reject) => {
      this.#requireReadable();
      this.#candidates.push({ candidate, resolve, reject });
      if (this.#leading === undefined && this.#candidates.length === 1) void this.#elect();
    });
  }

  async announce(member: string, value: string): Promise<Announcement> {
    const key = `${membersPrefix}${member}`;
    const result = await this.transact({ guards: [], puts: [{ key, value }] });
    assert(result.ok, 'an unguarded transaction was refused');
    let withdrawing: Promise<unknown> | undefined;
    const remove = async (): Promise<void> => {
      if (this.#phase.kind !== 'open' || this.#closing !== undefined) return;
      await this.transact({ guards: [{ key, expected: result.revision }], removes: [key] });
    };
    return { member, withdraw: async (): Promise<void> => void (await (withdrawing ??= remove())) };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
    this.#phase = { kind: 'closed' };
    this.#loseLeadership(this.#closedError());
    this.#watchers.clear();
    this.#release();
  }

  #closedError(): OperationError {
    return refused('METADATA_CLOSED', `the metadata store ${this.name} is closed`);
  }

  #requireReadable(): void {
    if (this.#closing !== undefined || this.#phase.kind === 'closed') throw this.#closedError();
    if (this.#phase.kind === 'failed') throw refused('METADATA_FAILED', this.#phase.why);
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) await this.#commit(this.#queue.splice(0));
    this.#running = undefined;
  }

  /** Decides `batch` in order and makes it durable with one persist. Never rejects. */
  async #commit(batch: readonly Pending[]): Promise<void> {
    if (this.#phase.kind === 'failed') {
      const error = refused('METADATA_FAILED', this.#phase.why);
      for (const pending of batch) pending.reject(error);
      return;
    }
    let next = this.#space;
    const evaluations: Evaluation[] = [];
    for (const { transaction } of batch) {
      const evaluation = evaluate(next, withLeaderGuard(transaction));
      evaluations.push(evaluation);
      next = evaluation.next;
    }
    if (next !== this.#space) {
      try {
        await this.#persist(next);
      } catch (error) {
        if (!(error instanceof OperationError) || error.outcome === 'unknown') this.#fail(error);
        // Refusals too: they were decided against content that does not exist now.
        for (const pending of batch) pending.reject(error);
        return;
      }
      this.#space = next;
    }
    for (const [index, pending] of batch.entries()) settle(pending, evaluations[index]?.result, this.name);
    this.#notify(evaluations.flatMap((evaluation) => evaluation.changes));
  }

  #fail(cause: unknown): void {
    const why = `the metadata store ${this.name} does not know whether its last write stands (${String(cause)}); restart the process to read it again`;
    this.#phase = { kind: 'failed', why };
    this.#loseLeadership(refused('METADATA_FAILED', why));
  }

  #notify(changes: readonly Change[]): void {
    for (const change of changes) {
      for (const watcher of this.#watchers) {
        if (!change.key.startsWith(watcher.prefix)) continue;
        // Outside of the commit loop, so that a listener that throws ends the process instead of stopping the store.
        queueMicrotask(() => {
          if (this.#watchers.has(watcher)) watcher.listener(change);
        });
      }
    }
  }

  /** Makes the first waiting candidate the leader. Never rejects. */
  async #elect(): Promise<void> {
    const next = this.#candidates[0];
    if (next === undefined) return;
    try {
      const result = await this.transact({
        guards: [],
        puts: [{ key: leaderKey, value: JSON.stringify(next.candidate) }],
      });
      assert(result.ok, 'an unguarded transaction was refused');
      if (this.#closing !== undefined) throw this.#closedError();
      this.#leading = new LeadershipHandle(result.revision, (term) => this.#resign(term));
      next.resolve(this.#leading);
    } catch (error) {
      next.reject(error);
    }
    this.#candidates.shift();
    if (this.#leading === undefined) await this.#elect();
  }

  async #resign(term: number): Promise<void> {
    this.#leading = undefined;
    try {
      if (this.#phase.kind === 'open' && this.#closing === undefined)
        await this.transact({ guards: [{ key: leaderKey, expected: term }], removes: [leaderKey] });
    } finally {
      await this.#elect();
    }
  }

  #loseLeadership(why: OperationError): void {
    this.#leading?.end();
    this.#leading = undefined;
    for (const { reject } of this.#candidates) reject(why);
    this.#candidates = [];
  }
}

class LeadershipHandle implements Leadership {
  readonly term: number;
  readonly #lost = new AbortController();
  readonly #onResign: (term: number) => Promise<void>;

  constructor(term: number, onResign: (term: number) => Promise<void>) {
    this.term = term;
    this.#onResign = onResign;
  }

  get held(): boolean {
    return !this.#lost.signal.aborted;
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Marks it as over, without telling the store. */
  end(): void {
    this.#lost.abort();
  }

  async resign(): Promise<void> {
    if (!this.held) return;
    this.end();
    await this.#onResign(this.term);
  }
}

function refused(code: string, message: string): OperationError {
  return new OperationError(code, message, { outcome: 'not-applied' });
}

function withLeaderGuard(transaction: Transaction): Transaction {
  const { leadership, guards } = transaction;
  if (leadership === undefined) return transaction;
  return { ...transaction, guards: [...guards, { key: leaderKey, expected: leadership.term }] };
}

/** Answers the caller; a failed leader guard becomes METADATA_NOT_LEADER. */
function settle({ transaction, resolve, reject }: Pending, result: TransactionResult | undefined, name: string): void {
  if (result === undefined) return;
  const { leadership } = transaction;
  if (leadership === undefined || result.ok) return resolve(result);
  const deposed = result.conflicts.find(({ key, expected }) => key === leaderKey && expected === leadership.term);
  if (deposed === undefined) return resolve(result);
  const now = deposed.current === undefined ? 'nobody' : `${deposed.current.value} (term ${deposed.current.revision})`;
  reject(refused('METADATA_NOT_LEADER', `term ${leadership.term} has ended in ${name}; ${now} leads now`));
}
