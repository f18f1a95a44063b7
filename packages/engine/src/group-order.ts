/**
 * The entries of one collection that the open tick has written, in key order, kept from one read to the next.
 *
 * A pipeline of ZPOPMIN or XADD MAXLEN on one key reads the collection in every command, after having written to it in every
 * command before: sorting all of it each time makes a tick of n commands cost n². Here what was added since the last read is
 * put in its place, so that a read costs what is new and a search for the ends of its range.
 *
 * A pop also passes what the pops before it took: committed entries that are still read, and hidden each time. So an iteration
 * leaves behind how far from its beginning it found nothing of the database; the next one in this tick begins there.
 *
 * Only the newest entry of a key is kept. When entries are taken back the order is thrown away: rollbacks are rare.
 */
import type { Span } from './bytes.ts';

/** Where the keys of entries stand in the batch buffer. */
export interface EntryKeys {
  keyStart(index: number): number;
  keyEnd(index: number): number;
  /** -1 for a delete. */
  valueStart(index: number): number;
}

/** Keys from `from` to before `to`, of which the database shows nothing: no such entries, or the tick hides them all. */
export interface HiddenZone {
  readonly from: Buffer;
  readonly to: Buffer;
}

/** Whether an iteration from `key` on begins with what a zone says. */
export function isWithin(key: Buffer, { from, to }: HiddenZone): boolean {
  return from.compare(key) <= 0 && key.compare(to) < 0;
}

/** Whether one in reverse from before `key` does. */
export function endsWithin(key: Buffer, { from, to }: HiddenZone): boolean {
  return from.compare(key) < 0 && key.compare(to) <= 0;
}

/** More new entries than this are sorted and merged rather than inserted one by one. */
const insertedMax = 16;

export class GroupOrder {
  readonly family: number;
  /** Entries from this index on are not in the order yet. */
  next = 0;
  /** At the beginning of iterations. */
  hidden: HiddenZone | undefined;
  /** At the beginning of those in reverse: the end of the collection. */
  hiddenEnd: HiddenZone | undefined;
  #order: number[] = [];
  readonly #keys: EntryKeys;

  constructor(family: number, keys: EntryKeys) {
    this.family = family;
    this.#keys = keys;
  }

  /** Puts entries in their places. @param added newest first, each newer than all that were added before. */
  add(buffer: Buffer, added: readonly number[]): void {
    if (added.length > insertedMax) this.#merge(buffer, added);
    else for (let i = added.length - 1; i >= 0; i--) this.#insert(buffer, added[i] as number);
  }

  /** Entries from `from` to before `to`, in key order, but for deletes that hide nothing; the caller's own copy. */
  range(buffer: Buffer, from: Buffer, to: Buffer): number[] {
    const start = this.#placeOf(buffer, from);
    const end = this.#placeOf(buffer, to);
    const low =
      this.hidden !== undefined && isWithin(from, this.hidden) ? this.#placeOf(buffer, this.hidden.to) : start;
    const high =
      this.hiddenEnd !== undefined && endsWithin(to, this.hiddenEnd) ? this.#placeOf(buffer, this.hiddenEnd.from) : end;
    if (low <= start && high >= end) return this.#order.slice(start, end);
    const found: number[] = [];
    for (let at = start; at < end; at++) {
      const index = this.#order[at] as number;
      if ((at < low || at >= high) && this.#keys.valueStart(index) < 0) continue;
      found.push(index);
    }
    return found;
  }

  /** Notes that an iteration which began at `from` found nothing of the database before `to`. */
  hides(from: Buffer, to: Buffer): void {
    const known = this.hidden;
    this.hidden = { from: known !== undefined && isWithin(from, known) ? known.from : from, to };
  }

  /** As `hides`, of an iteration in reverse that began before `to` and found nothing from `from` on. */
  hidesEnd(from: Buffer, to: Buffer): void {
    const known = this.hiddenEnd;
    this.hiddenEnd = { from, to: known !== undefined && endsWithin(to, known) ? known.to : to };
  }

  #placeOf(buffer: Buffer, key: Buffer): number {
    return this.#place(buffer, { buffer: key, start: 0, end: key.length });
  }

  /** Below 0 when the entry is before `key`. */
  #compare(buffer: Buffer, key: Span, index: number): number {
    const keys = this.#keys;
    return buffer.compare(key.buffer, key.start, key.end, keys.keyStart(index), keys.keyEnd(index));
  }

  /** The position of the first entry that is not before `key`. */
  #place(buffer: Buffer, key: Span): number {
    let low = 0;
    let high = this.#order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compare(buffer, key, this.#order[middle] as number) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #keyOf(buffer: Buffer, index: number): Span {
    return { buffer, start: this.#keys.keyStart(index), end: this.#keys.keyEnd(index) };
  }

  #insert(buffer: Buffer, index: number): void {
    const key = this.#keyOf(buffer, index);
    const at = this.#place(buffer, key);
    const there = this.#order[at];
    const isSame = there !== undefined && this.#compare(buffer, key, there) === 0;
    this.#order.splice(at, isSame ? 1 : 0, index);
  }

  #merge(buffer: Buffer, added: readonly number[]): void {
    const order = this.#order;
    const compare = (a: number, b: number): number => -this.#compare(buffer, this.#keyOf(buffer, a), b);
    const fresh = [...added].sort((a, b) => compare(a, b) || b - a);
    const merged: number[] = [];
    let old = 0;
    let last: number | undefined;
    for (const index of fresh) {
      if (last !== undefined && compare(index, last) === 0) continue;
      last = index;
      while (old < order.length && compare(order[old] as number, index) < 0) merged.push(order[old++] as number);
      if (old < order.length && compare(order[old] as number, index) === 0) old++;
      merged.push(index);
    }
    while (old < order.length) merged.push(order[old++] as number);
    this.#order = merged;
  }
}
