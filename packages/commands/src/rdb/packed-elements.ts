/**
 * The forms in which Redis packs small collections into one string: listpack, ziplist, intset, zipmap. Each is read here as
 * a run of elements; every header and back reference is checked, for the bytes come from a client.
 */
import type { Span } from '@holdfast/engine';
import { RdbFailure } from './rdb-format.ts';
import { textOf } from './rdb-reader.ts';

/** Elements one after the other; undefined at the end, once the whole string has proved right. */
export interface ElementCursor {
  next(): Span | undefined;
}

/** Bytes of a packed string, with every reading checked. */
class Packed {
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;
  at: number;

  constructor({ buffer, start, end }: Span, headerBytes: number) {
    this.buffer = buffer;
    this.start = start;
    this.end = end;
    this.at = start;
    this.take(headerBytes);
  }

  take(bytes: number): number {
    const { at } = this;
    if (bytes > this.end - at) throw new RdbFailure('a packed collection ends within an element');
    this.at = at + bytes;
    return at;
  }

  u8(): number {
    return this.buffer[this.take(1)] as number;
  }

  span(bytes: number): Span {
    const start = this.take(bytes);
    return { buffer: this.buffer, start, end: start + bytes };
  }

  /** A whole number of 1 to 4 or of 8 bytes, least significant first, as text. */
  integer(bytes: number): Span {
    const at = this.take(bytes);
    return textOf(bytes === 8 ? this.buffer.readBigInt64LE(at) : this.buffer.readIntLE(at, bytes));
  }

  /** The byte ff must end the string, and as many elements were announced (`most` stands for more than fit). */
  finish(count: number, announced: number, most: number): undefined {
    if (this.at !== this.end) throw new RdbFailure('a packed collection goes on behind its end');
    if (announced !== count && announced !== most) {
      throw new RdbFailure(`a packed collection has ${count} elements and says ${announced}`);
    }
    return undefined;
  }
}

/** Bytes that say how long an entry of a listpack is, so that it can be walked backwards. */
function backLength(length: number): number {
  if (length <= 127) return 1;
  if (length < 16383) return 2;
  if (length < 2097151) return 3;
  return length < 268435455 ? 4 : 5;
}

/** Header: u32 bytes in all, u16 elements, or 65535 for more. */
export class Listpack implements ElementCursor {
  readonly #bytes: Packed;
  #count = 0;

  constructor(text: Span) {
    this.#bytes = new Packed(text, 6);
    if (text.buffer.readUInt32LE(text.start) !== text.end - text.start) {
      throw new RdbFailure('a listpack is not as long as it says');
    }
  }

  next(): Span | undefined {
    const bytes = this.#bytes;
    const start = bytes.at;
    const head = bytes.u8();
    if (head === 0xff) return bytes.finish(this.#count, bytes.buffer.readUInt16LE(bytes.start + 4), 65535);
    const element = this.#element(head);
    this.#passBackLength(bytes.at - start);
    this.#count++;
    return element;
  }

  #element(head: number): Span {
    const bytes = this.#bytes;
    if (head < 0x80) return textOf(head);
    if (head < 0xc0) return bytes.span(head & 0x3f);
    if (head < 0xe0) return textOf(((((head & 0x1f) << 8) | bytes.u8()) << 19) >> 19);
    if (head < 0xf0) return bytes.span(((head & 0x0f) << 8) | bytes.u8());
    if (head === 0xf0) return bytes.span(bytes.buffer.readUInt32LE(bytes.take(4)));
    if (head <= 0xf3) return bytes.integer(head - 0xf1 + 2);
    if (head === 0xf4) return bytes.integer(8);
    throw new RdbFailure(`an element of a listpack begins with ${head}`);
  }

  #passBackLength(length: number): void {
    const bytes = this.#bytes;
    const size = backLength(length);
    const at = bytes.take(size);
    let told = 0;
    for (let i = 0; i < size; i++) {
      const byte = bytes.buffer[at + i] as number;
      if (byte >>> 7 !== (i === 0 ? 0 : 1)) throw new RdbFailure('a listpack cannot be walked backwards');
      told = told * 128 + (byte & 127);
    }
    if (told !== length) throw new RdbFailure('a listpack cannot be walked backwards');
  }
}

