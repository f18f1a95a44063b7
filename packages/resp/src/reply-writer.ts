import { Buffer } from 'node:buffer';
import { OperationError } from '@holdfast/base';
import './buffer-types.ts';
import { repliesBytesMax } from './limits.ts';
import { giveBack, roomFor } from './reply-memory.ts';
/**
 * Encodes replies into one growing buffer per connection. Nothing is flushed here: the tick decides when bytes leave
 * (`take`), and a command that is rolled back is cut off again (`mark`, `truncate`).
 *
 * RESP3 types fall back to what Redis sends in RESP2: map -> flat array, double -> bulk, null -> `$-1`, set and push ->
 * array, verbatim -> bulk, boolean -> integer.
 */
const cr = 13;
const lf = 10;
/** A taken buffer larger than this is given up as a copy when most of it is empty. */
const spareBytesMax = 65536;
/**
 * Replies up to this are given up as a copy from Node's pool, in a buffer up to that the writer keeps: a buffer of its own
 * per tick would cost more (allocated, registered and freed outside of the heap) than most commands.
 */
const pooledBytesMax = 2048;
const keptBytesMax = 4096;
/** The next reply of a writer is taken to be as large as the last one, up to this. */
const foreseenBytesMax = 1 << 18;
/** Lines of so many characters are written without a call. */
const shortText = 16;
/** And values of fewer bytes. */
const shortBytes = 32;

export class ReplyWriter {
  protocol: 2 | 3 = 2;
  readonly #bytesMax: number;
  #buffer: Buffer;
  #length = 0;
  /** Where a reply begins: what a writer has while it waits. */
  #home: Buffer;
  #foreseenBytes = 0;

  /** Errors written, those that were truncated again included. */
  errors = 0;
  /** The last of them, as it was given. */
  lastError = '';

  /** @param bytesMax replies that are waiting to be taken; what would exceed it throws, so that the command fails. */
  constructor(initialBytes = 512, bytesMax: number = repliesBytesMax) {
    this.#bytesMax = bytesMax;
    this.#home = Buffer.allocUnsafeSlow(initialBytes);
    this.#buffer = this.#home;
  }

  /** Bytes written and not taken. */
  get length(): number {
    return this.#length;
  }

  /** A position to `truncate` to. */
  mark(): number {
    return this.#length;
  }

  truncate(mark: number): void {
    this.#length = mark;
  }

