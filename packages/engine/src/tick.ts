/**
 * The open tick: the batches being built and the overlay over them, kept in step. Commands write here; nothing reaches
 * RocksDB before the tick is committed, so a command, a transaction or the whole tick can be taken back.
 *
 * Behind it may stand one closed tick, whose batches a worker is writing: the next tick runs meanwhile and sees it through
 * the overlay that it had (`findClosed`), so that it makes no difference when the write arrives.
 *
 * A stock replica looks only at the last put of a batch, and reacts if it is in the pubsub or propagate family, so a put to
 * one of them ends its batch: when the next command begins, never inside a transaction, whose writes are one WAL record. It
 * would react to one in the stream family too, but what adds an entry puts the metadata last, there as here.
 */
import { assert } from '@holdfast/base';
import { BatchBuilder, type BuilderMark } from './batch-builder.ts';
import type { Scratch, Span, Window } from './bytes.ts';
import { family } from './families.ts';
import { hashOfKey } from './key-hash.ts';
import { Overlay } from './overlay.ts';
import { OverlayEntries } from './written-entries.ts';

/** A tick that takes no more writes and is not in the database yet. */
interface ClosedTick {
  readonly overlay: Overlay;
  /** Its batches; where the overlay's entries point. */
  readonly buffer: Buffer;
}

interface Savepoint {
  readonly builder: BuilderMark;
  entries: number;
  ranges: number;
  splitPending: boolean;
  isPlain: boolean;
}

function savepoint(): Savepoint {
  return {
    builder: { length: 0, batchStart: -1, count: 0, closed: 0, total: 0 },
    entries: 0,
    ranges: 0,
    splitPending: false,
    isPlain: false,
  };
}

const noSpan: Span = { buffer: Buffer.alloc(0), start: 0, end: 0 };

const zero = 48;
const space = 32;

/**
 * Whether a mark says no more than what type follows and, of lists, which command. To others a reader of the log may owe
 * more than the state at the end of the batch: EXPIRE (`0 8`) is how it hears of a new expiry, XSETID of the ids.
 */
function isPlainMark(mark: Uint8Array): boolean {
  return mark[0] !== zero && (mark.length === 1 || (mark.length === 3 && mark[1] === space));
}

/** Families whose puts end a batch. */
function endsBatch(of: number): boolean {
  return of === family.pubsub || of === family.propagate;
}

export class Tick {
  replicationId: string | undefined;
  readonly builder: BatchBuilder = new BatchBuilder();
  /** What the tick has written, for iterators. */
  readonly written: OverlayEntries = new OverlayEntries(this, this.builder);
  #overlay: Overlay = new Overlay();
  #spareOverlay: Overlay | undefined;
  #closed: ClosedTick | undefined;
  readonly #batchBytesMax: number;
  #command = savepoint();
  #atomic = savepoint();
  #isAtomic = false;
  #splitPending = false;
  /** The last mark of the open batch is a plain one. */
  #isPlain = false;

  constructor(batchBytesMax: number) {
    this.#batchBytesMax = batchBytesMax;
  }

  /** What the open tick has written. */
  get overlay(): Overlay {
    return this.#overlay;
  }

  /** Counted records written so far, as far as they are to be written: `Overlay.supersede`. */
  get records(): number {
    return this.builder.total;
  }

  get isAtomic(): boolean {
    return this.#isAtomic;
  }

  /** Entries of the overlay when the running command began: what it wrote itself has this index or a higher one. */
  get commandEntries(): number {
    return this.#command.entries;
  }

  /** Delete ranges when the running command began. */
  get commandRanges(): number {
    return this.#command.ranges;
  }

