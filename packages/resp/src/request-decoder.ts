/**
 * Requests from a byte stream (RESP2 arrays of bulk strings, or inline words), for the hottest path there is.
 *
 * The idea: a request that lies within one chunk is only a list of bounds into that chunk; nothing is copied. A request
 * that is cut by the end of a chunk is *joined*: its first part moves into a buffer of its own, which then takes only as
 * many bytes of the following chunks as the request needs; after it the decoder goes on in the chunk itself. So each
 * byte is copied at most once, plus the doublings of the joined buffer: a 512 MiB value in 64 KiB chunks costs O(n).
 *
 * Every limit is checked on the declared number, before anything is allocated; memory grows by received bytes only.
 * Bytes given out in a Request are never overwritten: a view stays right as long as somebody holds it.
 *
 * Error texts: Kvrocks' for lengths (src/server/redis_request.cc), Redis' for the limits Kvrocks does not have. The
 * two bytes after a bulk are checked to be CRLF, which neither of them does: a peer out of step is cut at once instead
 * of being misunderstood.
 */
import { ProtocolError } from '@holdfast/base';
import './buffer-types.ts';
import type { KeysAhead } from './keys-ahead.ts';
import { Request } from './request.ts';

/** What one connection may send. Changed at any time; holds from the next length that is read. */
export interface RequestLimits {
  /** Arguments of one request. */
  maxArguments: number;
  /** Bytes of one argument (`proto-max-bulk-len`). */
  maxBulkBytes: number;
  /** Bytes of one inline line without its end. */
  maxInlineBytes: number;
  /** Bytes of one request with its protocol overhead; at most 2^31 - 1, because bounds are 32-bit. */
  maxRequestBytes: number;
  /** AUTH is still owed: `maxArguments` and `maxBulkBytes` are cut to 10 and 16 KiB, as Redis 7 does. */
  unauthenticated: boolean;
}

/** Fresh limits at their defaults; the caller owns and may change them. */
export function defaultRequestLimits(): RequestLimits {
  return {
    maxArguments: 1_048_576,
    maxBulkBytes: 512 * 1024 * 1024,
    maxInlineBytes: 16 * 1024,
    maxRequestBytes: 1024 * 1024 * 1024,
    unauthenticated: false,
  };
}

const unauthenticatedArguments = 10;
const unauthenticatedBulkBytes = 16 * 1024;
/** A length line: sign, 19 digits and CRLF fit; more is no number. */
const maxLengthLine = 24;
/** What is at least taken of a chunk to complete a cut request; else as much as there is of it already. */
const joinBytes = 1024;
/** Bounds of a request with more arguments than this are not kept for the next one. */
const keptBounds = 4096;

const cr = 13;
const lf = 10;
const noBytes = Buffer.alloc(0);

/** Results of `#length` that are no lengths. */
const incomplete = -1;
const malformed = -2;
const negative = -3;

/**
 * @example
 * decoder.push(chunk);
 * while (decoder.next()) dispatch(decoder.request);
 */
export class RequestDecoder {
  /** Filled by `next`, reused by the following `next`. */
  readonly request: Request = new Request();
  readonly limits: RequestLimits;

  /** The window: `#at` is read next, bytes up to `#end` are there. */
  #buffer: Buffer = noBytes;
  #at = 0;
  #end = 0;
  /** Where the request being read begins in the window. */
  #start = 0;
  /** True while the window is the joined buffer; then `#chunks[0]` is its source, read up to `#sourceAt`. */
  #joined = false;
  #chunks: Buffer[] = [];
  #sourceAt = 0;

  /** Arguments the request announced; -1 before its first line was read. */
  #announced = -1;
  #index = 0;
  /** Length of the bulk at `#at`, its `$` line having been read; -1 before that. */
  #bulkBytes = -1;
  /** An inline line was searched for its end up to here. */
  #searched = 0;
  #dead: ProtocolError | undefined;

