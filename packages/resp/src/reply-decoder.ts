/**
 * Replies from a byte stream, RESP2 and RESP3 (not the streamed types, which no server sends), for the client side.
 *
 * Aggregates are kept as a stack of open frames, so that only the value that is cut by the end of the bytes is read
 * again; its bytes move to a joined buffer that doubles. Elements are pushed as they arrive, never allocated by the
 * announced number, and nesting is bounded, so a hostile server costs no more memory than the bytes it sends.
 */
import { ProtocolError } from '@holdfast/base';
import './buffer-types.ts';
import { replyBulkBytesMax, replyBytesMax, replyDepthMax, replyElementsMax, replyLineBytesMax } from './limits.ts';
import { ReplyError, ReplyMap, ReplyPush, ReplySet, RespDouble, Verbatim, type Reply } from './reply.ts';

type FrameKind = 'array' | 'map' | 'set' | 'push' | 'attributes';

interface Frame {
  readonly kind: FrameKind;
  /** Elements still to come. */
  left: number;
  readonly items: Reply[];
}

export interface ReplyLimits {
  readonly maxBulkBytes: number;
  readonly maxElements: number;
  readonly maxDepth: number;
  /** Bytes of one whole reply. */
  readonly maxReplyBytes: number;
}

/** A value, an opened aggregate, or that bytes are missing. */
const opened = Symbol('opened');
const missing = Symbol('missing');

const noBytes = Buffer.alloc(0);
const aggregates: Readonly<Record<number, FrameKind>> = {
  42: 'array', // *
  37: 'map', // %
  126: 'set', // ~
  62: 'push', // >
  124: 'attributes', // |
};

export class ReplyDecoder {
  readonly #limits: ReplyLimits;
  #buffer: Buffer = noBytes;
  #at = 0;
  #end = 0;
  /** The buffer is ours and may be appended to; else it is a chunk. */
  #owned = false;
  #frames: Frame[] = [];
  /** Bytes of the reply being read that were passed already. */
  #passedBytes = 0;
  #dead: ProtocolError | undefined;

