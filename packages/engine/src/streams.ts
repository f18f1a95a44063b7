/**
 * Streams: entries in the order of their ids, and behind the number of entries in the metadata record what must not be
 * looked for: the first, last, last generated and highest deleted id (Kvrocks types/redis_stream.cc). Groups of consumers
 * are `StreamGroups`.
 *
 *   entry      ms u64 | seq u64                  fields and values, see stream-entry.ts
 *   the rest   ffffffffffffffff | kind u8 | …    see stream-groups.ts
 *
 * All of it stands in the stream family. No entry may have the highest milliseconds: its key would begin as those of the
 * rest do.
 *
 * A stream without entries exists, so that its last generated id stays; DEL makes it go.
 */
import { OperationError } from '@holdfast/base';
import { Scratch, type Span } from './bytes.ts';
import { Collection } from './collection.ts';
import type { EntryIterator } from './entry-iterator.ts';
import { family } from './families.ts';
import { readU64, typeId } from './metadata-value.ts';
import type { Records } from './records.ts';
import { StreamId, streamIdBytes } from './stream-id.ts';
import type { UserKey } from './stored-key.ts';

/** What every key of the stream family that is no entry begins with. */
export const otherThanEntries: Buffer = Buffer.alloc(8, 0xff);
const endOfEntries: Span = { buffer: otherThanEntries, start: 0, end: otherThanEntries.length };

/** The highest id an entry can have. */
export const highestEntryId: StreamId = StreamId.of(2n ** 64n - 2n, 2n ** 64n - 1n);

/** Five ids, entries added, groups. Old records lack the groups. */
const tailBytes = 96;

const logOfSetId = Buffer.from(`${typeId.stream} XSETID`, 'latin1');

/** Which entries `iterate` shows; both ends included. */
export interface EntryRange {
  readonly from?: StreamId;
  readonly to?: StreamId;
  readonly reverse?: boolean;
  readonly keysOnly?: boolean;
  readonly detached?: boolean;
}

/** Which of the oldest entries go: all but the newest `keep`, or those before `minId`; at most `limit`. */
export interface Trim {
  readonly keep?: number;
  readonly minId?: StreamId;
  readonly limit: number;
}

export class Streams extends Collection {
  /** The highest id ever given, or set by XSETID. */
  readonly lastGenerated: StreamId = new StreamId();
  /** First entry as XINFO tells it; 0-0 without entries, as the two after it. */
  readonly recordedFirst: StreamId = new StreamId();
  readonly maxDeleted: StreamId = new StreamId();
  readonly first: StreamId = new StreamId();
  readonly last: StreamId = new StreamId();
  /** Number of groups. */
  groups = 0;
  #addedHigh = 0;
  #addedLow = 0;
  #isFirstGone = false;
  #isLastGone = false;
  #setsIds = false;
  /** The open stream has been stored before. */
  #hasIds = false;
  readonly #tail = new Scratch(tailBytes);
  readonly #bound = new Scratch(2 * streamIdBytes);

  constructor(records: Records) {
    super(records, typeId.stream);
  }

