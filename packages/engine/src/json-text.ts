/**
 * Reads JSON text (RFC 8259) into values. It keeps its own stack, so that no text can make it run out of JavaScript's;
 * depth is checked before a container is made, and bytes that are no UTF-8 are refused before anything else.
 */
import { isUtf8 } from 'node:buffer';
import type { Span } from './bytes.ts';
import {
  JsonDouble,
  JsonFailure,
  documentBytesMax,
  jsonInteger,
  nestingLimit,
  jsonObjectOf,
  type JsonValue,
} from './json-value.ts';

/** Digits of one integer: reading takes more than linear time. */
const digitsMax = 1024;
/** Digits that always fit a safe integer. */
const safeDigits = 15;

/** A container whose end has not been read. */
interface Frame {
  /** Undefined for an array. */
  readonly keys: string[] | undefined;
  readonly values: JsonValue[];
}

/**
 * Reads one JSON value with nothing but blanks around it.
 * @param nestingMax deepest nesting of arrays and objects accepted; `nestingLimit` holds whatever it says.
 * @returns a JsonFailure when the text is none, saying why and where.
 */
export function parseJson(text: Span, nestingMax: number): JsonValue | JsonFailure {
  if (text.end - text.start > documentBytesMax) {
    return new JsonFailure(`the document has more than ${documentBytesMax} bytes`);
  }
  if (!isUtf8(text.buffer.subarray(text.start, text.end))) return new JsonFailure('invalid JSON: it is not UTF-8');
  return new Reader(text, Math.min(nestingMax, nestingLimit)).read();
}

class Reader {
  readonly #buffer: Buffer;
  readonly #start: number;
  readonly #end: number;
  readonly #nestingMax: number;
  readonly #frames: Frame[] = [];
  #at: number;
  #failure: JsonFailure | undefined;

  constructor({ buffer, start, end }: Span, nestingMax: number) {
    this.#buffer = buffer;
    this.#start = this.#at = start;
    this.#end = end;
    this.#nestingMax = nestingMax;
  }

  read(): JsonValue | JsonFailure {
    for (;;) {
      const byte = this.#next();
      let value: JsonValue | undefined;
      if (byte === 91 || byte === 123) value = this.#open(byte === 123);
      else value = this.#scalar(byte);
      if (this.#failure !== undefined) return this.#failure;
      // An opened container that is not empty goes on with its first value.
      if (value === undefined) continue;
      const whole = this.#complete(value);
      if (this.#failure !== undefined) return this.#failure;
      if (whole !== undefined) return this.#ended(whole);
    }
  }

  #ended(value: JsonValue): JsonValue | JsonFailure {
    if (this.#next() === -1) return value;
    return this.#fail('something stands behind the value');
  }

  /** Begins a container. @returns it when it is empty. */
  #open(isObject: boolean): JsonValue | undefined {
    if (this.#frames.length >= this.#nestingMax) {
      this.#fail(`it nests deeper than ${this.#nestingMax} levels`);
      return undefined;
    }
    this.#at++;
    const byte = this.#next();
    if (byte === (isObject ? 125 : 93)) {
      this.#at++;
      return isObject ? new Map() : [];
    }
    this.#frames.push({ keys: isObject ? [] : undefined, values: [] });
    if (isObject) this.#key();
    return undefined;
  }

  /** Takes a value that has been read, and ends every container that ends with it. @returns the whole, at its end. */
  #complete(value: JsonValue): JsonValue | undefined {
    let last = value;
    for (;;) {
      const frame = this.#frames.at(-1);
      if (frame === undefined) return last;
      frame.values.push(last);
      const isObject = frame.keys !== undefined;
      const byte = this.#next();
      if (byte === 44) {
        this.#at++;
        if (isObject) this.#key();
        return undefined;
      }
      if (byte !== (isObject ? 125 : 93)) {
        this.#fail(isObject ? "expected ',' or '}'" : "expected ',' or ']'");
        return undefined;
      }
      this.#at++;
      this.#frames.pop();
      last = frame.keys === undefined ? frame.values : jsonObjectOf(frame.keys, frame.values);
    }
  }

