/**
 * Bytes as windows and scratch space. Keys and values are never cut out of the buffers they stand in: a Window says
 * where they are, a Scratch is one growing buffer that is filled anew for every key. Both live as long as their owner,
 * so the path of a command allocates nothing.
 */

/** Where some bytes are. Valid until the owner of `buffer` reuses it. */
export interface Span {
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;
}

const noBytes = Buffer.alloc(0);

/** A Span that can be pointed elsewhere. */
export class Window implements Span {
  buffer: Buffer = noBytes;
  start = 0;
  end = 0;

  get length(): number {
    return this.end - this.start;
  }

  set(buffer: Buffer, start: number, end: number): void {
    this.buffer = buffer;
    this.start = start;
    this.end = end;
  }

  setAll(bytes: Buffer): void {
    this.set(bytes, 0, bytes.length);
  }

  clear(): void {
    this.set(noBytes, 0, 0);
  }

  /** A view on the bytes; shares memory. */
  view(): Buffer {
    return this.buffer.subarray(this.start, this.end);
  }

  /** The bytes, owned by the caller. */
  copy(): Buffer {
    return Buffer.from(this.buffer.subarray(this.start, this.end));
  }
}

/** A span over all of `bytes`. */
export function spanOf(bytes: Uint8Array | string): Span {
  const buffer =
    typeof bytes === 'string' ? Buffer.from(bytes) : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { buffer, start: 0, end: buffer.length };
}

/** Works on any Uint8Array; makes no views, which `set` would need. */
const copyOut = Buffer.prototype.copy;

/** Copies, byte by byte when that is cheaper than a call into native code. */
export function copyBytes(from: Uint8Array, start: number, end: number, into: Buffer, at: number): void {
  const length = end - start;
  if (length <= 40) for (let i = 0; i < length; i++) into[at + i] = from[start + i] as number;
  else copyOut.call(from, into, at, start, end);
}

/** Whether two spans hold the same bytes. */
export function sameBytes(a: Span, b: Span): boolean {
  const length = a.end - a.start;
  if (b.end - b.start !== length) return false;
  if (length > 64) return a.buffer.compare(b.buffer, b.start, b.end, a.start, a.end) === 0;
  for (let i = 0; i < length; i++) if (a.buffer[a.start + i] !== b.buffer[b.start + i]) return false;
  return true;
}

/** A number of bytes rounded up, so that a buffer of so many is words to its end. */
function wholeWords(bytes: number): number {
  return Math.ceil(bytes / 4) * 4;
}

/** Views of short scratches are kept by length: one native call takes one, and most keys are short. */
const keptViews = 256;
/** A scratch that grew beyond this for one huge value is let go again. */
const keptBytes = 1 << 20;

/** One growing buffer, written from the start again and again. */
export class Scratch implements Span {
  buffer: Buffer;
  readonly start = 0;
  /** Bytes in use. */
  end = 0;
  #views: (Buffer | undefined)[] = [];
  #words: Int32Array | undefined;
  /** What it still begins with, from `resetTo`. */
  #head: Uint8Array | undefined;

  constructor(initialBytes = 256) {
    this.buffer = Buffer.allocUnsafeSlow(wholeWords(initialBytes));
  }

  /** The bytes four at a time; what stands behind `end` is anything. Valid until the next write. */
  get words(): Int32Array {
    return (this.#words ??= new Int32Array(this.buffer.buffer, this.buffer.byteOffset, this.buffer.length >> 2));
  }

  reset(): void {
    this.end = 0;
    this.#head = undefined;
    if (this.buffer.length > keptBytes) {
      this.#take(Buffer.allocUnsafeSlow(256));
    }
  }

  /** As `reset`, and then `head`: keys that follow each other mostly begin alike. `head` never changes. */
  resetTo(head: Uint8Array): void {
    if (this.#head === head && this.buffer.length <= keptBytes) {
      this.end = head.length;
      return;
    }
    this.reset();
    this.bytes(head);
    this.#head = head;
  }

  /** Makes room for `bytes` more. */
  reserve(bytes: number): void {
    const needed = this.end + bytes;
    if (needed <= this.buffer.length) return;
    const grown = Buffer.allocUnsafeSlow(wholeWords(Math.max(needed, this.buffer.length * 2)));
    this.buffer.copy(grown, 0, 0, this.end);
    this.#take(grown);
  }

  #take(buffer: Buffer): void {
    this.buffer = buffer;
    this.#views = [];
    this.#words = undefined;
  }

  u8(value: number): void {
    this.reserve(1);
    this.buffer[this.end++] = value;
  }

  /** A safe integer in decimal. */
  decimal(value: number): void {
    if (value < 0 || value > 0x7fffffff) {
      const text = String(value);
      this.reserve(text.length);
      this.end += this.buffer.latin1Write(text, this.end);
      return;
    }
    this.reserve(10);
    let end = this.end + 1;
    for (let rest = value; rest >= 10; rest = (rest / 10) | 0) end++;
    let left = value;
    for (let at = end - 1; at >= this.end; at--) {
      const tens = (left / 10) | 0;
      this.buffer[at] = 48 + left - tens * 10;
      left = tens;
    }
    this.end = end;
  }

  /** Big endian, as everything inside keys and values. */
  u16(value: number): void {
    this.reserve(2);
    this.buffer[this.end++] = value >>> 8;
    this.buffer[this.end++] = value;
  }

  u32(value: number): void {
    this.reserve(4);
    const buffer = this.buffer;
    buffer[this.end++] = value >>> 24;
    buffer[this.end++] = value >>> 16;
    buffer[this.end++] = value >>> 8;
    buffer[this.end++] = value;
  }

  /** A safe integer as eight bytes. */
  u64(value: number): void {
    this.u32(Math.floor(value / 0x100000000));
    this.u32(value >>> 0);
  }

  /** Eight bytes given as two unsigned halves. */
  u64Halves(high: number, low: number): void {
    this.u32(high);
    this.u32(low);
  }

  bytes(from: Uint8Array, start = 0, end: number = from.length): void {
    this.reserve(end - start);
    copyBytes(from, start, end, this.buffer, this.end);
    this.end += end - start;
  }

  /** What was written, as a view; valid until the next write. */
  view(): Buffer {
    const length = this.end;
    if (length >= keptViews) return this.buffer.subarray(0, length);
    return (this.#views[length] ??= this.buffer.subarray(0, length));
  }
}
