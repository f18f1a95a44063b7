/**
 * The metadata store of several controllers, on etcd.
 *
 * Keys of the contract live under `<prefix>/data:`, candidates under `<prefix>/election:`; several clusters of controllers
 * can share one etcd under different prefixes. Revisions are etcd's own, which count the writes of everybody.
 *
 * Transactions of one store are sent one after another, so that they take effect in the order of the calls; each has its
 * deadline from the call on, waiting included. A transaction that was sent and not answered ends with outcome unknown and
 * may still take effect later (a member that hung wakes up and carries it out); the guards decide then as ever. Unlike
 * in the embedded store nothing else is in doubt after it: the next read asks etcd.
 *
 * Nothing here knows gRPC, files or real time; `open-etcd-store.ts` puts those under it.
 */
import { OperationError, assert, type Clock, type Logger, type Timers } from '@holdfast/base';
import { checkTransaction } from '../keyspace.ts';
import { leaderKey, membersPrefix } from '../metadata-store.ts';
import type {
  Announcement,
  Change,
  CompareAndSetResult,
  Conflict,
  Entry,
  Expected,
  Guard,
  Leadership,
  Listing,
  MetadataStore,
  Transaction,
  TransactionResult,
  Watch,
} from '../metadata-store.ts';
import { EtcdCalls, type EtcdCredentials } from './etcd-calls.ts';
import { campaign, keepPresent } from './etcd-election.ts';
import type { EtcdLease } from './etcd-lease.ts';
import { EtcdFailure, type EtcdEndpoint, type EtcdKeyValue, type EtcdMethods } from './etcd-rpc.ts';
import { EtcdWatch, plainEntry } from './etcd-watch.ts';

export interface EtcdStoreOptions {
  /** The members of the etcd cluster; asked in this order. */
  readonly endpoints: readonly EtcdEndpoint[];
  /** Begins every key in etcd, e.g. `/holdfast/production`. Two stores with the same prefix are the same store. */
  readonly prefix: string;
  /** How long a leader or member that died is still believed to live. etcd rounds it up to whole seconds, at least 2. */
  readonly leaseTtlMs: number;
  /** The longest any call takes before it fails. */
  readonly requestTimeoutMs: number;
  readonly credentials?: EtcdCredentials | undefined;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
}