  /** Entries ever added, a u64. */
  get entriesAdded(): bigint {
    return (BigInt(this.#addedHigh) << 32n) | BigInt(this.#addedLow);
  }

  set entriesAdded(count: bigint) {
    this.#addedHigh = Number(count >> 32n);
    this.#addedLow = Number(count & 0xffffffffn);
  }

  protected override enter(key: UserKey): void {
    this.#isFirstGone = this.#isLastGone = this.#setsIds = this.#hasIds = false;
    super.enter(key);
    // A stream just begun.
    if (!this.#hasIds) this.#clearIds();
  }

  /** Reads what it means, and keeps no copy: `saveStream` writes all of it anew. */
  protected override enterTail(buffer: Buffer, start: number, end: number): void {
    if (end - start < tailBytes - 8) {
      const message = `the metadata record of a stream has only ${end - start} bytes behind its size`;
      throw new OperationError('ENGINE_RECORD_CORRUPT', message, { outcome: 'not-applied' });
    }
    this.lastGenerated.read(buffer, start);
    this.recordedFirst.read(buffer, start + 16);
    this.maxDeleted.read(buffer, start + 32);
    this.first.read(buffer, start + 48);
    this.last.read(buffer, start + 64);
    this.#addedHigh = buffer.readUInt32BE(start + 80);
    this.#addedLow = buffer.readUInt32BE(start + 84);
    this.groups = end - start < tailBytes ? 0 : readU64(buffer, start + 88);
    this.#hasIds = true;
  }

  #clearIds(): void {
    this.lastGenerated.clear();
    this.recordedFirst.clear();
    this.maxDeleted.clear();
    this.first.clear();
    this.last.clear();
    this.#addedHigh = this.#addedLow = this.groups = 0;
  }

  /** Writes the metadata record; nothing else of this class does. */
  saveStream(key: UserKey): void {
    const tail = this.#tail;
    tail.reset();
    this.lastGenerated.write(tail);
    this.recordedFirst.write(tail);
    this.maxDeleted.write(tail);
    this.first.write(tail);
    this.last.write(tail);
    tail.u64Halves(this.#addedHigh, this.#addedLow);
    tail.u64(this.groups);
    this.tail = tail.view();
    this.save(key, true);
  }

  /** As `saveStream`, saying in the log that ids were set: how Kvrocks' slot migration knows to send them. */
  saveIds(key: UserKey): void {
    this.#setsIds = true;
    this.saveStream(key);
  }

  protected override writeLog(): void {
    if (this.#setsIds) this.records.engine.tick.logData(logOfSetId);
    else super.writeLog();
  }

  /** Adds an entry behind all others; `value` is fields and values by `writeEntryPart`. */
  append(id: StreamId, value: Span): void {
    id.write(this.subkey());
    this.store(value, undefined, family.stream);
    this.lastGenerated.set(id);
    this.last.set(id);
    if (this.size === 0) {
      this.first.set(id);
      this.recordedFirst.set(id);
    }
    this.size++;
    this.#countAdded();
  }

  /** Makes `id` the last one given without keeping an entry: XADD with MAXLEN 0. */
  appendNothing(id: StreamId): void {
    this.lastGenerated.set(id);
    this.#countAdded();
  }

  #countAdded(): void {
    this.#addedLow = (this.#addedLow + 1) >>> 0;
    if (this.#addedLow === 0) this.#addedHigh++;
  }

  /** Reads an entry into `value`. @returns whether it exists. */
  fetchEntry(id: StreamId): boolean {
    id.write(this.subkey());
    return this.fetch(family.stream);
  }

  /** Deletes an entry if there is one; `settleEdges` is to follow. @returns whether there was one. */
  removeEntry(id: StreamId): boolean {
    if (!this.fetchEntry(id)) return false;
    this.erase(family.stream);
    this.size--;
    if (id.compare(this.maxDeleted) > 0) this.maxDeleted.set(id);
    if (id.compare(this.first) === 0) this.#isFirstGone = true;
    if (id.compare(this.last) === 0) this.#isLastGone = true;
    return true;
  }

  /** Finds first and last entry anew where they were removed. */
  settleEdges(): void {
    const isEmpty = this.size === 0;
    if (isEmpty || this.#isLastGone) this.#edge({ to: this.last, reverse: true }, this.last);
    if (isEmpty || this.#isFirstGone) {
      this.#edge({ from: this.first }, this.first);
      this.recordedFirst.set(this.first);
    }
    this.#isFirstGone = this.#isLastGone = false;
  }

  /** Reads the id of the entry that `range` begins with; from the old edge on, so as not to pass what was deleted before. */
  #edge(range: EntryRange, into: StreamId): void {
    if (this.size === 0) return into.clear();
    const entries = this.iterateEntries({ ...range, keysOnly: true });
    try {
      if (entries.next()) this.readId(entries, into);
      else into.clear();
    } finally {
      entries.close();
    }
  }

  /** Deletes the oldest entries. @returns how many. */
  trim({ keep, minId, limit }: Trim): number {
    const excess = keep === undefined ? this.size : this.size - keep;
    const most = Math.min(excess, limit);
    if (most <= 0 || (minId !== undefined && this.first.compare(minId) >= 0)) return 0;
    const entries = this.iterateEntries({ keysOnly: true });
    const id = new StreamId();
    let count = 0;
    try {
      let isThere = entries.next();
      for (; isThere && count < most; isThere = entries.next(), count++) {
        this.readId(entries, id);
        if (minId !== undefined && id.compare(minId) >= 0) break;
        id.write(this.subkey());
        this.erase(family.stream);
      }
      this.size = isThere ? Math.max(this.size - count, 1) : 0;
      if (isThere) this.readId(entries, this.first);
      else this.first.clear();
    } finally {
      entries.close();
    }
    this.recordedFirst.set(this.first);
    if (this.size === 0) this.last.clear();
    return count;
  }

  /**
   * Entries in the order of their ids; to be closed by the caller. Begins at the first entry at the earliest: in front of it
   * may stand any number of deleted ones, which compaction has yet to remove.
   */
  iterateEntries({ from, to, ...how }: EntryRange = {}): EntryIterator {
    const isInside = from !== undefined && from.compare(this.first) > 0;
    const isBehind = from !== undefined && from.compare(highestEntryId) > 0;
    const lower = isBehind ? endOfEntries : this.#spanOf(isInside ? from : this.first, 0);
    let upper = endOfEntries;
    if (to !== undefined && to.compare(highestEntryId) < 0) {
      const after = to.copy();
      after.increment();
      upper = this.#spanOf(after, streamIdBytes);
    }
    return this.iterate({ ...how, from: lower, to: upper, of: family.stream });
  }

  #spanOf(id: StreamId, at: number): Span {
    const bound = this.#bound;
    bound.end = at;
    id.write(bound);
    return { buffer: bound.buffer, start: at, end: bound.end };
  }

  /** Reads the id of the current entry of `iterateEntries`. */
  readId({ key }: EntryIterator, into: StreamId): void {
    into.read(key.buffer, key.start + this.prefixLength);
  }
}
