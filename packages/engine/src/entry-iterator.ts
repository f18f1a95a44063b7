/**
 * Entries of a range in key order, the open tick laid over the database: a merge of two sorted runs. The database's run
 * is read in packed blocks, so memory is bounded whatever the range holds; the tick's run is a sorted list of entries.
 *
 * Shows what was there when it was made: later writes of the same command are not seen. Lives within one command
 * (its entries stand in the tick's buffer) unless it is detached: then it copies what the tick wrote in its range and may
 * go on for as long as the database stays open, while later ticks commit. Must be closed.
 */
import type { BlockIterator, Database, EntryBlock } from '@holdfast/rocksdb';
import { Window } from './bytes.ts';
import { endsWithin, isWithin, type GroupOrder } from './group-order.ts';
import { giveScanBlock, takeScanBlock } from './scan-blocks.ts';
import { FrozenEntries, type WrittenEntries } from './written-entries.ts';
import type { Tick } from './tick.ts';

export interface IterateRange {
  /** First key, included. */
  readonly gte?: Buffer;
  /** End, not included. */
  readonly lt?: Buffer;
  readonly reverse?: boolean;
  /** Leaves values out. */
  readonly keysOnly?: boolean;
  /** Set when the range lies within one collection: the bytes all its keys share. */
  readonly group?: Buffer;
  /** False for scans over many keys, which should not push hot blocks out of the cache. */
  readonly fillCache?: boolean;
  /** May go on after the command that made it. */
  readonly detached?: boolean;
  /**
   * About so many entries are wanted, and what is wanted of each is copied before the next call: what they stand in is used
   * again by others. Without it, entries may be kept as long as the tick is.
   */
  readonly passing?: number;
}

/** Lookups, iterations begun, and entries of the database that iterations read, forwards and backwards. */
export interface ReadWork {
  gets: number;
  seeks: number;
  nexts: number;
  prevs: number;
}

/** Blocks grow while an iteration goes on: the first answers HGETALL of a small hash, the later ones feed long scans. */
const firstBlock = { entries: 64, bytes: 16 << 10 };
/** Entries that are read at once for those who pass them on. */
const passingMax = 512;
const laterBlock = { entries: 512, bytes: 256 << 10 };

/** The part of a range of which the database may show something. */
function unhiddenPart(range: IterateRange, order: GroupOrder | undefined): Pick<IterateRange, 'gte' | 'lt'> {
  const { gte, lt } = range;
  if (order === undefined || gte === undefined || lt === undefined) return range;
  const { hidden, hiddenEnd } = order;
  const from = hidden !== undefined && isWithin(gte, hidden) ? hidden.to : gte;
  const to = hiddenEnd !== undefined && endsWithin(lt, hiddenEnd) ? hiddenEnd.from : lt;
  return from.compare(to) < 0 ? { gte: from, lt: to } : { gte: lt, lt };
}

/** The smallest key that is greater. */
function keyAfter(key: Window): Buffer {
  const after = Buffer.alloc(key.length + 1);
  key.view().copy(after);
  return after;
}

export class EntryIterator {
  /** The current entry; valid until the next call. */
  readonly key: Window = new Window();
  readonly value: Window = new Window();
  readonly #source: WrittenEntries;
  readonly #family: number;
  /** Entries of `#source` in key order. */
  readonly #written: readonly number[];
  readonly #reverse: boolean;
  /** How the database is read once the first block, if that came without it, is used up. */
  #native: BlockIterator | undefined;
  readonly #database: Database;
  #options: IterateRange;
  /** Memory that goes back when this ends. */
  #lent: Buffer | undefined;
  readonly #work: ReadWork | undefined;
  #at = 0;
  #block: EntryBlock | undefined;
  #offset = 0;
  #left = 0;
  /** The database's next entry, when there is one. */
  readonly #storedKey = new Window();
  readonly #storedValue = new Window();
  #hasStored = false;
  /** Told where the first entry of the database was found; undefined once it was, and where nobody keeps an order. */
  #order: GroupOrder | undefined;
  readonly #gte: Buffer | undefined;
  readonly #lt: Buffer | undefined;

