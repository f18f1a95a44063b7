/**
 * The engine: a RocksDB database, the open tick over it, and the one place where ticks are committed. Data types read
 * and write through it; it knows keys of records, not what they mean.
 *
 * Exactly one party writes: on a master the tick, on a replica the master's batches (`applyReplicated`). A replica
 * writes nothing of its own, so that both logs carry the same sequences.
 */
import { OperationError, assert, messageOf, type Random } from '@holdfast/base';
import { open as openDatabase, type Database, type WriteOptions } from '@holdfast/rocksdb';
import { Scratch, Window, spanOf } from './bytes.ts';
import { packRecords, type ColdRecord } from './cold-record.ts';
import { ColdReads } from './cold-reads.ts';
import type { Commit } from './commit.ts';
import { EntryIterator, type IterateRange, type ReadWork } from './entry-iterator.ts';
import { family } from './families.ts';
import { hashOfKey } from './key-hash.ts';
import { openOptions, type RocksdbSettings } from './rocksdb-options.ts';
import type { Namespace } from './namespace.ts';
import { RowCache } from './row-cache.ts';
import type { WarmedKeys } from './row-warming.ts';
import { Tick } from './tick.ts';
import { VersionSource } from './version.ts';
import { visitKeysOfCommand, type KeyVisitor } from './written-user-keys.ts';

/** How the database is opened. Sizes in bytes. */
export interface EngineOptions {
  /** Directory of the RocksDB database, `<dir>/db`. Its parent must exist. */
  readonly path: string;
  /** Whether stored keys carry the slot (cluster-enabled): nothing on disk says which form was used. */
  readonly slotPrefixed: boolean;
  /** Source of versions of new collections: Unix time in ms. */
  readonly clock: { wallMs(): number };
  readonly random: Random;
  readonly rocksdb?: RocksdbSettings;
  /** fsync the WAL with every commit (`rocksdb.write_options.sync`). Default false. */
  readonly syncWal?: boolean;
  /** Fail instead of waiting in a write stall. Default true; replicated batches always wait. */
  readonly noSlowdown?: boolean;
  /** The open batch is closed and another begun once it is this large, outside MULTI. Default 1 MiB. */
  readonly batchBytesMax?: number;
  /** Most memory that the row cache takes, in bytes; 0: no cache. Default 64 MiB. */
  readonly rowCacheBytes?: number;
}

/** Told once how a commit ended: with what was written (undefined: nothing was to be written), or with an error. */
export type CommitDone = (commit: Commit | undefined, error?: OperationError) => void;

/** A tick's batches, and what its overlay points into. */
interface ClosedTick {
  readonly commit: Commit;
  readonly built: Buffer;
}

/** A closed tick whose batches a worker is writing. */
interface UnderCommit extends Commit {
  readonly closed: ClosedTick;
  readonly done: CommitDone;
  /** It was waited for: the database has it, or never will. */
  isWritten: boolean;
}

const nothing = { packed: Buffer.alloc(0), lengths: new Uint32Array() } as const;

const defaultBatchBytesMax = 1 << 20;
const defaultRowCacheBytes = 64 << 20;
/** Lookups that do not wait say so. */
const onDisk = -2;
/** Values up to this size are read into a buffer that is kept. */
const keptValueBytes = 1 << 20;

export class Engine {
  readonly slotPrefixed: boolean;
  readonly tick: Tick;
  readonly versions: VersionSource;
  readonly random: Random;
  /** Reads since the start, for INFO. */
  readonly work: ReadWork = { gets: 0, seeks: 0, nexts: 0, prevs: 0 };
  /** Key of the record being read or written, filled by the data types. */
  readonly key: Scratch = new Scratch();
  /**
   * What `get` found; valid until the next `get` or commit, whatever they are of. It stands in the tick's batch, in the row
   * cache or in a buffer of the engine's own, and must not be changed there.
   */
  readonly value: Window = new Window();
  /** Records as of the last closed tick. */
  readonly rowCache: RowCache;
  /** How lookups take it that a record is on disk only. */
  readonly cold: ColdReads = new ColdReads();
  readonly #options: EngineOptions;
  #database: Database | undefined;
  /** As it was set since, for a database that is opened later. */
  #ioBytesPerSecond: number | undefined;
  #sequence = 0;
  #underCommit: UnderCommit | undefined;
  #valueBytes: Buffer = Buffer.allocUnsafeSlow(4096);
  readonly #propagateKey = new Scratch();
  readonly #probed = new Window();