/** Header: u32 bytes in all, u32 place of the last element, u16 elements, or 65535 for more. */
export class Ziplist implements ElementCursor {
  readonly #bytes: Packed;
  #count = 0;
  #before = 0;

  constructor(text: Span) {
    this.#bytes = new Packed(text, 10);
    if (text.buffer.readUInt32LE(text.start) !== text.end - text.start) {
      throw new RdbFailure('a ziplist is not as long as it says');
    }
  }

  next(): Span | undefined {
    const bytes = this.#bytes;
    const start = bytes.at;
    const head = bytes.u8();
    if (head === 0xff) return this.#finish();
    const before = head === 0xfe ? bytes.buffer.readUInt32LE(bytes.take(4)) : head;
    if (before !== this.#before) throw new RdbFailure('a ziplist cannot be walked backwards');
    const element = this.#element(bytes.u8());
    this.#before = bytes.at - start;
    this.#count++;
    return element;
  }

  #element(head: number): Span {
    const bytes = this.#bytes;
    if (head < 0x40) return bytes.span(head);
    if (head < 0x80) return bytes.span(((head & 0x3f) << 8) | bytes.u8());
    if (head === 0x80) return bytes.span(bytes.buffer.readUInt32BE(bytes.take(4)));
    if (head === 0xc0) return bytes.integer(2);
    if (head === 0xd0) return bytes.integer(4);
    if (head === 0xe0) return bytes.integer(8);
    if (head === 0xf0) return bytes.integer(3);
    if (head === 0xfe) return bytes.integer(1);
    if (head > 0xf0 && head <= 0xfd) return textOf((head & 0x0f) - 1);
    throw new RdbFailure(`an element of a ziplist is encoded as ${head}`);
  }

  #finish(): undefined {
    const { buffer, start, at } = this.#bytes;
    const last = start + buffer.readUInt32LE(start + 4);
    if (last !== at - 1 - this.#before) throw new RdbFailure('a ziplist does not say where its last element is');
    return this.#bytes.finish(this.#count, buffer.readUInt16LE(start + 8), 65535);
  }
}

/** Header: u32 bytes of a number (2, 4, 8), u32 how many; the numbers rise. */
export class Intset implements ElementCursor {
  readonly #bytes: Packed;
  readonly #size: number;
  #before: bigint | undefined;

  constructor(text: Span) {
    this.#bytes = new Packed(text, 8);
    this.#size = text.buffer.readUInt32LE(text.start);
    const count = text.buffer.readUInt32LE(text.start + 4);
    if (![2, 4, 8].includes(this.#size) || text.end - text.start !== 8 + this.#size * count) {
      throw new RdbFailure(`an intset of ${count} numbers of ${this.#size} bytes has ${text.end - text.start} bytes`);
    }
  }

  next(): Span | undefined {
    const bytes = this.#bytes;
    if (bytes.at === bytes.end) return undefined;
    const at = bytes.take(this.#size);
    const { buffer } = bytes;
    const value = this.#size === 8 ? buffer.readBigInt64LE(at) : BigInt(buffer.readIntLE(at, this.#size));
    if (this.#before !== undefined && value <= this.#before)
      throw new RdbFailure('the numbers of an intset do not rise');
    this.#before = value;
    return textOf(value);
  }
}

/** Header: u8 pairs, or 254 for more. Behind the length of a value stands how many bytes behind it are unused. */
export class Zipmap implements ElementCursor {
  readonly #bytes: Packed;
  #count = 0;

  constructor(text: Span) {
    this.#bytes = new Packed(text, 1);
  }

  next(): Span | undefined {
    const bytes = this.#bytes;
    const head = bytes.u8();
    const isValue = this.#count % 2 === 1;
    if (head === 0xff && !isValue) return bytes.finish(this.#count / 2, bytes.buffer[bytes.start] as number, 254);
    if (head === 0xff) throw new RdbFailure('a zipmap ends within a pair');
    const length = head === 0xfe ? bytes.buffer.readUInt32LE(bytes.take(4)) : head;
    const unused = isValue ? bytes.u8() : 0;
    const element = bytes.span(length);
    bytes.take(unused);
    this.#count++;
    return element;
  }
}