export class EtcdStore implements MetadataStore {
  readonly name: string;
  readonly #calls: EtcdCalls;
  readonly #leaseTtlMs: number;
  readonly #dataPrefix: string;
  readonly #candidatesPrefix: string;
  readonly #watches = new Set<EtcdWatch>();
  readonly #leaderships = new Set<EtcdLeadership>();
  /** Aborted when the store is closed: ends campaigns and announcements. */
  readonly #closed = new AbortController();
  /** What campaigns and announcements still do after they were abandoned. */
  readonly #background = new Set<Promise<void>>();
  #tail: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor(options: EtcdStoreOptions) {
    this.#calls = new EtcdCalls(options);
    this.name = `${this.#calls.name} ${options.prefix}`;
    this.#leaseTtlMs = options.leaseTtlMs;
    this.#dataPrefix = `${options.prefix}/data:`;
    this.#candidatesPrefix = `${options.prefix}/election:`;
  }

  async get(key: string): Promise<Entry | undefined> {
    const { entries } = await this.#range({ key: `${this.#dataPrefix}${key}` });
    return entries[0] && plainEntry(entries[0], this.#dataPrefix.length);
  }

  async list(prefix: string): Promise<Listing> {
    const { revision, entries } = await this.#range({ key: `${this.#dataPrefix}${prefix}`, prefix: true });
    const plain = entries.map((entry) => plainEntry(entry, this.#dataPrefix.length));
    // etcd orders by bytes of UTF-8, which differs from the contract's order beyond U+FFFF.
    return { revision, entries: plain.sort((a, b) => (a.key < b.key ? -1 : 1)) };
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

  async transact(transaction: Transaction): Promise<TransactionResult> {
    this.#requireOpen();
    const tooLarge = checkTransaction(transaction);
    if (tooLarge !== undefined) throw notApplied('METADATA_TOO_LARGE', tooLarge);
    const deadlineMs = this.#calls.clock.leaseMs() + this.#calls.requestTimeoutMs;
    const before = this.#tail;
    const result = before.then(() => this.#send(transaction, deadlineMs));
    this.#tail = result.catch(() => undefined);
    return await result;
  }

  watch(prefix: string, listener: (change: Change) => void): Watch {
    this.#requireOpen();
    const watch = new EtcdWatch({
      calls: this.#calls,
      prefix: `${this.#dataPrefix}${prefix}`,
      afterRevision: this.#calls.seenRevision,
      strip: this.#dataPrefix.length,
      listener,
    });
    this.#watches.add(watch);
    return {
      cancel: (): void => {
        this.#watches.delete(watch);
        watch.cancel();
      },
    };
  }

  async campaign(candidate: string): Promise<Leadership> {
    this.#requireOpen();
    const campaigning = campaign({
      calls: this.#calls,
      keys: { candidatesPrefix: this.#candidatesPrefix, leader: `${this.#dataPrefix}${leaderKey}` },
      candidate,
      leaseTtlMs: this.#leaseTtlMs,
      abandoned: this.#closed.signal,
    }).then((victory) => {
      if (victory === undefined) throw this.#closedError();
      const leadership = new EtcdLeadership(victory.term, victory.lease);
      this.#leaderships.add(leadership);
      leadership.lost.addEventListener('abort', () => void this.#leaderships.delete(leadership));
      return leadership;
    });
    this.#keepUntilDone(campaigning);
    return await campaigning;
  }

  announce(member: string, value: string): Promise<Announcement> {
    return new Promise((resolve, reject) => {
      this.#requireOpen();
      const withdrawn = new AbortController();
      const withdraw = (): void => withdrawn.abort();
      this.#closed.signal.addEventListener('abort', withdraw);
      const present = keepPresent({
        calls: this.#calls,
        key: `${this.#dataPrefix}${membersPrefix}${member}`,
        value,
        leaseTtlMs: this.#leaseTtlMs,
        withdrawn: withdrawn.signal,
        stands: () => resolve({ member, withdraw: () => (withdraw(), present) }),
      }).then(
        () => {
          this.#closed.signal.removeEventListener('abort', withdraw);
          reject(this.#closedError());
        },
        // Not an outage: those are waited out. Nobody waits for this promise any more once the key stood.
        (error: unknown) => {
          reject(error);
          queueMicrotask(() => {
            throw error;
          });
        },
      );
      this.#keepUntilDone(present);
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#tail;
    this.#closed.abort();
    for (const watch of this.#watches) watch.cancel();
    this.#watches.clear();
    await Promise.all(this.#background);
    await Promise.all([...this.#leaderships].map((each) => each.resign()));
    this.#calls.close();
  }

  #keepUntilDone(work: Promise<unknown>): void {
    const settled = work.then(
      () => undefined,
      () => undefined,
    );
    this.#background.add(settled);
    void settled.then(() => this.#background.delete(settled));
  }

  #closedError(): OperationError {
    return notApplied('METADATA_CLOSED', `the metadata store ${this.name} is closed`);
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) throw this.#closedError();
  }

  async #range(request: EtcdMethods['range']['request']): Promise<EtcdMethods['range']['reply']> {
    this.#requireOpen();
    try {
      return (await this.#calls.run('range', request, { repeatable: true })).reply;
    } catch (error) {
      if (!(error instanceof EtcdFailure)) throw error;
      const message = `${this.name} cannot be read: ${error.message}`;
      throw new OperationError('METADATA_READ_FAILED', message, { outcome: 'not-applied', cause: error });
    }
  }

  async #send(transaction: Transaction, deadlineMs: number): Promise<TransactionResult> {
    const { leadership } = transaction;
    if (leadership !== undefined && !leadership.held) throw this.#deposed(leadership.term);
    const guards = guardsOf(transaction);
    try {
      const request = this.#requestOf(transaction, guards);
      const { reply } = await this.#calls.run('txn', request, { repeatable: false, deadlineMs });
      if (reply.succeeded) return { ok: true, revision: reply.revision };
      return this.#refusal(guards, reply.ranges, leadership);
    } catch (error) {
      if (!(error instanceof EtcdFailure)) throw error;
      throw this.#writeFailed(error);
    }
  }

  #requestOf({ puts = [], removes = [] }: Transaction, guards: readonly Guard[]): EtcdMethods['txn']['request'] {
    const whole = (key: string): string => `${this.#dataPrefix}${key}`;
    return {
      compares: guards.map(({ key, expected }) =>
        expected === 'absent'
          ? { key: whole(key), target: 'create', revision: 0 }
          : { key: whole(key), target: 'mod', revision: expected },
      ),
      success: [
        ...puts.map(({ key, value }) => ({ kind: 'put' as const, key: whole(key), value })),
        ...removes.map((key) => ({ kind: 'remove' as const, key: whole(key) })),
      ],
      // What stood there when the guards failed: read in the same transaction, so it is what they were compared with.
      failure: guards.map(({ key }) => ({ kind: 'range' as const, key: whole(key) })),
    };
  }

  #refusal(
    guards: readonly Guard[],
    ranges: readonly (readonly EtcdKeyValue[])[],
    leadership: Leadership | undefined,
  ): TransactionResult {
    const conflicts = guards.flatMap(({ key, expected }, index): Conflict[] => {
      const found = ranges[index]?.[0];
      const current = found && plainEntry(found, this.#dataPrefix.length);
      const holds = expected === 'absent' ? current === undefined : current?.revision === expected;
      return holds ? [] : [{ key, expected, current }];
    });
    assert(conflicts.length > 0, 'etcd refused a transaction whose guards all hold');
    const deposed = conflicts.find(({ key, expected }) => key === leaderKey && expected === leadership?.term);
    if (leadership === undefined || deposed === undefined) return { ok: false, conflicts };
    for (const each of this.#leaderships) if (each === leadership) void each.resign();
    throw this.#deposed(leadership.term, deposed.current);
  }

  #deposed(term: number, leader?: Entry): OperationError {
    const now = leader === undefined ? '' : `; ${leader.value} (term ${leader.revision}) leads now`;
    return notApplied('METADATA_NOT_LEADER', `term ${term} has ended in ${this.name}${now}`);
  }

  #writeFailed(failure: EtcdFailure): OperationError {
    if (failure.refusal === 'too-large')
      return notApplied('METADATA_TOO_LARGE', `${this.name} refused a transaction: ${failure.message}`);
    const outcome = failure.kind === 'no-answer' ? 'unknown' : 'not-applied';
    const message = `${this.name} did not ${failure.kind === 'refused' ? 'take' : 'answer'} a write: ${failure.message}`;
    return new OperationError('METADATA_WRITE_FAILED', message, { outcome, cause: failure });
  }
}

class EtcdLeadership implements Leadership {
  readonly term: number;
  readonly #lease: EtcdLease;

  constructor(term: number, lease: EtcdLease) {
    this.term = term;
    this.#lease = lease;
  }

  get held(): boolean {
    return this.#lease.alive;
  }

  get lost(): AbortSignal {
    return this.#lease.lost;
  }

  async resign(): Promise<void> {
    await this.#lease.revoke();
  }
}

/** The leadership is one guard more, on the key the winner wrote. */
function guardsOf({ guards, leadership }: Transaction): readonly Guard[] {
  return leadership === undefined ? guards : [...guards, { key: leaderKey, expected: leadership.term }];
}

function notApplied(code: string, message: string): OperationError {
  return new OperationError(code, message, { outcome: 'not-applied' });
}