  private constructor(options: EngineOptions) {
    this.#options = options;
    this.slotPrefixed = options.slotPrefixed;
    this.tick = new Tick(options.batchBytesMax ?? defaultBatchBytesMax);
    this.rowCache = new RowCache(options.rowCacheBytes ?? defaultRowCacheBytes);
    this.versions = new VersionSource(options.clock, options.random);
    this.random = options.random;
  }

  /**
   * Opens, or creates, the database.
   * @throws RocksError, e.g. ROCKS_LOCKED when another process has it.
   */
  static async open(options: EngineOptions): Promise<Engine> {
    const engine = Engine.closed(options);
    await engine.reopen();
    return engine;
  }

  /** An engine that is to be opened by `reopen`. */
  static closed(options: EngineOptions): Engine {
    return new Engine(options);
  }

  /** @throws InvariantError while the engine is closed (full sync): nothing may ask then. */
  get database(): Database {
    assert(this.#database !== undefined, 'the engine is closed');
    return this.#database;
  }

  get isOpen(): boolean {
    return this.#database !== undefined;
  }

  /** 16 characters; while set, every batch ends with LogData `r <id>`. */
  get replicationId(): string | undefined {
    return this.tick.replicationId;
  }

  set replicationId(id: string | undefined) {
    assert(id === undefined || id.length === 16, `a replication id has 16 characters, not ${id?.length}`);
    this.tick.replicationId = id;
  }

  /** Sequence of the last committed counted record. */
  latestSequence(): number {
    return this.#sequence;
  }

  /** As `latestSequence`, with the records of the tick that is being written and of the open one. */
  visibleSequence(): number {
    return (this.#underCommit?.lastSequence ?? this.#sequence) + this.tick.records;
  }

  /** Records that the open tick's commands have put, deleted or deleted in ranges; also those not to be written. */
  get putInTick(): number {
    return this.tick.overlay.count + this.tick.overlay.rangeCount;
  }

  /** A closed tick is being written. */
  get isCommitting(): boolean {
    return this.#underCommit !== undefined;
  }

  /** Bytes of all batches of the open tick: what the caller bounds a tick by. */
  get openTickBytes(): number {
    return this.tick.builder.length;
  }

  /** Savepoint of one command; the place where a batch may end. */
  beginCommand(): void {
    this.tick.beginCommand();
  }

  /** Takes back everything written since `beginCommand`. */
  rollbackCommand(): void {
    this.tick.rollbackCommand();
  }

  /** From here to `endAtomic` all writes go into one batch: MULTI/EXEC and scripts. */
  beginAtomic(): void {
    this.tick.beginAtomic();
  }

  endAtomic(): void {
    this.tick.endAtomic();
  }

  /** Takes back everything written since `beginAtomic` and ends it. */
  rollbackAtomic(): void {
    this.tick.rollbackAtomic();
  }

  /**
   * Ends the tick with one write, after the one under way.
   * @returns what was written, or undefined when the tick wrote nothing.
   * @throws OperationError ENGINE_WRITE_FAILED; the tick is dropped. 'not-applied' when the database refused before
   *   the first batch without touching the log (a write stall), else 'unknown'.
   */
  commit(): Commit | undefined {
    this.settle();
    const closed = this.#closeTick();
    if (closed === undefined) return undefined;
    const { commit } = closed;
    this.tick.clearOverlay();
    const sequence = this.#write(commit, this.#options.noSlowdown ?? true);
    assertAlone(commit, sequence);
    this.#forgetBuilt(closed);
    return commit;
  }

  /**
   * The bytes of a commit are needed no more: later ticks are built in their place. A tick's buffers are a hundred kilobytes
   * and more; new ones for each had V8 look for garbage 20 times a second.
   */
  recycle(commit: Commit): void {
    this.tick.builder.recycle(commit.packed);
  }

  /** What a tick's overlay pointed into, where that was not written itself. */
  #forgetBuilt({ commit, built }: ClosedTick): void {
    if (built !== commit.packed) this.tick.builder.recycle(built);
  }

  /**
   * As `commit`, on a worker thread: the next tick may run meanwhile and sees this one's writes. One at a time.
   * @param done called once: before this returns when nothing was written, otherwise when it is, or in `settle`.
   */
  commitOnWorker(done: CommitDone): void {
    assert(this.#underCommit === undefined, 'one tick is committed at a time');
    const closed = this.#closeTick();
    if (closed === undefined) {
      done(undefined);
      return;
    }
    const { commit } = closed;
    const { packed, lengths, count } = commit;
    const under: UnderCommit = { ...commit, closed, done, isWritten: false };
    this.#underCommit = under;
    this.tick.keepClosed(closed.built);
    this.database.writeAsync(packed, lengths, count, this.#writeOptions(this.#options.noSlowdown ?? true)).then(
      (sequence) => this.#committed(under, sequence),
      (error: unknown) => this.#committed(under, undefined, error),
    );
  }

  /** Waits for the commit under way, if there is one; its `done` has been called afterwards. */
  settle(): void {
    const under = this.#underCommit;
    if (under !== undefined) this.#committed(under, this.#awaitWrite(under));
  }

  /** Until the database has it, or never will. @returns the database's sequence. */
  #awaitWrite(under: UnderCommit): number {
    under.isWritten = true;
    // A write of nothing has its turn after all before it.
    return this.database.write(nothing.packed, nothing.lengths, 0, this.#writeOptions(false));
  }

  #committed(under: UnderCommit, sequence: number | undefined, cause?: unknown): void {
    if (this.#underCommit !== under) return; // told by `settle` already
    this.#underCommit = undefined;
    this.tick.forgetClosed();
    this.#sequence = sequence ?? this.database.latestSequence();
    if (sequence !== undefined && sequence >= under.lastSequence) {
      assertAlone(under, sequence);
      this.#forgetBuilt(under.closed);
      under.done(under);
      return;
    }
    this.rowCache.clear();
    under.done(undefined, writeFailure(under, cause ?? new Error('the worker could not write it')));
  }

  /** Closes the open tick and takes what it wrote; undefined when that is nothing. */
  #closeTick(): ClosedTick | undefined {
    this.tick.close();
    const records = this.tick.records;
    if (records === 0) {
      this.tick.reset();
      return undefined;
    }
    const firstSequence = this.#sequence + 1;
    const { overlay, builder } = this.tick;
    const { packed, lengths, count, built } = builder.take(firstSequence, overlay.leftOut());
    this.rowCache.tickClosed(overlay, built);
    this.cold.tickClosed(overlay, built);
    return { commit: { firstSequence, lastSequence: firstSequence + records - 1, packed, lengths, count }, built };
  }

  /** Forgets the open tick: no lease, role change, failed write. */
  dropTick(): void {
    this.tick.reset();
  }

  /**
   * A replica's side: writes the master's batches as they were received, in order.
   * @returns the latest sequence afterwards.
   * @throws OperationError ENGINE_WRITE_FAILED.
   */
  applyReplicated(packed: Buffer, lengths: Uint32Array, count: number): number {
    assert(this.tick.records === 0, 'a replica writes nothing of its own');
    this.settle();
    const sequence = this.#write({ packed, lengths, count }, false);
    this.rowCache.batchesApplied(packed, lengths, count);
    this.cold.batchesApplied(packed, lengths, count);
    return sequence;
  }

  /** A record of node-wide state (Kvrocks' propagate family), the last put of its batch. */
  putPropagate(key: Uint8Array, value: Uint8Array): void {
    this.#propagateKey.reset();
    this.#propagateKey.bytes(key);
    this.tick.putAlone(family.propagate, this.#propagateKey, spanOf(value));
  }

  /** A node-wide record, owned by the caller; undefined when there is none. */
  getPropagate(key: Uint8Array): Buffer | undefined {
    this.#propagateKey.reset();
    this.#propagateKey.bytes(key);
    return this.get(family.propagate, this.#propagateKey) ? this.value.copy() : undefined;
  }

  /** Looks one key up, in the open tick first. @returns whether it is there; then `value` says where. */
  get(of: number, key: Scratch): boolean {
    this.work.gets++;
    const { tick, rowCache, value } = this;
    const hash = hashOfKey(of, key);
    const inTick = tick.find(of, key, hash, value);
    if (inTick !== -1) return inTick === 1;
    const inCache = rowCache.find(of, key, hash, value);
    if (inCache !== -1) return inCache === 1;
    const inClosed = tick.findClosed(of, key, hash, value);
    if (inClosed !== -1) return inClosed === 1;
    const inDatabase = this.#read(of, key, hash);
    if (inDatabase !== -1) rowCache.add(of, key, hash, inDatabase === 1 ? value : undefined);
    return inDatabase === 1;
  }

  /** Looks one key up in the database. @returns as `Tick.find`; -1 for a record on disk that is taken as absent. */
  #read(of: number, key: Scratch, hash: number): 1 | 0 | -1 {
    const { cold } = this;
    if (cold.arrived > 0) {
      const fetched = cold.find(of, key, hash, this.value);
      if (fetched !== -1) return fetched;
    }
    const bytes = key.view();
    let into = this.#valueBytes;
    let length = cold.mode === 'read' ? this.database.get(of, bytes, into) : this.#readAtHand(of, bytes, into);
    if (length === onDisk) {
      cold.missed(of, key, hash);
      return -1;
    }
    if (length < 0) return 0;
    if (length > into.length) {
      into = Buffer.allocUnsafeSlow(length <= keptValueBytes ? Math.max(length, into.length * 2) : length);
      if (into.length <= 2 * keptValueBytes) this.#valueBytes = into;
      length = this.database.get(of, bytes, into);
    }
    this.value.set(into, 0, length);
    return 1;
  }

  #readAtHand(of: number, key: Buffer, into: Buffer): number {
    const { database, cold } = this;
    if (cold.inPlace === 0) return database.getCached(of, key, into);
    cold.inPlace--;
    return database.getWithoutWaiting(of, key, into);
  }

  /**
   * Notes a key that a command is about to look up, unless ticks, the row cache or a worker have its record already. Whether
   * the block cache has it is not asked: that costs as much as it costs a worker to find it there.
   * @returns whether it was noted.
   */
  noteAhead(of: number, key: Scratch): boolean {
    const { tick, rowCache, cold } = this;
    const into = this.#probed;
    const hash = hashOfKey(of, key);
    if (tick.find(of, key, hash, into) !== -1 || tick.findClosed(of, key, hash, into) !== -1) return false;
    if (rowCache.has(of, key, hash) || (cold.arrived > 0 && cold.find(of, key, hash, into) !== -1)) return false;
    cold.note(of, key, hash);
    return true;
  }

  /**
   * Reads records that were noted on a worker thread. Afterwards lookups find them, until they are forgotten.
   * @throws RocksError.
   */
  async fetch(records: readonly ColdRecord[]): Promise<void> {
    this.cold.arrive(records, await this.database.fetchAsync(packRecords(records), records.length));
  }

  /** Brings the cached records of user keys near, which are about to be read. */
  warm(namespace: Namespace, keys: WarmedKeys): void {
    this.rowCache.warm(namespace, keys, this.slotPrefixed);
  }

  /** As `get`, for a key of which the database has nothing: looks in what is not committed yet only. */
  getWritten(of: number, key: Scratch): boolean {
    const { tick, value } = this;
    const hash = hashOfKey(of, key);
    const inTick = tick.find(of, key, hash, value);
    return (inTick === -1 ? tick.findClosed(of, key, hash, value) : inTick) === 1;
  }

  /**
   * Entries of a range with the open tick laid over them; to be closed by the caller, within the command. Waits for the
   * commit under way when that wrote in the range or its collection: two layers are merged, not three.
   */
  iterate(of: number, range: IterateRange): EntryIterator {
    this.cold.endIfMissed();
    const under = this.#underCommit;
    if (under !== undefined && !under.isWritten && this.tick.closedTouches(of, range)) this.#awaitWrite(under);
    return new EntryIterator(this.database, this.tick, of, range, this.work);
  }

  /** Whether the running command itself has put `key`. */
  isWrittenByCommand(of: number, key: Scratch): boolean {
    return this.tick.isWrittenByCommand(of, key);
  }

  /** Visits the user keys that the running command has written, to be called before the next one begins. */
  visitWrittenKeys(visitor: KeyVisitor): void {
    visitKeysOfCommand(this.tick, this.slotPrefixed, visitor);
  }

  /** Closes the database, dropping the open tick. Safe to call twice. */
  async close(): Promise<void> {
    const database = this.#database;
    if (database !== undefined) this.settle();
    this.#database = undefined;
    this.tick.reset();
    this.rowCache.clear();
    this.cold.spoil();
    await database?.close();
  }

  /**
   * Opens what stands at `path` now; a full sync swaps the directory between `close` and this.
   * @param walStopAt takes back everything after this sequence of a database that exists (OpenOptions of the binding).
   * @throws RocksError; ROCKS_WAL_STOP: it cannot be taken back, nothing was changed.
   */
  async reopen(walStopAt?: number): Promise<void> {
    assert(this.#database === undefined, 'the engine is open already');
    const { path, slotPrefixed, rocksdb } = this.#options;
    const ioRate = this.#ioBytesPerSecond === undefined ? {} : { ioBytesPerSecondMax: this.#ioBytesPerSecond };
    const options = openOptions(path, slotPrefixed, { ...rocksdb, ...ioRate });
    const rewind = walStopAt === undefined ? {} : { walStopAt, createIfMissing: false };
    this.#database = await openDatabase({ ...options, ...rewind });
    this.#sequence = this.#database.latestSequence();
  }

  /** Flushes and compactions write no faster from now on; 0: as fast as they can. */
  setIoRate(bytesPerSecondMax: number): void {
    this.#ioBytesPerSecond = bytesPerSecondMax;
    this.#database?.setIoBytesPerSecond(bytesPerSecondMax);
  }

  #writeOptions(noSlowdown: boolean): WriteOptions {
    return { sync: this.#options.syncWal ?? false, noSlowdown };
  }

  #write(batches: Batches, noSlowdown: boolean): number {
    const { packed, lengths, count } = batches;
    try {
      this.#sequence = this.database.write(packed, lengths, count, this.#writeOptions(noSlowdown));
      return this.#sequence;
    } catch (cause) {
      this.tick.reset();
      this.rowCache.clear();
      this.cold.spoil();
      this.#sequence = this.database.latestSequence();
      throw writeFailure(batches, cause);
    }
  }
}

type Batches = Pick<Commit, 'packed' | 'lengths' | 'count'>;

function assertAlone({ firstSequence, lastSequence }: Commit, sequence: number): void {
  assert(
    sequence === lastSequence,
    `commit of ${firstSequence}..${lastSequence} ended at ${sequence}: somebody else writes`,
  );
}

function writeFailure({ packed, count }: Batches, cause: unknown): OperationError {
  return new OperationError(
    'ENGINE_WRITE_FAILED',
    `the database did not take ${count} batches (${packed.length} bytes): ${messageOf(cause)}`,
    { outcome: isStall(cause) ? 'not-applied' : 'unknown', cause },
  );
}

/** A write stall with `noSlowdown` refuses before the log is touched. */
function isStall(cause: unknown): boolean {
  if (typeof cause !== 'object' || cause === null) return false;
  const { code, written } = cause as { code?: unknown; written?: unknown };
  return code === 'ROCKS_INCOMPLETE' && (written === undefined || written === 0);
}
