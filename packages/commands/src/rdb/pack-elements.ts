/** Writes ziplists and listpacks, the packed forms that lists and streams are written in (read by packed-elements.ts). */
import { Scratch, type Span } from '@holdfast/engine';

const endByte = 0xff;

/** A ziplist of one element, always as a string, which is how Kvrocks writes the nodes of a list. */
export function ziplistOf(element: Span): Buffer {
  const length = element.end - element.start;
  const head = length < 0x40 ? 1 : length < 0x4000 ? 2 : 5;
  const headerBytes = 10;
  const bytes = Buffer.allocUnsafe(headerBytes + 1 + head + length + 1);
  bytes.writeUInt32LE(bytes.length, 0);
  bytes.writeUInt32LE(headerBytes, 4);
  bytes.writeUInt16LE(1, 8);
  bytes[headerBytes] = 0; // Nothing stands before it.
  const at = headerBytes + 1;
  if (head === 1) bytes[at] = length;
  else if (head === 2) bytes.writeUInt16BE(0x4000 | length, at);
  else {
    bytes[at] = 0x80;
    bytes.writeUInt32BE(length, at + 1);
  }
  element.buffer.copy(bytes, at + head, element.start, element.end);
  bytes[bytes.length - 1] = endByte;
  return bytes;
}

const announcedMax = 65535;

/** A listpack in the making. */
export class ListpackWriter {
  readonly #bytes = new Scratch(512);
  #count = 0;

  constructor() {
    this.reset();
  }

  reset(): void {
    this.#bytes.reset();
    for (let i = 0; i < 6; i++) this.#bytes.u8(0);
    this.#count = 0;
  }

  /** Bytes so far. */
  get length(): number {
    return this.#bytes.end;
  }

  string({ buffer, start, end }: Span): void {
    const bytes = this.#bytes;
    const from = bytes.end;
    const length = end - start;
    if (length < 0x40) bytes.u8(0x80 | length);
    else if (length < 0x1000) bytes.u16(0xe000 | length);
    else {
      bytes.u8(0xf0);
      for (let shift = 0; shift < 32; shift += 8) bytes.u8((length >>> shift) & 0xff);
    }
    bytes.bytes(buffer, start, end);
    this.#finish(from);
  }

  integer(value: bigint): void {
    const bytes = this.#bytes;
    const from = bytes.end;
    if (value >= 0n && value <= 127n) bytes.u8(Number(value));
    else {
      bytes.u8(0xf4);
      const eight = Buffer.allocUnsafe(8);
      eight.writeBigInt64LE(BigInt.asIntN(64, value));
      bytes.bytes(eight);
    }
    this.#finish(from);
  }

  /** Puts behind an element how long it is, seven bits a byte, the highest first and without a mark. */
  #finish(from: number): void {
    const bytes = this.#bytes;
    const length = bytes.end - from;
    const groups = length <= 127 ? 1 : length < 16383 ? 2 : length < 2097151 ? 3 : length < 268435455 ? 4 : 5;
    for (let group = groups - 1; group >= 0; group--) {
      bytes.u8((Math.floor(length / 128 ** group) & 127) | (group === groups - 1 ? 0 : 128));
    }
    this.#count++;
  }

  /** The whole listpack; valid until the next `reset`. */
  take(): Span {
    const bytes = this.#bytes;
    bytes.u8(endByte);
    bytes.buffer.writeUInt32LE(bytes.end, 0);
    bytes.buffer.writeUInt16LE(Math.min(this.#count, announcedMax), 4);
    return bytes;
  }
}
