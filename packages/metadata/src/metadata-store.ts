/**
 * What controllers agreed on, as a small transactional key-value store.
 *
 * The problem: a failover changes several records at once (the shard record, the bindings, the cluster's topology), and
 * two controllers, or one that was paused, may try to change the same record. The idea: every change is one transaction
 * of guards and writes. A guard names the revision a key must still have; either all guards hold and all writes happen,
 * or nothing happens and the caller gets what stands there now.
 *
 * Revisions are one counter over the whole store. Each successful transaction that writes raises it and stamps it
 * on every key it wrote (by one, unless others share the etcd cluster); it survives restarts and never goes back. So the revision of a record orders everything
 * derived from it (the balancer's guard is the revision of the bindings record).
 *
 * Implementations: memory (tests, simulator), embedded (one fsynced file, one controller), etcd (three controllers).
 * All pass testing/suite.ts.
 */

/**
 * The key of the leader: its value is the candidate's name as JSON, its revision the term. It exists while somebody leads
 * and may be read, watched and guarded like any key; only campaigns write it.
 */
export const leaderKey = '/holdfast/leader';

/** Keys of `announce` begin with it. They may be read and watched like any key; only `announce` writes them. */
export const membersPrefix = '/holdfast/members/';

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
  /**
   * What this process knows: false for certain once its lease may have ended by its own lease clock. Only a transaction
   * that carries the leadership proves it.
   */
  readonly held: boolean;
  /** Aborted once, when the leadership is lost or given up. */
  readonly lost: AbortSignal;
  /** Gives it up; the next candidate may win. Safe to call twice. */
  resign(): Promise<void>;
}

/** A process that let the others know of it. */
export interface Announcement {
  readonly member: string;
  /** Takes the key away. Safe to call twice. */
  withdraw(): Promise<void>;
}

/**
 * Every method rejects with an OperationError when the store cannot do it:
 * - METADATA_WRITE_FAILED, outcome not-applied (nothing changed) or unknown (embedded: it may stand after the next
 *   opening; etcd: it may stand now or later, so what stands has to be read, and written again with guards);
 * - METADATA_READ_FAILED, not-applied: etcd did not answer in time;
 * - METADATA_NOT_LEADER, not-applied: the transaction's leadership has ended;
 * - METADATA_TOO_LARGE, not-applied: a limit of limits.ts is passed;
 * - METADATA_FAILED, not-applied: an earlier write ended unknown; the store must be opened again (embedded only);
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
   * Calls `listener` for every change of a key with this prefix after what this store has shown so far, in order, after
   * it is durable. A listener that throws ends the process: it is our own code.
   *
   * On etcd changes come a little after their writers were answered. After an outage in which etcd forgot its history, a
   * key that changed several times is told once, as it is then; a key that did not change may be told again.
   */
  watch(prefix: string, listener: (change: Change) => void): Watch;
  /**
   * Waits until this candidate leads. The embedded store has one process at a time (an OS lock), so the first candidate
   * leads at once; a second one of the same process waits for the first to resign. On etcd it waits through outages too.
   */
  campaign(candidate: string): Promise<Leadership>;
  /**
   * Lets the other processes know of this one: the key `membersPrefix + member` has this value for as long as the process
   * lives (on etcd: until at most the lease's TTL after its death) and the store is open. Resolves when it stands. It comes
   * back after an outage. Whoever announces a member last is the one that is seen.
   * @param value JSON text by convention, e.g. the address at which the process is reached.
   */
  announce(member: string, value: string): Promise<Announcement>;
  /** Waits for transactions under way, then releases what is held. Safe to call twice. */
  close(): Promise<void>;
}
