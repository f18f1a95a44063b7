/**
 * CBOR (RFC 8949) as far as JSON goes: what `json-storage-format cbor` stores. Written as Kvrocks writes it: every length
 * definite and as short as possible, doubles in four bytes when those hold them exactly, integers beyond 64 bits as
 * big numbers (tags 2 and 3). Read more widely: indefinite lengths, half floats and unknown tags too. Bounds are checked
 * before anything is made, and an own stack takes the place of recursion.
 */
import { isUtf8 } from 'node:buffer';
import { Scratch, type Span } from './bytes.ts';
import {
  JsonDouble,
  JsonFailure,
  jsonInteger,
  jsonLimits,
  nestingLimit,
  jsonObjectOf,
  tooDeep,
  tooLarge,
  type JsonLimits,
  type JsonValue,
} from './json-value.ts';

/** Major types, in the upper three bits of an item's first byte. */
const major = { unsigned: 0, negative: 1, bytes: 2, text: 3, array: 4, map: 5, tag: 6, simple: 7 } as const;
const tagPositiveBig = 2;
const tagNegativeBig = 3;
const breakByte = 0xff;
/** Bytes of one big integer. */
const bigBytesMax = 512;
const uint64End = 2n ** 64n;

/** The CBOR form of a value, or a JsonFailure when it passes the limits. */
export function encodeCbor(value: JsonValue, limits: JsonLimits = jsonLimits): Buffer | JsonFailure {
  const into = new Scratch(256);
  // Iterators of the containers being written, the innermost last.
  const open: Iterator<JsonValue>[] = [];
  let next: JsonValue | undefined = value;
  for (;;) {
    if (next !== undefined) {
      encodeItem(next, into);
      if (Array.isArray(next)) open.push(next.values());
      else if (next instanceof Map) open.push(flatMembers(next));
      if (into.end > limits.bytesMax) return tooLarge(limits);
      if (open.length > limits.nestingMax) return tooDeep(limits);
    }
    const innermost = open.at(-1);
    if (innermost === undefined) return Buffer.from(into.view());
    const step: IteratorResult<JsonValue> = innermost.next();
    next = step.done === true ? undefined : step.value;
    if (step.done === true) open.pop();
  }
}

/** Keys and values one after the other, as a map holds them. */
function* flatMembers(object: Map<string, JsonValue>): Generator<JsonValue> {
  for (const [key, value] of object) {
    yield key;
    yield value;
  }
}

function encodeItem(value: JsonValue, into: Scratch): void {
  if (typeof value === 'string') {
    const bytes = Buffer.from(value);
    head(into, major.text, bytes.length);
    into.bytes(bytes);
  } else if (typeof value === 'number') {
    if (value >= 0) head(into, major.unsigned, value);
    else head(into, major.negative, -1 - value);
  } else if (typeof value === 'bigint') encodeBig(value, into);
  else if (value instanceof JsonDouble) encodeDouble(value.value, into);
  else if (Array.isArray(value)) head(into, major.array, value.length);
  else if (value instanceof Map) head(into, major.map, value.size);
  else into.u8(value === null ? 0xf6 : value ? 0xf5 : 0xf4);
}

/** An item's first bytes: major type and a whole number. */
function head(into: Scratch, type: number, argument: number): void {
  const first = type << 5;
  if (argument < 24) into.u8(first | argument);
  else if (argument < 0x100) {
    into.u8(first | 24);
    into.u8(argument);
  } else if (argument < 0x10000) {
    into.u8(first | 25);
    into.u16(argument);
  } else if (argument < 0x100000000) {
    into.u8(first | 26);
    into.u32(argument);
  } else {
    into.u8(first | 27);
    into.u64(argument);
  }
}

function encodeBig(value: bigint, into: Scratch): void {
  const magnitude = value < 0n ? -1n - value : value;
  if (magnitude < uint64End) {
    into.u8(((value < 0n ? major.negative : major.unsigned) << 5) | 27);
    into.u64Halves(Number(magnitude >> 32n), Number(magnitude & 0xffffffffn));
    return;
  }
  const digits = magnitude.toString(16);
  const bytes = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex');
  head(into, major.tag, value < 0n ? tagNegativeBig : tagPositiveBig);
  head(into, major.bytes, bytes.length);
  into.bytes(bytes);
}

