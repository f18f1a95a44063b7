/**
 * Ids of stream entries: milliseconds and a sequence, each an unsigned 64-bit number. Clients may choose any, so both are
 * kept exactly, as halves of 32 bits: BigInt would be exact too, but every XADD makes an id and every XREAD compares them.
 *
 * An id is a mutable object that its owner fills again and again; `copy` makes one that stays.
 */
import type { Scratch } from './bytes.ts';

/** Highest high half of a number that JavaScript still holds exactly. */
const safeHighMax = 0x1fffff;
const top = 0xffffffff;

/** Sixteen bytes: milliseconds, then sequence, big endian, so that ids are ordered as their bytes. */
export const streamIdBytes = 16;

function textOf(high: number, low: number): string {
  if (high === 0) return String(low);
  if (high <= safeHighMax) return String(high * 0x100000000 + low);
  return ((BigInt(high) << 32n) | BigInt(low)).toString();
}

/** As `readUInt32BE`, which asks more of its arguments: a record of a stream has five ids, read and written by each XADD. */
function wordAt(buffer: Buffer, at: number): number {
  const upper = ((buffer[at] as number) << 24) | ((buffer[at + 1] as number) << 16);
  return (upper | ((buffer[at + 2] as number) << 8) | (buffer[at + 3] as number)) >>> 0;
}

function writeWord(into: Buffer, at: number, word: number): void {
  into[at] = word >>> 24;
  into[at + 1] = word >>> 16;
  into[at + 2] = word >>> 8;
  into[at + 3] = word;
}

export class StreamId {
  msHigh = 0;
  msLow = 0;
  seqHigh = 0;
  seqLow = 0;

  /** An id of two numbers below 2^64. */
  static of(ms: number | bigint, seq: number | bigint = 0): StreamId {
    const id = new StreamId();
    id.setMs(ms);
    id.setSeq(seq);
    return id;
  }

  /** The highest number that two u64 can be: what `+` stands for. */
  static highest(): StreamId {
    const id = new StreamId();
    id.msHigh = id.msLow = top;
    return id.setHighestSeq();
  }

  setMs(ms: number | bigint): void {
    this.msHigh = typeof ms === 'bigint' ? Number(ms >> 32n) : Math.floor(ms / 0x100000000);
    this.msLow = typeof ms === 'bigint' ? Number(ms & 0xffffffffn) : ms >>> 0;
  }

  setSeq(seq: number | bigint): void {
    this.seqHigh = typeof seq === 'bigint' ? Number(seq >> 32n) : Math.floor(seq / 0x100000000);
    this.seqLow = typeof seq === 'bigint' ? Number(seq & 0xffffffffn) : seq >>> 0;
  }

  setHighestSeq(): this {
    this.seqHigh = this.seqLow = top;
    return this;
  }

  set(from: StreamId): void {
    this.msHigh = from.msHigh;
    this.msLow = from.msLow;
    this.seqHigh = from.seqHigh;
    this.seqLow = from.seqLow;
  }

  clear(): void {
    this.msHigh = this.msLow = this.seqHigh = this.seqLow = 0;
  }

  copy(): StreamId {
    const id = new StreamId();
    id.set(this);
    return id;
  }

  get isZero(): boolean {
    return (this.msHigh | this.msLow | this.seqHigh | this.seqLow) === 0;
  }

  /** Negative, 0 or positive as this id comes before, is, or comes after `other`. */
  compare(other: StreamId): number {
    return this.compareMs(other) || this.seqHigh - other.seqHigh || this.seqLow - other.seqLow;
  }

  /** As `compare`, for the milliseconds alone. */
  compareMs(other: StreamId): number {
    return this.msHigh - other.msHigh || this.msLow - other.msLow;
  }

  /** Makes this the next id. @returns false, and leaves it, when there is none. */
  increment(): boolean {
    if (this.incrementSeq()) return true;
    if (this.msLow !== top) this.msLow++;
    else if (this.msHigh !== top) {
      this.msHigh++;
      this.msLow = 0;
    } else return false;
    this.seqHigh = this.seqLow = 0;
    return true;
  }

  /** Makes this the next id of the same millisecond. @returns false, and leaves it, when there is none. */
  incrementSeq(): boolean {
    if (this.seqLow !== top) this.seqLow++;
    else if (this.seqHigh !== top) {
      this.seqHigh++;
      this.seqLow = 0;
    } else return false;
    return true;
  }

  /** Makes this the id before. @returns false, and leaves it, when there is none. */
  decrement(): boolean {
    if (this.isZero) return false;
    if (this.seqLow !== 0) this.seqLow--;
    else if (this.seqHigh !== 0) {
      this.seqHigh--;
      this.seqLow = top;
    } else {
      this.setHighestSeq();
      if (this.msLow === 0) this.msHigh--;
      this.msLow = this.msLow === 0 ? top : this.msLow - 1;
    }
    return true;
  }

  /** Reads the sixteen bytes at `at`. */
  read(buffer: Buffer, at: number): void {
    this.msHigh = wordAt(buffer, at);
    this.msLow = wordAt(buffer, at + 4);
    this.seqHigh = wordAt(buffer, at + 8);
    this.seqLow = wordAt(buffer, at + 12);
  }

  /** Appends the sixteen bytes. */
  write(into: Scratch): void {
    into.reserve(streamIdBytes);
    const { buffer, end } = into;
    writeWord(buffer, end, this.msHigh);
    writeWord(buffer, end + 4, this.msLow);
    writeWord(buffer, end + 8, this.seqHigh);
    writeWord(buffer, end + 12, this.seqLow);
    into.end = end + streamIdBytes;
  }

  /** As clients see it: `<ms>-<seq>`, both decimal. */
  toString(): string {
    return `${textOf(this.msHigh, this.msLow)}-${textOf(this.seqHigh, this.seqLow)}`;
  }
}