  constructor(limits: Partial<ReplyLimits> = {}) {
    this.#limits = {
      maxBulkBytes: replyBulkBytesMax,
      maxElements: replyElementsMax,
      maxDepth: replyDepthMax,
      maxReplyBytes: replyBytesMax,
      ...limits,
    };
  }

  /** Bytes pushed and not read yet. */
  get bufferedBytes(): number {
    return this.#end - this.#at;
  }

  /** Takes bytes as they arrived; the caller gives them up. */
  push(chunk: Buffer): void {
    if (this.#dead !== undefined || chunk.length === 0) return;
    const left = this.#end - this.#at;
    if (left === 0) {
      this.#buffer = chunk;
      this.#at = 0;
      this.#end = chunk.length;
      this.#owned = false;
      return;
    }
    const least = this.#end + chunk.length;
    if (!this.#owned || least > this.#buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(left + chunk.length, this.#owned ? 2 * left : 0));
      this.#buffer.copy(grown, 0, this.#at, this.#end);
      this.#buffer = grown;
      this.#at = 0;
      this.#end = left;
      this.#owned = true;
    }
    chunk.copy(this.#buffer, this.#end);
    this.#end += chunk.length;
  }

  /**
   * The next whole reply; undefined when more bytes are needed. Bulk strings are copies: the caller owns them.
   * @throws ProtocolError naming what was wrong; after it the decoder is dead and throws the same again.
   */
  next(): Reply | undefined {
    if (this.#dead !== undefined) throw this.#dead;
    for (;;) {
      const from = this.#at;
      const value = this.#value();
      if (value === missing) return undefined;
      this.#passedBytes += this.#at - from;
      if (this.#passedBytes > this.#limits.maxReplyBytes) this.#fail(`reply above ${this.#limits.maxReplyBytes} bytes`);
      const whole = value === opened ? this.#closeFrames() : this.#place(value);
      if (whole === missing) continue;
      this.#passedBytes = 0;
      return whole;
    }
  }

  /** Gives up the bytes that were not read, e.g. when the stream goes over to another protocol. */
  takeRest(): Buffer {
    const rest = Buffer.from(this.#buffer.subarray(this.#at, this.#end));
    this.#buffer = noBytes;
    this.#at = 0;
    this.#end = 0;
    this.#owned = false;
    return rest;
  }

  #fail(what: string): never {
    this.#dead = new ProtocolError(`bad reply: ${what}`);
    this.#buffer = noBytes;
    this.#at = 0;
    this.#end = 0;
    this.#frames = [];
    throw this.#dead;
  }

  /** Puts a value into the innermost open aggregate; the whole reply when that completes the outermost one. */
  #place(value: Reply): Reply | typeof missing {
    const frame = this.#frames.at(-1);
    if (frame === undefined) return value;
    frame.items.push(value);
    frame.left--;
    return this.#closeFrames();
  }

  #closeFrames(): Reply | typeof missing {
    for (;;) {
      const frame = this.#frames.at(-1);
      if (frame === undefined || frame.left > 0) return missing;
      this.#frames.pop();
      if (frame.kind === 'attributes') return missing;
      const value = finish(frame);
      const outer = this.#frames.at(-1);
      if (outer === undefined) return value;
      outer.items.push(value);
      outer.left--;
    }
  }

  /** One value or the head of one aggregate; `#at` passes it only when all of it is there. */
  #value(): Reply | typeof opened | typeof missing {
    if (this.#at === this.#end) return missing;
    const type = this.#buffer[this.#at] as number;
    const lineEnd = this.#lineEnd();
    if (lineEnd < 0) return missing;
    const from = this.#at + 1;
    const kind = aggregates[type];
    if (kind !== undefined) return this.#aggregate(kind, lineEnd);
    if (type === 36 || type === 61 || type === 33) return this.#blob(type, lineEnd);
    this.#at = lineEnd + 2;
    return this.#scalar(type, from, lineEnd);
  }

  /** Where the line at `#at` ends (its CR); -1 when that has not arrived. */
  #lineEnd(): number {
    const limit = Math.min(this.#end, this.#at + replyLineBytesMax);
    for (let at = this.#at + 1; at < limit; at++) {
      if (this.#buffer[at] !== 13) continue;
      if (at + 1 === this.#end) return -1;
      if (this.#buffer[at + 1] !== 10) this.#fail('carriage return inside a line');
      return at;
    }
    if (this.#end - this.#at >= replyLineBytesMax) this.#fail(`line above ${replyLineBytesMax} bytes`);
    return -1;
  }

  /** The length on a line: -1 for null. */
  #length(lineEnd: number, limit: number): number {
    const text = this.#buffer.latin1Slice(this.#at + 1, lineEnd);
    if (text === '-1') return -1;
    if (!/^[0-9]{1,15}$/.test(text)) this.#fail(`length ${JSON.stringify(text.slice(0, 32))}`);
    const length = Number(text);
    if (length > limit) this.#fail(`length ${length} above ${limit}`);
    return length;
  }

  #aggregate(kind: FrameKind, lineEnd: number): null | typeof opened {
    const announced = this.#length(lineEnd, this.#limits.maxElements);
    if (announced < 0) {
      if (kind !== 'array') this.#fail(`${kind} of length -1`);
      this.#at = lineEnd + 2;
      return null;
    }
    if (this.#frames.length === this.#limits.maxDepth) this.#fail(`nested deeper than ${this.#limits.maxDepth}`);
    this.#at = lineEnd + 2;
    const pairs = kind === 'map' || kind === 'attributes';
    this.#frames.push({ kind, left: pairs ? 2 * announced : announced, items: [] });
    return opened;
  }

  #blob(type: number, lineEnd: number): Reply | typeof missing {
    const length = this.#length(lineEnd, this.#limits.maxBulkBytes);
    const from = lineEnd + 2;
    if (length < 0) {
      if (type !== 36) this.#fail('string of length -1');
      this.#at = from;
      return null;
    }
    const to = from + length;
    if (to + 2 > this.#end) return missing;
    if (this.#buffer[to] !== 13 || this.#buffer[to + 1] !== 10) this.#fail('bulk string without its end');
    this.#at = to + 2;
    if (type === 36) return Buffer.from(this.#buffer.subarray(from, to));
    const text = this.#buffer.utf8Slice(from, to);
    if (type === 33) return new ReplyError(text);
    if (length < 4 || this.#buffer[from + 3] !== 58) this.#fail('verbatim string without a format');
    return new Verbatim(text.slice(0, 3), text.slice(4));
  }

  #scalar(type: number, from: number, lineEnd: number): Reply {
    const text = this.#buffer.utf8Slice(from, lineEnd);
    switch (type) {
      case 43: // +
        return text;
      case 45: // -
        return new ReplyError(text);
      case 58: // :
        return this.#integer(text);
      case 95: // _
        if (text !== '') this.#fail('null with text');
        return null;
      case 35: // #
        if (text !== 't' && text !== 'f') this.#fail('boolean that is neither t nor f');
        return text === 't';
      case 44: // ,
        return new RespDouble(this.#double(text));
      case 40: // (
        if (!/^[+-]?[0-9]{1,4096}$/.test(text)) this.#fail('big number');
        return BigInt(text.startsWith('+') ? text.slice(1) : text);
      default:
        return this.#fail(`type byte ${type}`);
    }
  }

  #integer(text: string): number | bigint {
    if (!/^[+-]?[0-9]{1,19}$/.test(text)) this.#fail(`integer ${JSON.stringify(text.slice(0, 32))}`);
    const value = Number(text);
    if (Number.isSafeInteger(value)) return value === 0 ? 0 : value;
    const exact = BigInt(text.startsWith('+') ? text.slice(1) : text);
    if (BigInt.asIntN(64, exact) !== exact) this.#fail(`integer ${text} outside 64 bits`);
    return exact;
  }

  #double(text: string): number {
    if (text === 'inf') return Infinity;
    if (text === '-inf') return -Infinity;
    if (text === 'nan') return NaN;
    if (!/^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$/.test(text)) this.#fail('double');
    return Number(text);
  }
}

function finish(frame: Frame): Reply {
  switch (frame.kind) {
    case 'set':
      return new ReplySet(frame.items);
    case 'push':
      return new ReplyPush(frame.items);
    case 'map': {
      const entries: [Reply, Reply][] = [];
      for (let i = 0; i < frame.items.length; i += 2)
        entries.push([frame.items[i] as Reply, frame.items[i + 1] as Reply]);
      return new ReplyMap(entries);
    }
    case 'array':
    case 'attributes':
      return frame.items;
  }
}