  /**
   * An empty writer for what has to be announced before it is known, such as an array whose length is found by walking:
   * same protocol, and what is left of the limit. Its bytes then go into this one with `raw`.
   */
  body(): ReplyWriter {
    const body = new ReplyWriter(512, this.#bytesMax - this.#length);
    body.protocol = this.protocol;
    return body;
  }

  /**
   * Asks for room before something large is gathered for a reply.
   * @throws OperationError RESP_REPLY_TOO_BIG when `bytes` more would not fit.
   */
  demandRoom(bytes: number): void {
    if (this.#length + bytes > this.#bytesMax) this.#refuse();
  }

  /** The bytes written since the last `take`, where they stand: valid until the next write. */
  view(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** The bytes written since the last `take`, given up to the caller. */
  take(): Buffer {
    if (this.#length <= pooledBytesMax && this.#buffer.length <= keptBytesMax) {
      const copied = Buffer.allocUnsafe(this.#length);
      this.#buffer.copy(copied, 0, 0, this.#length);
      this.#length = 0;
      return copied;
    }
    const buffer = this.#buffer;
    const isSparse = buffer.length > spareBytesMax && this.#length < buffer.length / 2;
    const taken = isSparse ? Buffer.from(buffer.subarray(0, this.#length)) : buffer.subarray(0, this.#length);
    if (isSparse) giveBack(buffer);
    if (buffer === this.#home) this.#home = Buffer.allocUnsafeSlow(512);
    this.#buffer = this.#home;
    this.#foreseenBytes = Math.min(this.#length, foreseenBytesMax);
    this.#length = 0;
    return taken;
  }

  /** @throws OperationError when more than `bytesMax` would wait to be taken. */
  #reserve(bytes: number, limit: number = this.#bytesMax): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    if (needed > limit) this.#refuse();
    const outgrown = this.#buffer;
    const isFirst = outgrown === this.#home;
    const wanted = Math.max(isFirst ? this.#foreseenBytes : 0, outgrown.length * 2);
    const grown = roomFor(Math.max(needed, Math.min(wanted, this.#bytesMax)));
    outgrown.copy(grown, 0, 0, this.#length);
    // A piece may be larger than what may wait.
    this.#buffer = grown.subarray(0, Math.max(needed, this.#bytesMax));
    if (!isFirst) giveBack(outgrown);
  }

  #refuse(): never {
    const message = `the reply would take more than ${this.#bytesMax} bytes: ask for less at once`;
    throw new OperationError('RESP_REPLY_TOO_BIG', message, { outcome: 'not-applied' });
  }

  #header(type: number, value: number): void {
    this.#reserve(24);
    const target = this.#buffer;
    let at = this.#length;
    target[at++] = type;
    if (value >= 0 && value < 10) target[at++] = 48 + value;
    else if (value >= 10 && value <= 0x7fffffff) at = writeDigits(target, at, value);
    else at += target.latin1Write(String(value), at);
    target[at] = cr;
    target[at + 1] = lf;
    this.#length = at + 2;
  }

  #crlf(): void {
    this.#buffer[this.#length++] = cr;
    this.#buffer[this.#length++] = lf;
  }

  #line(type: number, text: string, limit?: number): void {
    const isShort = text.length <= shortText;
    const bytes = isShort ? 3 * text.length : Buffer.byteLength(text);
    this.#reserve(bytes + 3, limit);
    this.#buffer[this.#length++] = type;
    if (isShort && writeAscii(this.#buffer, this.#length, text)) this.#length += text.length;
    else this.#length += this.#buffer.utf8Write(text, this.#length);
    this.#crlf();
  }

  /** Bytes that are RESP already. */
  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  ok(): void {
    this.#line(43, 'OK');
  }

  simple(text: string): void {
    this.#line(43, text);
  }

  /**
   * A whole error line with its prefix; line breaks become blanks so that a reply stays one line. Never refused: a
   * command that failed for the size of its reply is answered with one.
   */
  error(message: string): void {
    this.errors++;
    this.lastError = message;
    this.#line(45, /[\r\n]/.test(message) ? message.replace(/[\r\n]+/g, ' ') : message, Infinity);
  }

  integer(value: number | bigint): void {
    if (typeof value === 'bigint') this.#line(58, value.toString());
    else this.#header(58, value);
  }

  bulk(bytes: Uint8Array, start = 0, end: number = bytes.length): void {
    const length = end - start;
    this.#header(36, length);
    this.#reserve(length + 2);
    const target = this.#buffer;
    let at = this.#length;
    if (length < shortBytes) for (let i = start; i < end; i++) target[at++] = bytes[i] as number;
    else {
      // Unlike `set` with `subarray` it makes no object.
      Buffer.prototype.copy.call(bytes, target, at, start, end);
      at += length;
    }
    target[at] = cr;
    target[at + 1] = lf;
    this.#length = at + 2;
  }

  /** A bulk string of UTF-8 text. */
  bulkText(text: string): void {
    const length = Buffer.byteLength(text);
    this.#header(36, length);
    this.#reserve(length + 2);
    this.#length += this.#buffer.utf8Write(text, this.#length);
    this.#crlf();
  }

  /** A bulk string of one-character-per-byte text. */
  bulkLatin1(text: string): void {
    this.#header(36, text.length);
    this.#reserve(text.length + 2);
    this.#length += this.#buffer.latin1Write(text, this.#length);
    this.#crlf();
  }

  /** Absent value: `$-1`, or `_` in RESP3. */
  nil(): void {
    if (this.protocol === 3) this.#line(95, '');
    else this.#header(36, -1);
  }

  /** Absent array (EXEC after a conflict): `*-1`, or `_` in RESP3. */
  nilArray(): void {
    if (this.protocol === 3) this.#line(95, '');
    else this.#header(42, -1);
  }

  array(count: number): void {
    this.#header(42, count);
  }

  /** Announces `pairs` key-value pairs; the caller writes 2 x `pairs` replies. */
  map(pairs: number): void {
    if (this.protocol === 3) this.#header(37, pairs);
    else this.#header(42, pairs * 2);
  }

  set(count: number): void {
    this.#header(this.protocol === 3 ? 126 : 42, count);
  }

  push(count: number): void {
    this.#header(this.protocol === 3 ? 62 : 42, count);
  }

  boolean(value: boolean): void {
    if (this.protocol === 3) this.#line(35, value ? 't' : 'f');
    else this.integer(value ? 1 : 0);
  }

  /** `text` is the number as Redis formats it (see the float rules of the commands). */
  double(text: string): void {
    if (this.protocol === 3) this.#line(44, text);
    else this.bulkText(text);
  }

  /** Text for people (INFO, CLUSTER NODES): verbatim `txt` in RESP3. */
  verbatim(text: string): void {
    if (this.protocol === 3) {
      this.#header(61, Buffer.byteLength(text) + 4);
      const bytes = Buffer.from(`txt:${text}\r\n`);
      this.raw(bytes);
    } else this.bulkText(text);
  }
}

/** @returns false when it is not ASCII: what was written is of no account. */
function writeAscii(target: Buffer, start: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 128) return false;
    target[start + i] = code;
  }
  return true;
}

/** Writes a whole number from 10 on in decimal. @returns where it ends. */
function writeDigits(target: Buffer, start: number, value: number): number {
  let end = start + 1;
  for (let rest = value; rest >= 10; rest = (rest / 10) | 0) end++;
  let left = value;
  for (let at = end - 1; at >= start; at--) {
    const tens = (left / 10) | 0;
    target[at] = 48 + left - tens * 10;
    left = tens;
  }
  return end;
}