  constructor(limits: RequestLimits = defaultRequestLimits()) {
    this.limits = limits;
  }

  /** Bytes that were pushed and belong to no request given out yet. */
  get bufferedBytes(): number {
    let bytes = this.#end - this.#start - this.#sourceAt;
    for (const chunk of this.#chunks) bytes += chunk.length;
    return bytes;
  }

  /** Bytes of memory held for this peer, the room that is kept for what is still to come included. */
  get memoryBytes(): number {
    let bytes = this.#buffer.length + this.request.bounds.byteLength;
    for (const chunk of this.#chunks) bytes += chunk.length;
    return bytes;
  }

  /**
   * The beginning of what follows the request given out last, as far as it stands in one piece; empty once the next request
   * has been begun. Not to be changed.
   */
  unread(bytesMax: number): Buffer {
    if (this.#joined || this.#announced >= 0 || this.#at === this.#end) return noBytes;
    return this.#buffer.subarray(this.#at, Math.min(this.#end, this.#at + bytesMax));
  }

  /** Looks for the first arguments of what follows, as far as it stands in one piece. */
  lookAhead(keys: KeysAhead): void {
    if (this.#joined || this.#announced >= 0) keys.clear();
    else keys.find(this.#buffer, this.#at, this.#end);
  }

  /** Takes bytes as they arrived; the caller gives them up. */
  push(chunk: Buffer): void {
    if (chunk.length === 0 || this.#dead !== undefined) return;
    if (!this.#joined && this.#at === this.#end && this.#chunks.length === 0 && this.#announced < 0) this.#open(chunk);
    else this.#chunks.push(chunk);
  }

  /**
   * Reads on to the end of the next request. The previous one is over: an idle connection holds on to no bytes.
   * @returns true when `request` was filled; false when more bytes are needed.
   * @throws ProtocolError whose message is the whole error line to answer (`ERR Protocol error: …`); after it the decoder
   *   is dead: it takes no bytes and throws the same again.
   */
  next(): boolean {
    if (this.#dead !== undefined) throw this.#dead;
    do {
      if (this.#read()) {
        if (this.#joined) this.#backToChunk();
        return true;
      }
    } while (this.#more());
    this.request.buffer = noBytes;
    this.request.count = 0;
    return false;
  }

  /**
   * What was pushed and belongs to no request given out, for a stream that stops being requests (PSYNC hands its
   * connection over). The decoder is empty afterwards.
   */
  takeRemaining(): Buffer {
    const parts = [this.#buffer.subarray(this.#start, this.#end)];
    for (const chunk of this.#chunks) parts.push(parts.length === 1 ? chunk.subarray(this.#sourceAt) : chunk);
    this.#chunks = [];
    this.#joined = false;
    this.#sourceAt = 0;
    this.#announced = -1;
    this.#open(noBytes);
    return Buffer.concat(parts);
  }

  /** The last request is over although no further one is read now: lets go of its bytes, so that idle costs nothing. */
  release(): void {
    this.request.buffer = noBytes;
    this.request.count = 0;
    if (this.#announced < 0 && this.request.bounds.length > keptBounds) this.request.bounds = new Int32Array(64);
    if (!this.#joined && this.#at === this.#end && this.#announced < 0) this.#open(noBytes);
  }

  #open(chunk: Buffer): void {
    this.#buffer = chunk;
    this.#at = 0;
    this.#start = 0;
    this.#searched = 0;
    this.#end = chunk.length;
  }

  /** After a request that was joined: what is left in the window came from the source chunk, so it is read there. */
  #backToChunk(): void {
    const left = this.#end - this.#at;
    this.#joined = false;
    const source = this.#chunks.shift() ?? noBytes;
    this.#open(source);
    this.#at = this.#sourceAt - left;
    this.#start = this.#at;
    this.#searched = this.#at;
    this.#sourceAt = 0;
  }

  /** Brings more bytes into the window. False when there are none. */
  #more(): boolean {
    if (!this.#joined) {
      if (this.#start === this.#end) {
        const chunk = this.#chunks.shift();
        this.#open(chunk ?? noBytes);
        return chunk !== undefined;
      }
      this.#join();
    }
    if (this.#sourceAt === (this.#chunks[0]?.length ?? 0) && this.#sourceAt > 0) {
      this.#chunks.shift();
      this.#sourceAt = 0;
    }
    const source = this.#chunks[0];
    if (source === undefined) return false;
    const wanted = Math.max(joinBytes, this.#end, this.#needed() - this.#end);
    const bytes = Math.min(source.length - this.#sourceAt, wanted);
    this.#reserve(bytes);
    source.copy(this.#buffer, this.#end, this.#sourceAt, this.#sourceAt + bytes);
    this.#end += bytes;
    this.#sourceAt += bytes;
    return true;
  }

  /** Where in the window the bulk being read ends; nothing beyond the announced bulk is known. */
  #needed(): number {
    return this.#bulkBytes < 0 ? 0 : this.#at + this.#bulkBytes + 2;
  }

  /** Moves the cut request to the start of a buffer of its own. */
  #join(): void {
    const from = this.#start;
    const partial = this.#end - from;
    const joined = Buffer.allocUnsafeSlow(Math.max(64, partial + Math.min(partial, joinBytes)));
    this.#buffer.copy(joined, 0, from, this.#end);
    const { bounds } = this.request;
    if (this.#announced > 0) for (let i = 0; i < 2 * this.#index; i++) bounds[i] = (bounds[i] as number) - from;
    this.#buffer = joined;
    this.#at -= from;
    this.#searched -= from;
    this.#start = 0;
    this.#end = partial;
    this.#joined = true;
    this.#sourceAt = 0;
  }

  /** Room for `bytes` more in the joined buffer: doubled, but not beyond the end of the last argument when it is known. */
  #reserve(bytes: number): void {
    const least = this.#end + bytes;
    if (least <= this.#buffer.length) return;
    const doubled = this.#buffer.length * 2;
    const last = this.#bulkBytes >= 0 && this.#index === this.#announced - 1;
    const grown = Buffer.allocUnsafeSlow(Math.max(least, last ? Math.min(doubled, this.#needed()) : doubled));
    this.#buffer.copy(grown, 0, 0, this.#end);
    this.#buffer = grown;
  }

  #fail(what: string): never {
    this.#dead = new ProtocolError(`ERR Protocol error: ${what}`);
    this.#buffer = noBytes;
    this.#chunks = [];
    this.#start = 0;
    this.#at = 0;
    this.#end = 0;
    this.#sourceAt = 0;
    throw this.#dead;
  }

  /** Reads in the window. True when a request is complete. */
  #read(): boolean {
    while (this.#announced < 0) {
      if (this.#joined && this.#start === this.#at && this.#start > 0) this.#backToChunk();
      if (this.#at === this.#end) return false;
      if (this.#buffer[this.#at] !== 42) {
        const words = this.#inline();
        if (words < 0) return false;
        if (words > 0) return true;
      } else if (!this.#announcement()) return false;
    }
    while (this.#index < this.#announced) if (!this.#bulk()) return false;
    // The garbage collector is told of each store of what is new.
    if (this.request.buffer !== this.#buffer) this.request.buffer = this.#buffer;
    this.request.count = this.#announced;
    this.#announced = -1;
    this.#start = this.#at;
    return true;
  }

  /** `*n` line at `#at`. False when it is not all there. */
  #announcement(): boolean {
    const { limits } = this;
    const count = this.#length();
    if (count === incomplete) return false;
    if (count === malformed || count > limits.maxArguments) this.#fail('invalid multibulk length');
    if (count > unauthenticatedArguments && limits.unauthenticated) this.#fail('unauthenticated multibulk length');
    if (count === 0 || count === negative) {
      this.#start = this.#at;
      this.#searched = this.#at;
      return true;
    }
    this.#announced = count;
    this.#index = 0;
    this.#bulkBytes = -1;
    if (this.request.bounds.length > keptBounds) this.request.bounds = new Int32Array(64);
    return true;
  }

  /** One bulk at `#at`, its `$` line included unless it was read before. False when it is not all there. */
  #bulk(): boolean {
    if (this.#bulkBytes < 0) {
      if (this.#at === this.#end) return false;
      if (this.#buffer[this.#at] !== 36) this.#fail(`expected '$', got '${printable(this.#buffer[this.#at])}'`);
      const { limits } = this;
      const length = this.#length();
      if (length === incomplete) return false;
      if (length < 0 || length > limits.maxBulkBytes) this.#fail('invalid bulk length');
      if (length > unauthenticatedBulkBytes && limits.unauthenticated) this.#fail('unauthenticated bulk length');
      if (this.#at - this.#start + length + 2 > limits.maxRequestBytes) this.#fail('too big request');
      this.#bulkBytes = length;
    }
    const from = this.#at;
    const to = from + this.#bulkBytes;
    if (to + 2 > this.#end) return false;
    if (this.#buffer[to] !== cr || this.#buffer[to + 1] !== lf) this.#fail('invalid bulk length');
    this.#bound(from, to);
    this.#at = to + 2;
    this.#bulkBytes = -1;
    return true;
  }

  #bound(from: number, to: number): void {
    const { request } = this;
    const slot = 2 * this.#index++;
    if (slot >= request.bounds.length) {
      const grown = new Int32Array(2 * request.bounds.length);
      grown.set(request.bounds);
      request.bounds = grown;
    }
    request.bounds[slot] = from;
    request.bounds[slot + 1] = to;
  }

  /**
   * The number of a length line whose type byte is at `#at`; passes the line. Lines are short, so that a cut one is
   * read again from its start.
   */
  #length(): number {
    const buffer = this.#buffer;
    const first = this.#at + 1;
    const limit = Math.min(this.#end, first + maxLengthLine);
    let at = first;
    const minus = at < limit && buffer[at] === 45;
    if (minus) at++;
    const digits = at;
    let value = 0;
    for (; at < limit; at++) {
      const digit = (buffer[at] as number) - 48;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    if (at === limit) return limit === this.#end && limit < first + maxLengthLine ? incomplete : malformed;
    if (at === digits || buffer[at] !== cr) return malformed;
    if (at + 1 === this.#end) return incomplete;
    if (buffer[at + 1] !== lf) return malformed;
    this.#at = at + 2;
    return minus ? negative : value;
  }

  /** One inline line at `#at`. Number of its words; -1 when its end is not there. */
  #inline(): number {
    const buffer = this.#buffer;
    const from = this.#at;
    const limit = Math.min(this.#end, from + this.limits.maxInlineBytes + 2);
    let lineEnd = Math.max(this.#searched, from);
    while (lineEnd < limit && buffer[lineEnd] !== lf) lineEnd++;
    this.#searched = lineEnd;
    let end = lineEnd;
    if (lineEnd > from && buffer[lineEnd - 1] === cr) end--;
    if (end - from > this.limits.maxInlineBytes) this.#fail('too big inline request');
    if (lineEnd === limit) return -1;
    if (this.request.bounds.length > keptBounds) this.request.bounds = new Int32Array(64);
    this.#index = 0;
    for (let at = from; at < end;) {
      if (buffer[at] === 32 || buffer[at] === 9) {
        at++;
        continue;
      }
      let to = at + 1;
      while (to < end && buffer[to] !== 32 && buffer[to] !== 9) to++;
      this.#bound(at, to);
      at = to;
    }
    this.#at = lineEnd + 1;
    this.#start = this.#at;
    this.#searched = this.#at;
    this.request.buffer = buffer;
    this.request.count = this.#index;
    return this.#index;
  }
}

/** A byte as it may stand in an error line. */
function printable(byte = 0x20): string {
  return byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ' ';
}
