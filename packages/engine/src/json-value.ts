/**
 * JSON values as documents hold them. JavaScript's own objects and numbers will not do: an object would put the key "2"
 * before "a", and a number would lose integers beyond 2^53 and the difference between 2 and 2.0, all of which Kvrocks
 * keeps. So an object is a Map whose keys stand in the byte order of their UTF-8 form, as Kvrocks stores them; an integer
 * is a safe number or, beyond those, a bigint; what was written with a point or an exponent is a JsonDouble.
 *
 * Strings are valid Unicode: the readers of text and of CBOR let nothing else in.
 */

/** A number with a fraction or an exponent, finite. */
export class JsonDouble {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

export type JsonArray = JsonValue[];
/** Keys rise in byte order; change it with `putJsonMember` or build it with `jsonObjectOf`. */
export type JsonObject = Map<string, JsonValue>;
/** `number`: a safe integer; `bigint`: an integer beyond. */
export type JsonValue = null | boolean | string | number | bigint | JsonDouble | JsonArray | JsonObject;

/** How deep documents may nest, whatever is configured: what walks them must not run out of stack. */
export const nestingLimit = 2048;
/** Bytes of a document's text, and of what one command prints of it. Strings of half a gigabyte would be JavaScript's end. */
export const documentBytesMax: number = 64 << 20;

/** What a value may take up once written. */
export interface JsonLimits {
  /** Of the text, characters. */
  readonly bytesMax: number;
  /** Levels of arrays and objects. */
  readonly nestingMax: number;
}

export const jsonLimits: JsonLimits = { bytesMax: documentBytesMax, nestingMax: nestingLimit };

/** Text or bytes were no document, or a value is too large to be one. */
export class JsonFailure {
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }
}

export function tooLarge({ bytesMax }: JsonLimits): JsonFailure {
  return new JsonFailure(`the document would have more than ${bytesMax} bytes`);
}

export function tooDeep({ nestingMax }: JsonLimits): JsonFailure {
  return new JsonFailure(`the document would nest deeper than ${nestingMax} levels`);
}

export function isJsonObject(value: JsonValue): value is JsonObject {
  return value instanceof Map;
}

/** An integer in the form values have. */
export function jsonInteger(value: bigint): number | bigint {
  const small = Number(value);
  return Number.isSafeInteger(small) ? small : value;
}

/** The number that a value is; undefined when it is none. */
export function jsonNumber(value: JsonValue): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  return value instanceof JsonDouble ? value.value : undefined;
}

/** A UTF-16 unit moved so that units compare as the code points they belong to: surrogates above everything else. */
function rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit >= 0xe000 ? unit - 0x800 : unit + 0x2000;
}

/** Compares two strings as the bytes of their UTF-8 forms compare. */
export function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const left = a.charCodeAt(i);
    const right = b.charCodeAt(i);
    if (left !== right) return rank(left) - rank(right);
  }
  return a.length - b.length;
}

/** An object of members in any order. Of a key given twice the first value counts, as in Kvrocks. */
export function jsonObjectOf(keys: readonly string[], values: readonly JsonValue[]): JsonObject {
  const object: JsonObject = new Map();
  let isSorted = true;
  for (let i = 1; i < keys.length && isSorted; i++)
    isSorted = compareText(keys[i - 1] as string, keys[i] as string) < 0;
  if (isSorted) {
    for (let i = 0; i < keys.length; i++) object.set(keys[i] as string, values[i] as JsonValue);
    return object;
  }
  const order = keys.map((_, index) => index);
  order.sort((a, b) => compareText(keys[a] as string, keys[b] as string) || a - b);
  for (const index of order) {
    const key = keys[index] as string;
    if (!object.has(key)) object.set(key, values[index] as JsonValue);
  }
  return object;
}

/** Puts a member in its place in the order. Costs O(n) when the key is new. */
export function putJsonMember(object: JsonObject, key: string, value: JsonValue): void {
  if (object.has(key)) {
    object.set(key, value);
    return;
  }
  putJsonMembers(object, new Map([[key, value]]));
}

/** Puts several members, given in any order; later ones replace. */
export function putJsonMembers(object: JsonObject, members: JsonObject): void {
  const keys = [...object.keys()];
  const before = keys.length;
  for (const [key, value] of members) {
    if (!object.has(key)) keys.push(key);
    object.set(key, value);
  }
  if (keys.length === before) return;
  const values = keys.map((key) => object.get(key) as JsonValue);
  const sorted = jsonObjectOf(keys, values);
  object.clear();
  for (const [key, value] of sorted) object.set(key, value);
}

/** Whether two values are the same; numbers by what they count, so 1 equals 1.0. */
export function sameJson(a: JsonValue, b: JsonValue): boolean {
  if (a === b) return true;
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false;
    // One frame per level: no callback.
    for (let i = 0; i < a.length; i++) if (!sameJson(a[i] as JsonValue, b[i] as JsonValue)) return false;
    return true;
  }
  if (isJsonObject(a)) {
    if (!isJsonObject(b) || a.size !== b.size) return false;
    for (const [key, value] of a) {
      const other = b.get(key);
      if (other === undefined || !sameJson(value, other)) return false;
    }
    return true;
  }
  return compareJsonNumbers(a, b) === 0;
}

/** The order of two numbers, exact for integers of any size; undefined when one of them is no number. */
export function compareJsonNumbers(a: JsonValue, b: JsonValue): number | undefined {
  const left = a instanceof JsonDouble ? a.value : a;
  const right = b instanceof JsonDouble ? b.value : b;
  if (typeof left !== 'number' && typeof left !== 'bigint') return undefined;
  if (typeof right !== 'number' && typeof right !== 'bigint') return undefined;
  if (left < right) return -1;
  return left > right ? 1 : 0;
}
