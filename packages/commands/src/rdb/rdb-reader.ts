/**
 * Walks over the bytes of an RDB value. Nothing is trusted: every step is checked against the end, no memory is taken for
 * a length before that many bytes were seen, and what compressed strings may become is bounded for the whole payload.
 */
import type { Span } from '@holdfast/engine';
import { lzfFactorMax, unpackLzf } from './lzf.ts';
import { RdbFailure, unpackedBytesMax } from './rdb-format.ts';

const encodedInt8 = 0;
const encodedInt16 = 1;
const encodedInt32 = 2;
const encodedLzf = 3;

export class RdbReader {
  readonly buffer: Buffer;
  readonly #end: number;
  #at: number;
  #unpackedLeft = unpackedBytesMax;

  constructor({ buffer, start, end }: Span) {
    this.buffer = buffer;
    this.#at = start;
    this.#end = end;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#end;
  }

  /** What compressed strings may become is counted anew: the next value of a file begins. */
  beginValue(): void {
    this.#unpackedLeft = unpackedBytesMax;
  }

  /** Passes `bytes` bytes. @returns where they begin. */
  take(bytes: number): number {
    const at = this.#at;
    if (bytes > this.#end - at) throw new RdbFailure(`${bytes} bytes are announced and ${this.#end - at} are left`);
    this.#at = at + bytes;
    return at;
  }

  u8(): number {
    return this.buffer[this.take(1)] as number;
  }

  /** Eight bytes, least significant first: times in ms. */
  ms(): number {
    const ms = this.buffer.readBigInt64LE(this.take(8));
    if (ms < 0n || ms > BigInt(Number.MAX_SAFE_INTEGER)) throw new RdbFailure(`${ms} is no time`);
    return Number(ms);
  }

  /** As `ms`; -1 stands for never, which is 0 here. */
  msOrNever(): number {
    const isNever = this.#end - this.#at >= 8 && this.buffer.readBigInt64LE(this.#at) === -1n;
    if (!isNever) return this.ms();
    this.take(8);
    return 0;
  }

  double(): number {
    return this.buffer.readDoubleLE(this.take(8));
  }

  /** A length or count: one, two, five or nine bytes, by the first two bits. */
  length(): number {
    const head = this.u8();
    return head < 0xc0 ? this.#lengthOf(head) : this.#noLength(head);
  }

  #lengthOf(head: number): number {
    if (head < 0x40) return head;
    if (head < 0x80) return ((head & 0x3f) << 8) | this.u8();
    if (head === 0x80) return this.buffer.readUInt32BE(this.take(4));
    if (head !== 0x81) return this.#noLength(head);
    const length = this.buffer.readBigUInt64BE(this.take(8));
    if (length > BigInt(Number.MAX_SAFE_INTEGER)) throw new RdbFailure(`${length} is no length`);
    return Number(length);
  }

  #noLength(head: number): never {
    throw new RdbFailure(`a length begins with ${head}`);
  }

  /** A length that is a number of its own right, of up to 64 bits. */
  uint64(): bigint {
    if (this.#at < this.#end && this.buffer[this.#at] === 0x81) return this.buffer.readBigUInt64BE(this.take(9) + 1);
    return BigInt(this.length());
  }

  /** A string, where it stands or, when it is compressed or a number, in a buffer of its own. */
  string(): Span {
    const head = this.u8();
    if (head >= 0xc0) return this.#encodedString(head & 0x3f);
    const length = this.#lengthOf(head);
    const start = this.take(length);
    return { buffer: this.buffer, start, end: start + length };
  }

  #encodedString(encoding: number): Span {
    const { buffer } = this;
    if (encoding === encodedInt8) return textOf(buffer.readInt8(this.take(1)));
    if (encoding === encodedInt16) return textOf(buffer.readInt16LE(this.take(2)));
    if (encoding === encodedInt32) return textOf(buffer.readInt32LE(this.take(4)));
    if (encoding !== encodedLzf) throw new RdbFailure(`a string has the encoding ${encoding}`);
    const packed = this.length();
    const length = this.length();
    const start = this.take(packed);
    if (length > packed * lzfFactorMax) throw new RdbFailure(`${packed} bytes cannot become ${length}`);
    this.#unpackedLeft -= length;
    if (this.#unpackedLeft < 0) throw new RdbFailure(`more than ${unpackedBytesMax} bytes are compressed`);
    const unpacked = unpackLzf({ buffer, start, end: start + packed }, length);
    return { buffer: unpacked, start: 0, end: length };
  }

  /** A score as text of up to 252 bytes behind its length; three lengths stand for what has no digits. */
  doubleText(): number {
    const length = this.u8();
    if (length === 255) return -Infinity;
    if (length === 254) return Infinity;
    if (length === 253) return NaN;
    const start = this.take(length);
    const text = this.buffer.latin1Slice(start, start + length);
    return /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text) ? Number(text) : NaN;
  }
}

/** The decimal text of a number. */
export function textOf(value: number | bigint): Span {
  const buffer = Buffer.from(String(value), 'latin1');
  return { buffer, start: 0, end: buffer.length };
}
