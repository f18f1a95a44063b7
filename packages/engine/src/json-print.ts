/**
 * Prints values as JSON text, byte for byte as Kvrocks stores and answers them: no blanks, members in key order, control
 * characters and 0x7f as escapes with upper case digits, doubles in their shortest form with a point or an exponent so
 * that they stay doubles. A layout adds what INDENT, NEWLINE and SPACE of JSON.GET ask for.
 */
import {
  JsonDouble,
  JsonFailure,
  jsonLimits,
  tooDeep,
  tooLarge,
  type JsonLimits,
  type JsonValue,
} from './json-value.ts';

export interface JsonLayout {
  /** Written once per level in front of every element. */
  readonly indent: string;
  /** Written in front of every element and of the end of a container. */
  readonly newline: string;
  /** Written behind the colon. */
  readonly space: string;
}

/** Positional notation for 10^-4 <= |v| < 10^17, an exponent elsewhere. */
const smallestPoint = -4;
const largestPoint = 17;

/** A double as Kvrocks prints it. */
export function printDouble(value: number): string {
  if (value === 0) return '0.0';
  const [mantissa, power] = value.toExponential().split('e') as [string, string];
  const sign = mantissa.startsWith('-') ? '-' : '';
  const digits = mantissa.replace('-', '').replace('.', '');
  const exponent = Number(power);
  // Where the point stands behind the first digit's place.
  const point = exponent + 1;
  if (point > largestPoint || point <= smallestPoint) return sign + withExponent(digits, exponent);
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  if (digits.length <= point) return `${sign}${digits.padEnd(point, '0')}.0`;
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}

function withExponent(digits: string, exponent: number): string {
  const fraction = digits.length > 1 ? `.${digits.slice(1)}` : '';
  const power = String(Math.abs(exponent)).padStart(2, '0');
  return `${digits[0] ?? ''}${fraction}e${exponent < 0 ? '-' : '+'}${power}`;
}

const special = /["\\\u0000-\u001f\u007f]/;
const specials = /["\\\u0000-\u001f\u007f]/g;
const shortEscapes: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
};

function escapeOf(character: string): string {
  return shortEscapes[character] ?? `\\u${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`;
}

export function printString(text: string): string {
  return special.test(text) ? `"${text.replace(specials, escapeOf)}"` : `"${text}"`;
}

/** A container half printed. */
interface Frame {
  readonly members: Iterator<[string, JsonValue]> | undefined;
  readonly items: readonly JsonValue[];
  index: number;
}

/** The text of a value, or a JsonFailure when it passes the limits. */
export function printJson(
  value: JsonValue,
  layout?: JsonLayout,
  limits: JsonLimits = jsonLimits,
): string | JsonFailure {
  return new Printer(layout, limits).print(value);
}

class Printer {
  readonly #layout: JsonLayout | undefined;
  readonly #limits: JsonLimits;
  readonly #frames: Frame[] = [];
  #text = '';

  constructor(layout: JsonLayout | undefined, limits: JsonLimits) {
    this.#layout = layout;
    this.#limits = limits;
  }

  print(value: JsonValue): string | JsonFailure {
    const limits = this.#limits;
    this.#begin(value);
    for (let frame = this.#frames.at(-1); frame !== undefined; frame = this.#frames.at(-1)) {
      if (this.#text.length > limits.bytesMax) return tooLarge(limits);
      if (this.#frames.length > limits.nestingMax) return tooDeep(limits);
      if (frame.members === undefined) this.#nextItem(frame);
      else this.#nextMember(frame, frame.members);
    }
    return this.#text.length > limits.bytesMax ? tooLarge(limits) : this.#text;
  }

  /** Prints a scalar or an empty container, or begins a container. */
  #begin(value: JsonValue): void {
    if (Array.isArray(value)) {
      this.#text += value.length === 0 ? '[]' : '[';
      if (value.length > 0) this.#frames.push({ members: undefined, items: value, index: 0 });
    } else if (value instanceof Map) {
      this.#text += value.size === 0 ? '{}' : '{';
      if (value.size > 0) this.#frames.push({ members: value.entries(), items: [], index: 0 });
    } else this.#text += printScalar(value);
  }

  #nextItem(frame: Frame): void {
    if (frame.index === frame.items.length) return this.#end(']');
    this.#separate(frame);
    this.#begin(frame.items[frame.index++] as JsonValue);
  }

  #nextMember(frame: Frame, members: Iterator<[string, JsonValue]>): void {
    const next = members.next();
    if (next.done === true) return this.#end('}');
    this.#separate(frame);
    frame.index++;
    this.#text += printString(next.value[0]) + ':';
    if (this.#layout !== undefined) this.#text += this.#layout.space;
    this.#begin(next.value[1]);
  }

  #separate({ index }: Frame): void {
    if (index > 0) this.#text += ',';
    if (this.#layout !== undefined) this.#breakLine(this.#layout);
  }

  #end(bracket: string): void {
    this.#frames.pop();
    if (this.#layout !== undefined) this.#breakLine(this.#layout);
    this.#text += bracket;
  }

  #breakLine({ newline, indent }: JsonLayout): void {
    this.#text += newline;
    for (let i = 0; i < this.#frames.length && indent !== ''; i++) this.#text += indent;
  }
}

function printScalar(value: Exclude<JsonValue, JsonValue[] | Map<string, JsonValue>>): string {
  if (typeof value === 'string') return printString(value);
  return value instanceof JsonDouble ? printDouble(value.value) : String(value);
}