  constructor(database: Database, tick: Tick, family: number, range: IterateRange, work?: ReadWork) {
    this.#work = work;
    if (work !== undefined) work.seeks++;
    this.#family = family;
    this.#reverse = range.reverse ?? false;
    const written =
      tick.overlay.count === 0
        ? []
        : tick.overlay.collect(tick.builder.buffer, family, { gte: range.gte, lt: range.lt }, range.group);
    if (this.#reverse) written.reverse();
    const isDetached = range.detached ?? false;
    this.#source = isDetached ? new FrozenEntries(tick.written, written, family) : tick.written;
    this.#written = isDetached ? written.map((_, index) => index) : written;
    this.#gte = range.gte;
    this.#lt = range.lt;
    const order = range.group === undefined ? undefined : tick.overlay.orderOf(family, range.group);
    const shown = unhiddenPart(range, order);
    // What a detached one finds later says nothing about the tick of then.
    this.#order = isDetached ? undefined : order;
    this.#database = database;
    this.#options = shown === range ? range : { ...range, ...shown };
    if (range.passing !== undefined && !isDetached) this.#scan(range.passing);
    // What is detached shows the database of now.
    else this.#native = this.#iterate();
    this.#nextStored();
  }

  /** Moves to the next entry. @returns false at the end. */
  next(): boolean {
    for (;;) {
      const written = this.#written[this.#at];
      if (written === undefined) return this.#takeStored();
      const order = this.#hasStored ? this.#compare(written) : -1;
      if (order > 0) return this.#takeStored();
      this.#at++;
      if (order === 0) this.#nextStored();
      const source = this.#source;
      if (source.valueStart(written) < 0) continue;
      this.key.set(source.buffer, source.keyStart(written), source.keyEnd(written));
      this.value.set(source.buffer, source.valueStart(written), source.valueEnd(written));
      return true;
    }
  }

  close(): void {
    this.#native?.close();
    if (this.#lent !== undefined) giveScanBlock(this.#lent);
    this.#lent = undefined;
  }

  #iterate(): BlockIterator {
    const { gte, lt, keysOnly = false, fillCache = true } = this.#options;
    return this.#database.iterate(this.#family, {
      ...(gte === undefined ? {} : { gte }),
      ...(lt === undefined ? {} : { lt }),
      reverse: this.#reverse,
      keysOnly,
      fillCache,
    });
  }

  /** Reads the first block, of which most have no second, without an iterator of the database. */
  #scan(wanted: number): void {
    const { gte, lt, keysOnly = false } = this.#options;
    if (gte === undefined || lt === undefined) return;
    const bytes = (this.#lent = takeScanBlock());
    // One more: whether there is a next one is known before it is asked for.
    const most = Math.min(passingMax, wanted + 1);
    const found = this.#database.scan(this.#family, gte, lt, most, this.#reverse, keysOnly, bytes);
    const count = found < 0 ? -1 - found : found;
    this.#take({ bytes, count, done: found >= 0 });
  }

  /** The block that follows what was read. */
  #nextBlock(): EntryBlock {
    if (this.#native === undefined) {
      // What a scan has read ends with the entry that was the database's next one.
      if (this.#block !== undefined && this.#block.count > 0) this.#beginBehind();
      this.#native = this.#iterate();
    }
    const size = this.#block === undefined ? firstBlock : laterBlock;
    return this.#native.next(size.entries, size.bytes);
  }

  #beginBehind(): void {
    const last = this.#storedKey;
    if (this.#reverse) this.#options = { ...this.#options, lt: Buffer.from(last.view()) };
    else this.#options = { ...this.#options, gte: keyAfter(last) };
  }

  #take(block: EntryBlock): void {
    this.#block = block;
    this.#left = block.count;
    this.#offset = 0;
    if (this.#work !== undefined) this.#work[this.#reverse ? 'prevs' : 'nexts'] += block.count;
  }

  /** Where a written entry stands to the database's next one, in the direction of the iteration. */
  #compare(written: number): number {
    const source = this.#source;
    const stored = this.#storedKey;
    const order = source.buffer.compare(
      stored.buffer,
      stored.start,
      stored.end,
      source.keyStart(written),
      source.keyEnd(written),
    );
    return this.#reverse ? -order : order;
  }

  /** Everything of the database that comes before its first entry shown is hidden. */
  #tellOrder(order: GroupOrder): void {
    this.#order = undefined;
    const [gte, lt] = [this.#gte, this.#lt];
    if (gte === undefined || lt === undefined) return;
    if (!this.#reverse) order.hides(gte, this.#hasStored ? Buffer.from(this.#storedKey.view()) : lt);
    else if (this.#hasStored) order.hidesEnd(keyAfter(this.#storedKey), lt);
    else order.hidesEnd(gte, lt);
  }

  #takeStored(): boolean {
    if (this.#order !== undefined) this.#tellOrder(this.#order);
    if (!this.#hasStored) return false;
    this.key.set(this.#storedKey.buffer, this.#storedKey.start, this.#storedKey.end);
    this.value.set(this.#storedValue.buffer, this.#storedValue.start, this.#storedValue.end);
    this.#nextStored();
    return true;
  }

  /** Moves to the database's next entry that no range of the tick deletes. */
  #nextStored(): void {
    do {
      if (!this.#readStored()) {
        this.#hasStored = false;
        return;
      }
    } while (this.#source.rangeCount > 0 && this.#source.coversCommitted(this.#family, this.#storedKey.view()));
    this.#hasStored = true;
  }

  #readStored(): boolean {
    if (this.#left === 0) {
      if (this.#block?.done === true) return false;
      this.#take(this.#nextBlock());
      if (this.#left === 0) return false;
    }
    const { bytes } = this.#block as EntryBlock;
    const keyStart = this.#offset + 8;
    const keyEnd = keyStart + bytes.readUInt32LE(this.#offset);
    const valueEnd = keyEnd + bytes.readUInt32LE(this.#offset + 4);
    this.#storedKey.set(bytes, keyStart, keyEnd);
    this.#storedValue.set(bytes, keyEnd, valueEnd);
    this.#offset = valueEnd;
    this.#left--;
    return true;
  }
}
