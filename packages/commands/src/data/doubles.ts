/**
 * Double-precision numbers as Redis reads and prints them: scores, weights, coordinates, radii. What Redis reads with
 * strtod JavaScript reads to the same bits, and the shortest text that reads back to a double is the same digits on both
 * sides; only notation differs. Not taken: hexadecimal floats, which strtod would accept.
 */
import type { Request } from '@holdfast/resp';

const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const infinite = /^([+-]?)inf(?:inity)?$/i;
const isZero = /^[+-]?[0.]*(?:[eE]|$)/;

/**
 * A number, the way arguments are read (getDoubleFromObject): no blanks, no NaN, nothing beyond the range.
 * @returns NaN when `text` is none.
 */
export function parseDouble(text: string): number {
  const value = parseDoubleLeniently(text);
  if (text === '' || ((value === 0 || !Number.isFinite(value)) && isOutOfRange(text))) return NaN;
  return value;
}

/** Digits that are too large or too small for a double. */
function isOutOfRange(text: string): boolean {
  return !infinite.test(text) && !isZero.test(text);
}

/** As ends of score ranges are read (zslParseRange): nothing is 0, and what is too large is infinite. NaN for no number. */
export function parseDoubleLeniently(text: string): number {
  if (text === '') return 0;
  if (decimal.test(text)) return Number(text);
  const match = infinite.exec(text);
  if (match === null) return NaN;
  return match[1] === '-' ? -Infinity : Infinity;
}

/** Argument `index` as `parseDouble` reads it; short ones without an exponent without making a string. */
export function doubleOf(request: Request, index: number): number {
  const short = shortDecimalOf(request.buffer, request.start(index), request.end(index));
  return Number.isNaN(short) ? parseDouble(request.latin1(index)) : short;
}

const plus = 43;
const minus = 45;
const point = 46;
const zero = 48;
/** So many digits are a whole number that a double holds, and so are powers of ten of fewer digits behind the point. */
const exactDigits = 15;
const powersOfTen: readonly number[] = Array.from({ length: exactDigits + 1 }, (_, power) => 10 ** power);

/**
 * A sign, digits, a point: the quotient of two numbers that doubles hold is the double nearest to the number that was
 * written, as reading it otherwise gives.
 * @returns NaN when it is longer or anything else.
 */
function shortDecimalOf(buffer: Buffer, start: number, end: number): number {
  const sign = buffer[start] as number;
  let at = sign === minus || sign === plus ? start + 1 : start;
  const first = at;
  if (end - at > exactDigits + 1) return NaN;
  let value = 0;
  let pointAt = -1;
  for (; at < end; at++) {
    const digit = (buffer[at] as number) - zero;
    if (digit >= 0 && digit <= 9) value = value * 10 + digit;
    else if (digit === point - zero && pointAt < 0) pointAt = at;
    else return NaN;
  }
  const digits = end - first - (pointAt < 0 ? 0 : 1);
  if (digits <= 0 || digits > exactDigits) return NaN;
  if (pointAt >= 0) value /= powersOfTen[end - 1 - pointAt] as number;
  return sign === minus ? -value : value;
}

/** Whole numbers up to half the int64 range are printed digit by digit. */
const wholeMax = 2 ** 62;

/** A double as Redis 7.2 prints it: the shortest digits, with an exponent where plain notation grows long. */
export function formatDouble(value: number): string {
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : value < 0 ? '-inf' : 'inf';
  if (Number.isInteger(value) && Math.abs(value) <= wholeMax) {
    return Number.isSafeInteger(value) ? String(value) : BigInt(value).toString();
  }
  const [mantissa, power] = Math.abs(value).toExponential().split('e') as [string, string];
  const digits = mantissa.replace('.', '');
  const text = notate(digits, Number(power));
  return value < 0 ? `-${text}` : text;
}

/** @param power that of the first digit: 1.5 is digits 15 with power 0. */
function notate(digits: string, power: number): string {
  const count = digits.length;
  // Zeros that would follow the last digit; negative: digits behind the point.
  const shift = power - count + 1;
  if (shift >= 0 && power < count + 7) return digits + '0'.repeat(shift);
  if (shift < 0 && (shift > -7 || Math.abs(power) < 4)) {
    return power < 0
      ? `0.${'0'.repeat(-power - 1)}${digits}`
      : `${digits.slice(0, power + 1)}.${digits.slice(power + 1)}`;
  }
  const fraction = count > 1 ? `.${digits.slice(1)}` : '';
  return `${digits[0]}${fraction}e${power < 0 ? '-' : '+'}${Math.abs(power)}`;
}

/** A double the way coordinates are printed: exactly, up to 17 decimals, without zeros at the end. */
export function formatHuman(value: number): string {
  const text = value.toFixed(17);
  return text.replace(/\.?0+$/, '');
}