  beginCommand(): void {
    if (!this.#isAtomic) this.#splitIfDue();
    this.#save(this.#command);
  }

  rollbackCommand(): void {
    this.#restore(this.#command);
  }

  beginAtomic(): void {
    assert(!this.#isAtomic, 'transactions do not nest');
    this.#splitIfDue();
    this.#save(this.#atomic);
    this.#isAtomic = true;
  }

  endAtomic(): void {
    assert(this.#isAtomic, 'no transaction is open');
    this.#isAtomic = false;
    this.#save(this.#command);
  }

  rollbackAtomic(): void {
    assert(this.#isAtomic, 'no transaction is open');
    this.#isAtomic = false;
    this.#restore(this.#atomic);
    this.#save(this.#command);
  }

  /** Closes the last batch. */
  close(): void {
    assert(!this.#isAtomic, 'the tick may not end inside a transaction');
    this.builder.close(this.replicationId);
  }

  /** Forgets everything, an open transaction included. */
  reset(): void {
    this.builder.reset();
    this.clearOverlay();
  }

  /** The batches were taken and are being written: the next tick begins, and sees them. */
  keepClosed(buffer: Buffer): void {
    assert(this.#closed === undefined, 'one tick is written at a time');
    this.#closed = { overlay: this.#overlay, buffer };
    this.#overlay = this.#spareOverlay ?? new Overlay();
    this.#spareOverlay = undefined;
    this.clearOverlay();
  }

  /** What was closed is in the database now, or will never be. */
  forgetClosed(): void {
    this.#closed?.overlay.reset();
    this.#spareOverlay = this.#closed?.overlay ?? this.#spareOverlay;
    this.#closed = undefined;
  }

  /** As `find`, in the closed tick that is being written. */
  findClosed(of: number, key: Span, hash: number, into: Window): 1 | 0 | -1 {
    const closed = this.#closed;
    return closed === undefined ? -1 : closed.overlay.read(closed.buffer, of, key, hash, into);
  }

  /** Whether the closed tick wrote something in a range, or in the collection whose keys begin with `group`. */
  closedTouches(of: number, range: { readonly gte?: Buffer; readonly lt?: Buffer; readonly group?: Buffer }): boolean {
    if (this.#closed === undefined) return false;
    const { overlay, buffer } = this.#closed;
    return overlay.touches(buffer, of, { gte: range.gte, lt: range.lt }, range.group);
  }

  /** Whether the open tick may have put something in a range of a collection: `Overlay.mayHavePut`. */
  mayHavePut(of: number, hash: number, gte: Buffer, lt: Buffer): boolean {
    return this.#overlay.mayHavePut(this.builder.buffer, of, hash, { gte, lt });
  }

  /** As `mayHavePut`, of the closed tick that is being written. */
  mayHavePutClosed(of: number, hash: number, gte: Buffer, lt: Buffer): boolean {
    const closed = this.#closed;
    return closed !== undefined && closed.overlay.mayHavePut(closed.buffer, of, hash, { gte, lt });
  }

  /** The open tick has written nothing. */
  get isUntouched(): boolean {
    return this.#overlay.count === 0 && this.#overlay.rangeCount === 0;
  }

  /** Whether something that is not in the database yet has, or deletes, a key. */
  knows(of: number, key: Span, hash: number, into: Window): boolean {
    return this.find(of, key, hash, into) !== -1 || this.findClosed(of, key, hash, into) !== -1;
  }

  /** After the batches were taken: what was read from them is in the database now. */
  clearOverlay(): void {
    this.#overlay.reset();
    this.#isAtomic = false;
    this.#splitPending = this.#isPlain = false;
    this.#save(this.#command);
  }

  /** What the records that follow belong to, e.g. `1` for a string: read by migration from the WAL. */
  logData(blob: Uint8Array): void {
    this.builder.logData(blob);
    this.#isPlain = isPlainMark(blob);
  }

  /** @param groupLength how many bytes of `key` its whole collection shares; 0 for none. */
  put(of: number, key: Scratch, head: Span, body: Span = noSpan, groupLength = 0): void {
    this.builder.put(of, key, head, body);
    this.#overlay.add(of, this.builder, hashOfKey(of, key), groupLength);
    if (of === family.metadata) this.#supersede(this.#isPlain);
    else if (endsBatch(of)) this.#splitPending = true;
  }

  delete(of: number, key: Scratch, groupLength = 0): void {
    this.builder.delete(of, key);
    this.#overlay.add(of, this.builder, hashOfKey(of, key), groupLength);
    if (of === family.metadata) this.#supersede(false);
  }

  /**
   * Commands on one key within a tick write its metadata record again and again, and in one batch the last of them counts:
   * older ones are left out of it. Not those of elements: who reads the log by commands owes each of them something.
   */
  #supersede(mayBeLeftOut: boolean): void {
    const { builder } = this;
    if (this.#overlay.supersede(builder.buffer, builder.batchStart, mayBeLeftOut)) builder.leaveOut();
  }

  /** Deletes from `begin` to before `end`. An empty range writes nothing: RocksDB counts it only sometimes. */
  deleteRange(of: number, begin: Uint8Array, end: Uint8Array): void {
    if (Buffer.compare(begin, end) >= 0) return;
    this.builder.deleteRange(of, begin, end);
    this.#overlay.addRange(of, begin, end);
  }

  /** As `put`, for records that must each be the last of a batch also when no command begins in between. */
  putAlone(of: number, key: Scratch, value: Span): void {
    if (!this.#isAtomic) this.#splitIfDue();
    this.put(of, key, value);
  }

  /**
   * Looks for a key among what the tick wrote.
   * @param hash of the key, as `hashOfKey` has it.
   * @returns 1 and the value in `into`; 0 when the tick deleted it; -1 when only the database can tell.
   */
  find(of: number, key: Span, hash: number, into: Window): 1 | 0 | -1 {
    return this.#overlay.read(this.builder.buffer, of, key, hash, into);
  }

  /** Whether the running command has put `key` already. */
  isWrittenByCommand(of: number, key: Scratch): boolean {
    if (this.#overlay.count === this.#command.entries) return false;
    return this.#overlay.find(this.builder.buffer, of, key, hashOfKey(of, key)) >= this.#command.entries;
  }

  #splitIfDue(): void {
    if (!this.#splitPending && this.builder.openBytes < this.#batchBytesMax) return;
    this.builder.close(this.replicationId);
    this.#splitPending = this.#isPlain = false;
  }

  #save(to: Savepoint): void {
    this.builder.mark(to.builder);
    to.entries = this.#overlay.count;
    to.ranges = this.#overlay.rangeCount;
    to.splitPending = this.#splitPending;
    to.isPlain = this.#isPlain;
  }

  #restore(from: Savepoint): void {
    this.builder.truncate(from.builder);
    this.#overlay.truncate(from.entries, from.ranges);
    this.#splitPending = from.splitPending;
    this.#isPlain = from.isPlain;
  }
}
