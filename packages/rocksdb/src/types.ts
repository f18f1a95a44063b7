/**
 * The face of the binding: what a Database offers and what it promises. Nothing here knows Redis but how a bulk string is
 * framed (`consecutiveFrames`); the only policy in the native code are the two compaction filters, which are told at open what
 * a key looks like.
 *
 * Batches are RocksDB's own WriteBatch bytes (docs/formats/write-batch.md): fixed64 sequence, fixed32 count, records.
 * The binding walks every batch before RocksDB sees it, because Debian's library has assertions on and would abort.
 *
 * Sequence numbers are safe integers (below 2^53); one that is not throws rather than being rounded.
 */

/** What went wrong, stable. NOT_FOUND is never an error of `get`: absence is an answer. */
export type RocksErrorCode =
  | 'ROCKS_CLOSED'
  | 'ROCKS_ARGUMENT'
  | 'ROCKS_CORRUPTION'
  | 'ROCKS_IO'
  | 'ROCKS_NO_SPACE'
  | 'ROCKS_LOCKED'
  | 'ROCKS_BUSY'
  | 'ROCKS_INCOMPLETE'
  | 'ROCKS_WAL_GONE'
  | 'ROCKS_WAL_STOP'
  | 'ROCKS_OTHER';

export interface ColumnFamilyOptions {
  readonly name: string;
  /** Which compaction filter, if any, removes dead records of this family; see `KeyLayout`. */
  readonly filter: 'none' | 'expired-metadata' | 'orphaned-subkeys' | 'drop-all' | { readonly dropKey: string };
  /** RocksDB option string pairs, as accepted by GetColumnFamilyOptionsFromMap, e.g. write_buffer_size. */
  readonly options?: Readonly<Record<string, string>>;
  /** Block-based table options pairs, as accepted by GetBlockBasedTableOptionsFromMap. */
  readonly table?: Readonly<Record<string, string>>;
}

export interface OpenOptions {
  /** Directory of the database. Its parent must exist. */
  readonly path: string;
  readonly createIfMissing: boolean;
  /**
   * Families in id order; the first is `default`. Missing ones are created in this order. A family that exists on disk
   * but is not listed is opened as well, after these, so that a newer release's directory still opens.
   */
  readonly columnFamilies: readonly ColumnFamilyOptions[];
  /** DBOptions pairs, as accepted by GetDBOptionsFromMap, e.g. WAL_ttl_seconds. */
  readonly options?: Readonly<Record<string, string>>;
  /** One block cache, shared by all families, in bytes; 0 is RocksDB's default (32 MiB here). */
  readonly blockCacheBytes: number;
  /** Flushes and compactions write no faster than so many bytes per second; 0, or absent: as fast as they can. */
  readonly ioBytesPerSecondMax?: number;
  /** RocksDB keeps the rate as low, to a twentieth, as what is to be written allows. Default false. */
  readonly ioRateTuned?: boolean;
  /** Whether stored keys carry the slot id (cluster mode): the compaction filters must find the user key. */
  readonly slotPrefixed: boolean;
  /**
   * Rewinds an existing database first: batches after this sequence are dropped, what stays is flushed, and the WAL and its
   * archive are deleted, so that neither a later open nor a tail meets a dropped batch. `latestSequence()` then is this.
   * Refused with ROCKS_WAL_STOP, nothing being changed, when something after it is in a file already (also one that
   * was compacted since), when it lies within a batch, or when the history does not reach it. Durable when it resolves;
   * after a crash in between the same open is to be repeated before any other.
   */
  readonly walStopAt?: number;
}

export interface WriteOptions {
  /** fsync the WAL before returning. */
  readonly sync: boolean;
  /** Fail with ROCKS_INCOMPLETE instead of waiting in a write stall. */
  readonly noSlowdown: boolean;
  /** Skip the WAL (bulk loads only). */
  readonly disableWal?: boolean;
}

/** A range of keys in unsigned byte order: from `gte` to before `lt`; an absent bound is open. */
export interface RangeOptions {
  readonly gte?: Uint8Array;
  readonly lt?: Uint8Array;
  readonly reverse?: boolean;
  /** Leave values out of the blocks (their length is 0). */
  readonly keysOnly?: boolean;
  /** Read as of this snapshot instead of now. */
  readonly snapshot?: Snapshot;
  /** False for long scans that should not push hot blocks out of the cache. Default true. */
  readonly fillCache?: boolean;
}

/**
 * Entries in a packed block: for each entry u32 key length, u32 value length (little-endian), key bytes, value bytes.
 * The block belongs to the caller.
 */
export interface EntryBlock {
  readonly bytes: Buffer;
  readonly count: number;
  /** True when the range is exhausted: no further block will come. */
  readonly done: boolean;
}

export interface BlockIterator {
  /** The next at most `maxEntries` entries and about `maxBytes` bytes (at least one entry when there is one). */
  next(maxEntries: number, maxBytes: number): EntryBlock;
  /** Moves to the first entry at or after `key` in iteration order, within the range. */
  seek(key: Uint8Array): void;
  /** Frees the native iterator; safe to call twice. */
  close(): void;
}