function encodeDouble(value: number, into: Scratch): void {
  const isSingle = Math.fround(value) === value;
  const bytes = Buffer.allocUnsafe(isSingle ? 4 : 8);
  if (isSingle) bytes.writeFloatBE(value);
  else bytes.writeDoubleBE(value);
  into.u8(isSingle ? 0xfa : 0xfb);
  into.bytes(bytes);
}

/** Reads one CBOR item. @returns a JsonFailure when the bytes are none that JSON can hold. */
export function decodeCbor(bytes: Span, nestingMax: number): JsonValue | JsonFailure {
  return new Decoder(bytes, Math.min(nestingMax, nestingLimit)).read();
}

/** A container whose end has not been read. */
interface Frame {
  readonly isObject: boolean;
  readonly keys: string[];
  readonly values: JsonValue[];
  /** Values still to come; Infinity until the break. */
  left: number;
}

class Decoder {
  readonly #buffer: Buffer;
  readonly #end: number;
  readonly #nestingMax: number;
  readonly #frames: Frame[] = [];
  #at: number;
  #failure: JsonFailure | undefined;

  constructor({ buffer, start, end }: Span, nestingMax: number) {
    this.#buffer = buffer;
    this.#at = start;
    this.#end = end;
    this.#nestingMax = nestingMax;
  }

  read(): JsonValue | JsonFailure {
    for (;;) {
      let value = this.#takeBreak() ? this.#ended() : this.#item();
      while (value !== undefined) {
        const frame = this.#frames.at(-1);
        if (frame === undefined) return this.#at === this.#end ? value : this.#fail('bytes stand behind the value');
        frame.values.push(value);
        frame.left--;
        if (frame.left > 0 && frame.isObject) this.#key(frame);
        value = frame.left === 0 ? this.#ended() : undefined;
      }
      if (this.#failure !== undefined) return this.#failure;
    }
  }

  /** Whether the innermost container is one that a break ends, and the break is next. */
  #takeBreak(): boolean {
    const frame = this.#frames.at(-1);
    if (frame?.left !== Infinity || this.#at >= this.#end || this.#buffer[this.#at] !== breakByte) return false;
    // In an object the key of the next member is taken first, so a break there is seen in `key`.
    if (frame.keys.length > frame.values.length) return false;
    this.#at++;
    return true;
  }

  #ended(): JsonValue | undefined {
    const frame = this.#frames.pop();
    if (frame === undefined) return undefined;
    return frame.isObject ? jsonObjectOf(frame.keys, frame.values) : frame.values;
  }

  /** Reads the key of the next member; at the break of an object there is none. */
  #key(frame: Frame): void {
    if (frame.left === Infinity && this.#at < this.#end && this.#buffer[this.#at] === breakByte) return;
    const first = this.#byte();
    if (first >> 5 !== major.text) {
      this.#fail('a key is no text');
      return;
    }
    const key = this.#text(first);
    if (key !== undefined) frame.keys.push(key);
  }

  /** A scalar, or an empty container; undefined when a container was begun. */
  #item(): JsonValue | undefined {
    let first = this.#byte();
    while (first >> 5 === major.tag && this.#failure === undefined) {
      const tag = this.#argument(first);
      if (tag === BigInt(tagPositiveBig) || tag === BigInt(tagNegativeBig)) return this.#big(tag);
      // Other tags say nothing that JSON knows.
      first = this.#byte();
    }
    if (this.#failure !== undefined) return undefined;
    switch (first >> 5) {
      case major.unsigned:
        return this.#integer(first, false);
      case major.negative:
        return this.#integer(first, true);
      case major.text:
        return this.#text(first);
      case major.array:
        return this.#begin(first, false);
      case major.map:
        return this.#begin(first, true);
      case major.simple:
        return this.#simple(first);
      default:
        this.#fail('byte strings are not JSON');
        return undefined;
    }
  }

