/**
 * Sorted integers (Kvrocks types/redis_sortedint.cc): a set of unsigned 64-bit numbers. One sub key record without a value for
 * each, the number as eight bytes, so that records stand in numeric order. Numbers are handled in two halves, for a
 * JavaScript number holds 53 bits.
 */
import type { Span } from './bytes.ts';
import { Collection } from './collection.ts';
import type { EntryIterator } from './entry-iterator.ts';
import { typeId } from './metadata-value.ts';
import type { Records } from './records.ts';

/** An unsigned 64-bit number. */
export interface Uint64 {
  readonly high: number;
  readonly low: number;
}

export const uint64Max: Uint64 = { high: 0xffffffff, low: 0xffffffff };

const noValue: Span = { buffer: Buffer.alloc(0), start: 0, end: 0 };

export function compareUint64(a: Uint64, b: Uint64): number {
  return a.high !== b.high ? a.high - b.high : a.low - b.low;
}

/** Which numbers to walk through; both ends included. */
export interface Uint64Range {
  readonly from: Uint64;
  readonly to: Uint64;
  readonly reverse: boolean;
}

export class SortedInts extends Collection {
  constructor(records: Records) {
    super(records, typeId.sortedint);
  }

  has({ high, low }: Uint64): boolean {
    if (this.size === 0) return false;
    this.subkey().u64Halves(high, low);
    return this.fetch();
  }

  /** @returns whether it is new. */
  add({ high, low }: Uint64): boolean {
    this.subkey().u64Halves(high, low);
    if (this.size > 0 && this.fetch()) return false;
    this.store(noValue);
    this.size++;
    return true;
  }

  /** @returns whether it was there. */
  remove(number: Uint64): boolean {
    if (!this.has(number)) return false;
    this.erase();
    this.size--;
    return true;
  }

  /** The numbers within a range, in order; to be closed by the caller. */
  walk({ from, to, reverse }: Uint64Range): EntryIterator {
    const end = successorOf(to);
    return this.iterate({
      from: bytesOf(from),
      ...(end === undefined ? {} : { to: bytesOf(end) }),
      reverse,
      keysOnly: true,
    });
  }

  /** The number of an entry of `walk`. */
  numberOf({ key }: EntryIterator): Uint64 {
    const at = key.start + this.prefixLength;
    return { high: key.buffer.readUInt32BE(at), low: key.buffer.readUInt32BE(at + 4) };
  }
}

function bytesOf({ high, low }: Uint64): Span {
  const buffer = Buffer.alloc(8);
  buffer.writeUInt32BE(high, 0);
  buffer.writeUInt32BE(low, 4);
  return { buffer, start: 0, end: 8 };
}

/** The number after; undefined when there is none. */
export function successorOf({ high, low }: Uint64): Uint64 | undefined {
  if (low < 0xffffffff) return { high, low: low + 1 };
  return high < 0xffffffff ? { high: high + 1, low: 0 } : undefined;
}

/** The number before; undefined when there is none. */
export function predecessorOf({ high, low }: Uint64): Uint64 | undefined {
  if (low > 0) return { high, low: low - 1 };
  return high > 0 ? { high: high - 1, low: 0xffffffff } : undefined;
}