/** A point in time to read at. Compaction filters ignore it: what was dead, or dies meanwhile, may be missing. */
export interface Snapshot {
  /** The sequence this snapshot shows. */
  readonly sequence: number;
  release(): void;
}

/** Raw batches from the WAL, oldest first. */
export interface WalBlock {
  /** For each batch u32 length (little-endian) and the batch's bytes, whose header carries its first sequence. */
  readonly bytes: Buffer;
  readonly count: number;
}

export interface WalTail {
  /**
   * Batches after what was returned before, at most about `maxBytes` (at least one when there is one). `count` 0
   * means: nothing new now; call again after the next write.
   * @throws RocksError ROCKS_WAL_GONE when the log skips or no longer holds what comes next.
   */
  next(maxBytes: number): WalBlock;
  /** As `next`, on a worker thread. Until it is settled both refuse with ROCKS_BUSY; `close` may be called. */
  nextAsync(maxBytes: number): Promise<WalBlock>;
  close(): void;
}

/** A file of the WAL that holds at least one batch. */
export interface WalFile {
  readonly name: string;
  /** Kept for tails only (WAL_ttl_seconds, WAL_size_limit_MB): what it holds has been flushed. */
  readonly archived: boolean;
  readonly startSequence: number;
  readonly sizeBytes: number;
}

export interface LiveFile {
  readonly name: string;
  readonly columnFamily: string;
  readonly level: number;
  readonly sizeBytes: number;
  readonly smallestSequence: number;
  readonly largestSequence: number;
}

/** How much of a file is dead, as it was counted when the file was written. */
export interface FileStatistics {
  readonly name: string;
  /** Unix time; 0 when nobody knows. */
  readonly createdAtSeconds: number;
  readonly entries: number;
  /** Tombstones, and keys of the metadata that had expired; not sub keys whose key is gone. */
  readonly deadEntries: number;
  readonly smallestKey: Buffer;
  readonly largestKey: Buffer;
}