  #integer(first: number, isNegative: boolean): JsonValue | undefined {
    const argument = this.#argument(first);
    if (argument === undefined) return undefined;
    return jsonInteger(isNegative ? -1n - argument : argument);
  }

  #begin(first: number, isObject: boolean): JsonValue | undefined {
    const isOpen = (first & 31) === 31;
    const argument = isOpen ? undefined : this.#argument(first);
    if (this.#failure !== undefined) return undefined;
    const count = argument === undefined ? Infinity : Number(argument);
    // Every value has at least a byte: a count beyond that is a lie, found before room is made for it.
    if (count !== Infinity && count > this.#end - this.#at) {
      this.#fail('a container announces more than there is');
      return undefined;
    }
    if (count === 0) return isObject ? new Map() : [];
    if (this.#frames.length >= this.#nestingMax) {
      this.#fail(`it nests deeper than ${this.#nestingMax} levels`);
      return undefined;
    }
    const frame: Frame = { isObject, keys: [], values: [], left: count };
    this.#frames.push(frame);
    if (isObject) this.#key(frame);
    return undefined;
  }

  /** An integer beyond 64 bits, from behind its tag on. */
  #big(tag: bigint): JsonValue | undefined {
    const start = this.#byte();
    const length = this.#failure === undefined ? this.#argument(start) : undefined;
    if (length === undefined) return undefined;
    if (start >> 5 !== major.bytes || length > bigBytesMax || Number(length) > this.#end - this.#at) {
      this.#fail('a big number is malformed');
      return undefined;
    }
    const hex = this.#buffer.toString('hex', this.#at, this.#at + Number(length));
    this.#at += Number(length);
    const magnitude = BigInt(hex === '' ? 0 : `0x${hex}`);
    return jsonInteger(tag === BigInt(tagNegativeBig) ? -1n - magnitude : magnitude);
  }

  #simple(first: number): JsonValue | undefined {
    switch (first) {
      case 0xf4:
        return false;
      case 0xf5:
        return true;
      case 0xf6:
      case 0xf7:
        return null;
      case 0xf9:
        return this.#double(2);
      case 0xfa:
        return this.#double(4);
      case 0xfb:
        return this.#double(8);
      default:
        this.#fail('a simple value is not JSON');
        return undefined;
    }
  }

  #double(bytes: 2 | 4 | 8): JsonValue | undefined {
    const at = this.#take(bytes);
    if (at < 0) return undefined;
    const buffer = this.#buffer;
    let value: number;
    if (bytes === 8) value = buffer.readDoubleBE(at);
    else if (bytes === 4) value = buffer.readFloatBE(at);
    else value = half(buffer.readUInt16BE(at));
    if (Number.isFinite(value)) return new JsonDouble(value);
    this.#fail('a number is not finite');
    return undefined;
  }

  /** A text of definite length, or the pieces of one, from behind its first byte on. */
  #text(first: number): string | undefined {
    if ((first & 31) !== 31) return this.#piece(first);
    let text = '';
    for (;;) {
      const next = this.#byte();
      if (this.#failure !== undefined) return undefined;
      if (next === breakByte) return text;
      const piece = next >> 5 === major.text && (next & 31) !== 31 ? this.#piece(next) : undefined;
      if (piece === undefined) {
        this.#fail('a piece of a text is none');
        return undefined;
      }
      text += piece;
    }
  }

  #piece(first: number): string | undefined {
    const length = this.#argument(first);
    if (length === undefined) return undefined;
    const at = length > this.#end - this.#at ? this.#take(Infinity) : this.#take(Number(length));
    if (at < 0) return undefined;
    const bytes = this.#buffer.subarray(at, this.#at);
    if (isUtf8(bytes)) return bytes.toString();
    this.#fail('a text is not UTF-8');
    return undefined;
  }

  /** The whole number in an item's first bytes. */
  #argument(first: number): bigint | undefined {
    const info = first & 31;
    if (info < 24) return BigInt(info);
    if (info > 27) {
      this.#fail('an item is malformed');
      return undefined;
    }
    const at = this.#take(1 << (info - 24));
    if (at < 0) return undefined;
    const buffer = this.#buffer;
    if (info === 24) return BigInt(buffer[at] as number);
    if (info === 25) return BigInt(buffer.readUInt16BE(at));
    return info === 26 ? BigInt(buffer.readUInt32BE(at)) : buffer.readBigUInt64BE(at);
  }

  #byte(): number {
    const at = this.#take(1);
    return at < 0 ? 0 : (this.#buffer[at] as number);
  }

  /** Takes bytes. @returns where they stand; -1 when they are not all there. */
  #take(bytes: number): number {
    const at = this.#at;
    if (bytes > this.#end - at) {
      this.#fail('it ends too early');
      return -1;
    }
    this.#at += bytes;
    return at;
  }

  #fail(reason: string): JsonFailure {
    this.#failure ??= new JsonFailure(`invalid CBOR: ${reason}`);
    return this.#failure;
  }
}

/** A half float (IEEE 754 binary16). */
function half(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const sign = bits >> 15 === 1 ? -1 : 1;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}
