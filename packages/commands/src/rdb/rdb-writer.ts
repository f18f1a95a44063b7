/**
 * Writes RDB values in the forms that every Redis since the named versions reads, without compression. The buffer grows by
 * doubling, as far as the one who asked for the value lets it.
 */
import type { Span } from '@holdfast/engine';
import { int64Of } from '../data/integers.ts';
import { crc64 } from './crc64.ts';

/** Texts of whole numbers up to this many characters are written as numbers. */
const numberCharactersMax = 11;
const int32Max = 2 ** 31 - 1;

export class RdbWriter {
  readonly #demandRoom: (bytes: number) => void;
  #buffer: Buffer = Buffer.allocUnsafe(256);
  #length = 0;

  /** @param demandRoom asked before the buffer grows to so many bytes; throws to refuse. */
  constructor(demandRoom: (bytes: number) => void) {
    this.#demandRoom = demandRoom;
  }

  get length(): number {
    return this.#length;
  }

  #room(bytes: number): number {
    const at = this.#length;
    const needed = at + bytes;
    if (needed > this.#buffer.length) {
      this.#demandRoom(needed);
      const grown = Buffer.allocUnsafe(Math.max(needed, 2 * this.#buffer.length));
      this.#buffer.copy(grown, 0, 0, at);
      this.#buffer = grown;
    }
    this.#length = needed;
    return at;
  }

  u8(value: number): void {
    const at = this.#room(1);
    this.#buffer[at] = value;
  }

  raw({ buffer, start, end }: Span): void {
    const at = this.#room(end - start);
    buffer.copy(this.#buffer, at, start, end);
  }

  /** Eight bytes, least significant first: times in ms. */
  ms(value: number): void {
    const at = this.#room(8);
    this.#buffer.writeBigInt64LE(BigInt(value), at);
  }

  double(value: number): void {
    const at = this.#room(8);
    this.#buffer.writeDoubleLE(value, at);
  }

  /** A length, count or number of its own right, in as few bytes as it takes. */
  count(value: number | bigint): void {
    if (value < 0x40) return this.u8(Number(value));
    if (value < 0x4000) {
      this.u8(0x40 | (Number(value) >>> 8));
      return this.u8(Number(value) & 0xff);
    }
    if (value <= 0xffffffff) {
      const at = this.#room(5);
      this.#buffer[at] = 0x80;
      this.#buffer.writeUInt32BE(Number(value), at + 1);
      return;
    }
    const at = this.#room(9);
    this.#buffer[at] = 0x81;
    this.#buffer.writeBigUInt64BE(BigInt(value), at + 1);
  }

  /** A string; the text of a small whole number as that number. */
  string(text: Span): void {
    const value = text.end - text.start <= numberCharactersMax ? int64Of(text) : undefined;
    if (value !== undefined && value >= -int32Max - 1 && value <= int32Max) return this.#number(Number(value));
    this.count(text.end - text.start);
    this.raw(text);
  }

  #number(value: number): void {
    const size = value >= -128 && value <= 127 ? 0 : value >= -32768 && value <= 32767 ? 1 : 2;
    const at = this.#room(1 + 2 ** size);
    this.#buffer[at] = 0xc0 | size;
    this.#buffer.writeIntLE(value, at + 1, 2 ** size);
  }

  /** The payload of DUMP: what was written, the version, the checksum over both. */
  sealed(version: number): Buffer {
    this.u8(version & 0xff);
    this.u8(version >>> 8);
    const sum = crc64(this.#buffer, 0, this.#length);
    this.raw({ buffer: sum, start: 0, end: sum.length });
    return this.#buffer.subarray(0, this.#length);
  }
}