export interface Database {
  readonly path: string;
  /** Names by id, in the order of the ids. */
  readonly columnFamilies: readonly string[];
  /** Sequence of the last counted record written; 0 in an empty database. */
  latestSequence(): number;
  /**
   * Looks one key up and copies its value to the start of `into`.
   * @returns the value's length; -1 when absent; when the length is larger than `into`, nothing was copied and the
   *   caller tries again with a larger buffer.
   */
  get(family: number, key: Uint8Array, into: Uint8Array, snapshot?: Snapshot): number;
  /**
   * As `get`, but only from memtables and block cache: never waits for the disk.
   * @returns as `get`; -2 when the answer is not in memory.
   */
  getCached(family: number, key: Uint8Array, into: Uint8Array): number;
  /** As `getCached`, but also from what the kernel has of the files in memory, where it tells (preadv2, RWF_NOWAIT). */
  getWithoutWaiting(family: number, key: Uint8Array, into: Uint8Array): number;
  /**
   * Many lookups in one call. `packed`: for each key u32 family, u32 length (little-endian), key bytes.
   * @returns for each key i32 length (little-endian; -1 absent), then the value's bytes.
   */
  multiGet(packed: Uint8Array, count: number): Buffer;
  /** As `multiGet`, on a worker thread. */
  multiGetAsync(packed: Uint8Array, count: number): Promise<Buffer>;
  /**
   * As `multiGetAsync`, but a value of more than 64 KiB has length -2 and no bytes: what many lookups bring together stays
   * within a few MiB. `getCached` finds them afterwards, as long as the block cache keeps them.
   */
  fetchAsync(packed: Uint8Array, count: number): Promise<Buffer>;
  /**
   * Values of up to `count` keys that follow each other by the number, eight bytes big-endian, at their end, from `first` on. They
   * are written to `into` as bulk strings of RESP, `$<length>\r\n<value>\r\n`, one after the other, behind a table of `count + 1` offsets
   * (u32, little-endian, from the beginning of `into`): where each begins, and where the last one ends.
   * @param waits false: nothing is read that the kernel would have to read from the disk.
   * @returns how many: fewer than `count` when the next key is not there, or when its value has no room left in `into`; -2 when it would
   *   have had to wait.
   */
  consecutiveFrames(family: number, first: Uint8Array, count: number, into: Uint8Array, waits: boolean): number;
  /**
   * Writes batches in order in one call: `packed` holds them one after the other, `lengths[i]` bytes each. Each batch
   * is atomic; they are not atomic together. The sequence in their headers is ignored. Waits for every `writeAsync`
   * before it. With `sync` one fsync covers all of the call.
   * @returns the latest sequence after the last batch.
   * @throws RocksError; `written` on it tells how many batches were written before the failure.
   */
  write(packed: Uint8Array, lengths: Uint32Array, count: number, options: WriteOptions): number;
  /** As `write`, on a worker thread, in the order of the calls; `packed` and `lengths` are copied before it returns. */
  writeAsync(packed: Uint8Array, lengths: Uint32Array, count: number, options: WriteOptions): Promise<number>;
  iterate(family: number, range: RangeOptions): BlockIterator;
  /**
   * The first entries of a range from `gte` to before `lt`, in one call that makes no object: written to `into` as to a block
   * (EntryBlock), at most `maxEntries`, and as far as there is room.
   * @param keysOnly as in RangeOptions.
   * @returns how many, when there are no others; when there are more, -1 less as many: -1 for none of some.
   */
  scan(
    family: number,
    gte: Uint8Array,
    lt: Uint8Array,
    maxEntries: number,
    reverse: boolean,
    keysOnly: boolean,
    into: Uint8Array,
  ): number;
  snapshot(): Snapshot;
  /**
   * Follows the WAL from the batch that starts at `fromSequence`.
   * @throws RocksError ROCKS_WAL_GONE when no batch starts exactly there (`latestSequence() + 1` is fine).
   */
  walTail(fromSequence: number): WalTail;
  /** As `walTail`, on a worker thread: to begin within a log file RocksDB reads it from its start. */
  walTailAsync(fromSequence: number): Promise<WalTail>;
  /** Files of the WAL, oldest first: where it begins, and how much of it there is. */
  walFiles(): Promise<readonly WalFile[]>;
  /** Makes everything written so far durable (fsync of the WAL). */
  syncWal(): void;
  syncWalAsync(): Promise<void>;
  /** Hard-linked copy of the database in `path`, which must not exist. Resolves to the sequence it holds. */
  checkpoint(path: string): Promise<number>;
  /** Writes memtables to files and waits. */
  flush(): Promise<void>;
  /** Compacts a range of a family (all of it when the range is open), dropping what the filters drop. */
  compact(family: number, range?: { gte?: Uint8Array; lt?: Uint8Array }): Promise<void>;
  /** The live SST files of a family, in no order. Reads the properties of files that are not open, on a worker thread. */
  fileStatistics(family: number): Promise<readonly FileStatistics[]>;
  /** A RocksDB property such as `rocksdb.estimate-num-keys`; undefined when RocksDB does not know it. */
  property(family: number, name: string): string | undefined;
  /** A RocksDB property that has entries, such as `rocksdb.cfstats`; undefined when RocksDB does not know it. */
  mapProperty(family: number, name: string): Readonly<Record<string, string>> | undefined;
  /** Flushes and compactions that have ended since the database was opened. */
  endedWork(): { readonly flushes: number; readonly compactions: number };
  /** As `ioBytesPerSecondMax`, from now on. */
  setIoBytesPerSecond(bytesPerSecond: number): void;
  /** Drops every block from the cache that is not being read. */
  flushBlockCache(): void;
  /**
   * Largest sequence that any live SST file admits to (0 when there is none). A rewind below it is impossible; one that is
   * not below it may be, too: a compaction to the last level writes sequence 0. Only `walStopAt` knows.
   */
  largestFlushedSequence(): number;
  /** The live SST files; sequences as in `largestFlushedSequence`. */
  liveFiles(): readonly LiveFile[];
  /** Closes iterators, tails and snapshots, waits for work under way, then the database. Safe to call twice. */
  close(): Promise<void>;
}

/** The RocksDB that is loaded. */
export interface BuildInfo {
  /** e.g. `7.8.3` */
  readonly version: string;
  /** Built with assertions: misuse would end the process. */
  readonly assertions: boolean;
  /** Built with the counters of threads: without them `blockReads` is 0 and profiles are empty. */
  readonly threadCounters: boolean;
}

/**
 * Blocks that reads have found in the block cache (`hits`, which those of index and filter are part of), and blocks that
 * they have read from files (`misses`).
 */
export interface BlockReads {
  readonly hits: number;
  readonly indexHits: number;
  readonly filterHits: number;
  readonly misses: number;
  readonly indexMisses: number;
  readonly filterMisses: number;
}

/** RocksDB's counters of a thread that are not 0, as text: `name = value, ...`; times are in ns. */
export interface ThreadProfile {
  /** PerfContext */
  readonly reads: string;
  /** IOStatsContext */
  readonly files: string;
}

export interface RocksdbModule {
  /** Opens a database on a worker thread. @throws RocksError, e.g. ROCKS_LOCKED, ROCKS_CORRUPTION. */
  open(options: OpenOptions): Promise<Database>;
  buildInfo(): BuildInfo;
  /** By all databases of this environment since its start: on its own thread, and by jobs that have ended. */
  blockReads(): BlockReads;
  /**
   * Copies `from` without what lies between each begin and end in `gaps` (by turns, ascending) to the beginning of `into`, which is as
   * long as `from` at least. @returns how many bytes. @throws RocksError ROCKS_ARGUMENT.
   */
  copyWithout(from: Uint8Array, gaps: Uint32Array, into: Uint8Array): number;
  /** From now on RocksDB counts and times what this thread does, from 0. Costs on every operation. */
  beginProfile(): void;
  /** Ends what `beginProfile` began. */
  endProfile(): ThreadProfile;
  /** Removes a database directory's files that RocksDB knows of. */
  destroy(path: string): Promise<void>;
}