  /** Reads a key and the colon behind it. */
  #key(): void {
    if (this.#next() !== 34) {
      this.#fail('expected a key in quotes');
      return;
    }
    const key = this.#string();
    if (key === undefined) return;
    this.#frames.at(-1)?.keys?.push(key);
    if (this.#next() !== 58) {
      this.#fail("expected ':'");
      return;
    }
    this.#at++;
  }

  #scalar(byte: number): JsonValue | undefined {
    switch (byte) {
      case 34:
        return this.#string();
      case 116:
        return this.#word('true', true);
      case 102:
        return this.#word('false', false);
      case 110:
        return this.#word('null', null);
      case -1:
        this.#fail('it ends where a value is expected');
        return undefined;
      default:
        if (byte === 45 || (byte >= 48 && byte <= 57)) return this.#number();
        this.#fail('expected a value');
        return undefined;
    }
  }

  #word<T extends JsonValue>(word: string, value: T): T | undefined {
    for (let i = 0; i < word.length; i++) {
      if (this.#at + i < this.#end && this.#buffer[this.#at + i] === word.charCodeAt(i)) continue;
      this.#fail('expected a value');
      return undefined;
    }
    this.#at += word.length;
    return value;
  }

  /** Reads a string from its opening quote on. */
  #string(): string | undefined {
    const buffer = this.#buffer;
    let at = ++this.#at;
    let text = '';
    let plainFrom = at;
    let isAscii = true;
    for (; at < this.#end; at++) {
      const byte = buffer[at] as number;
      if (byte >= 128) isAscii = false;
      else if (byte === 34) {
        this.#at = at + 1;
        const rest = isAscii ? buffer.latin1Slice(plainFrom, at) : buffer.utf8Slice(plainFrom, at);
        return text === '' ? rest : text + rest;
      } else if (byte === 92) {
        this.#at = at;
        const escaped = this.#escape();
        if (escaped === undefined) return undefined;
        text += buffer.utf8Slice(plainFrom, at) + escaped;
        plainFrom = this.#at;
        at = this.#at - 1;
      } else if (byte < 32) {
        this.#at = at;
        this.#fail('a control character in a string must be escaped');
        return undefined;
      }
    }
    this.#at = this.#end;
    this.#fail('a string does not end');
    return undefined;
  }

  /** Reads an escape from its backslash on. */
  #escape(): string | undefined {
    const byte = this.#at + 1 < this.#end ? (this.#buffer[this.#at + 1] as number) : 0;
    const plain = escapes.get(byte);
    if (plain !== undefined) {
      this.#at += 2;
      return plain;
    }
    const unit = byte === 117 ? this.#hex(this.#at + 2) : -1;
    if (unit < 0 || (unit >= 0xdc00 && unit <= 0xdfff)) return this.#badEscape();
    this.#at += 6;
    if (unit < 0xd800 || unit > 0xdbff) return String.fromCharCode(unit);
    const isPair = this.#at + 1 < this.#end && this.#buffer[this.#at] === 92 && this.#buffer[this.#at + 1] === 117;
    const low = isPair ? this.#hex(this.#at + 2) : -1;
    if (low < 0xdc00 || low > 0xdfff) return this.#badEscape();
    this.#at += 6;
    return String.fromCharCode(unit, low);
  }

  #badEscape(): undefined {
    this.#fail('an escape in a string is none');
    return undefined;
  }

  /** Four hexadecimal digits; -1 when there are none. */
  #hex(at: number): number {
    if (at + 4 > this.#end) return -1;
    const digits = this.#buffer.latin1Slice(at, at + 4);
    return /^[0-9a-fA-F]{4}$/.test(digits) ? parseInt(digits, 16) : -1;
  }

  #number(): JsonValue | undefined {
    const start = this.#at;
    const digitsFrom = this.#buffer[start] === 45 ? start + 1 : start;
    let at = this.#digits(digitsFrom);
    const whole = at - digitsFrom;
    const isWellFormed = whole > 0 && (whole === 1 || this.#buffer[digitsFrom] !== 48);
    let isInteger = true;
    let isComplete = isWellFormed;
    if (at < this.#end && this.#buffer[at] === 46) {
      isInteger = false;
      const to = this.#digits(at + 1);
      isComplete &&= to > at + 1;
      at = to;
    }
    if (at < this.#end && ((this.#buffer[at] as number) | 32) === 101) {
      isInteger = false;
      const sign = at + 1 < this.#end ? this.#buffer[at + 1] : 0;
      const from = sign === 43 || sign === 45 ? at + 2 : at + 1;
      const to = this.#digits(from);
      isComplete &&= to > from;
      at = to;
    }
    this.#at = at;
    if (isComplete) return isInteger ? this.#integer(start, at) : this.#double(start, at);
    this.#fail('a number is malformed');
    return undefined;
  }

  /** Where the digits from `at` on end. */
  #digits(at: number): number {
    let to = at;
    while (to < this.#end && (this.#buffer[to] as number) >= 48 && (this.#buffer[to] as number) <= 57) to++;
    return to;
  }

  #integer(from: number, to: number): JsonValue | undefined {
    const digits = this.#buffer.latin1Slice(from, to);
    // Adding 0 makes 0 of -0.
    if (digits.length <= safeDigits) return Number(digits) + 0;
    if (digits.length <= digitsMax) return jsonInteger(BigInt(digits));
    this.#fail(`an integer has more than ${digitsMax} digits`);
    return undefined;
  }

  #double(from: number, to: number): JsonValue | undefined {
    const value = Number(this.#buffer.latin1Slice(from, to));
    if (Number.isFinite(value)) return new JsonDouble(value);
    this.#fail('a number is too large');
    return undefined;
  }

  /** The byte behind blanks, not taken; -1 at the end. */
  #next(): number {
    while (this.#at < this.#end) {
      const byte = this.#buffer[this.#at] as number;
      if (byte !== 32 && byte !== 10 && byte !== 13 && byte !== 9) return byte;
      this.#at++;
    }
    return -1;
  }

  #fail(reason: string): JsonFailure {
    this.#failure ??= new JsonFailure(`invalid JSON at byte ${this.#at - this.#start}: ${reason}`);
    return this.#failure;
  }
}

const escapes: ReadonlyMap<number, string> = new Map([
  [34, '"'],
  [92, '\\'],
  [47, '/'],
  [98, '\b'],
  [102, '\f'],
  [110, '\n'],
  [114, '\r'],
  [116, '\t'],
]);
