/**
 * What controllers agreed on, as a small transactional key-value store.
 *
 * The problem: a failover changes several records at once (the shard record, the bindings, the cluster's topology), and
 * two controllers, or one that was paused, may try to change the same record. The idea: every change is one transaction
 * of guards and writes. A guard names the revision a key must still have; either all guards hold and all writes happen,
 * or nothing happens and the caller gets what stands there now.
 *
 * Revisions are one counter over the whole store. Each successful transaction that writes raises it by one and stamps
 * it on every key it wrote; it survives restarts and never goes back. So the revision of a record orders everything
 * derived from it (the balancer's guard is the revision of the bindings record).
 *
 * Implementations: memory (tests, simulator), embedded (one fsynced file, one controller), etcd (three controllers).
 * All pass testing/suite.ts.
 */

/** One key. `revision` is the store's revision of the transaction that wrote it last. */
export interface Entry {
  readonly key: string;
  /** JSON text by convention; the store does not look inside. At most `limits.valueBytesMax` bytes of UTF-8. */
  readonly value: string;
  readonly revision: number;
}

/** What a guard demands of a key: that it was last written at this revision, or that it does not exist. */
export type Expected = number | 'absent';

export interface Guard {
  readonly key: string;
  readonly expected: Expected;
}

export interface Transaction {
  /** All must hold. Keys that are only guarded, not written, are fine. */
  readonly guards: readonly Guard[];
  readonly puts?: readonly { readonly key: string; readonly value: string }[];
  /** Removing an absent key is fine. A key may appear once among `puts` and `removes`. */
  readonly removes?: readonly string[];
  /** When given, the transaction also demands that this leadership still stands. */
  readonly leadership?: Leadership;
}

export type TransactionResult =
  /** `revision` is the store's revision after the transaction; unchanged when nothing was written. */
  | { readonly ok: true; readonly revision: number }
  /** Nothing was written. One entry per guard that failed; `current` is undefined when the key is absent. */
  | { readonly ok: false; readonly conflicts: readonly Conflict[] };

export interface Conflict {
  readonly key: string;
  readonly expected: Expected;
  readonly current: Entry | undefined;
}

export type CompareAndSetResult =
  { readonly ok: true; readonly revision: number } | { readonly ok: false; readonly current: Entry | undefined };

/** A consistent reading of all keys with a prefix. */
export interface Listing {
  /** The store's revision at the moment of reading. */
  readonly revision: number;
  /** In ascending order of the key (UTF-16 code units). */
  readonly entries: readonly Entry[];
}

/** One key changed. `entry` is undefined when it was removed. */
export interface Change {
  readonly key: string;
  readonly entry: Entry | undefined;
  readonly revision: number;
}

export interface Watch {
  /** No call of the listener after this. Safe to call twice. */
  cancel(): void;
}

/**
 * The right to act for the cluster, held by at most one controller. A deposed leader changes nothing: transactions that
 * carry its leadership are refused by the store, whatever the process itself believes (promise S4).
 */
export interface Leadership {
  /** The revision at which it was won; a later leadership has a higher one. */
  readonly term: number;
  /** What this process knows. Only a transaction that carries the leadership proves it. */
  readonly held: boolean;
  /** Aborted once, when the leadership is lost or given up. */
  readonly lost: AbortSignal;
  /** Gives it up; the next candidate may win. Safe to call twice. */
  resign(): Promise<void>;
}

/**
 * Every method rejects with an OperationError when the store cannot do it:
 * - METADATA_WRITE_FAILED, outcome not-applied (nothing changed) or unknown (it may stand after the next opening);
 * - METADATA_NOT_LEADER, not-applied: the transaction's leadership has ended;
 * - METADATA_TOO_LARGE, not-applied: a limit of limits.ts is passed;
 * - METADATA_FAILED, not-applied: an earlier write ended unknown; the store must be opened again;
 * - METADATA_CLOSED, not-applied.
 */
export interface MetadataStore {
  /** For people: `memory`, or the path, or the endpoints. */
  readonly name: string;
  /** Undefined when absent. Shows only what is durable. */
  get(key: string): Promise<Entry | undefined>;
  list(prefix: string): Promise<Listing>;
  /** One guarded put: `transact` with the guard and the put on the same key. */
  compareAndSet(
    key: string,
    expected: Expected,
    value: string,
    options?: { readonly leadership?: Leadership },
  ): Promise<CompareAndSetResult>;
  /** All or nothing. Resolves when the outcome is durable. Concurrent calls take effect in the order of the calls. */
  transact(transaction: Transaction): Promise<TransactionResult>;
  /**
   * Calls `listener` for every later change of a key with this prefix, in order, after it is durable. A listener that
   * throws ends the process: it is our own code.
   */
  watch(prefix: string, listener: (change: Change) => void): Watch;
  /**
   * Waits until this candidate leads. The embedded store has one process at a time (an OS lock), so the first candidate
   * leads at once; a second one of the same process waits for the first to resign.
   */
  campaign(candidate: string): Promise<Leadership>;
  /** Waits for transactions under way, then releases what is held. Safe to call twice. */
  close(): Promise<void>;
}
