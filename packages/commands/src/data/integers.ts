/**
 * Whole numbers as Redis reads them from values (string2ll): decimal, no blanks, no plus, no leading zeros, int64.
 * Small ones stay JavaScript numbers; only what may leave the safe range takes the way over BigInt.
 */
import type { Span } from '@holdfast/engine';

export const int64Max: bigint = 2n ** 63n - 1n;
export const int64Min: bigint = -(2n ** 63n);

/** Digits that always fit a safe integer. */
const safeDigits = 15;

/** The number that `text` is, when it has at most 15 digits; NaN otherwise. */
export function safeIntegerOf({ buffer, start, end }: Span): number {
  const isNegative = buffer[start] === 45;
  let at = isNegative ? start + 1 : start;
  const digits = end - at;
  if (digits <= 0 || digits > safeDigits) return NaN;
  if (buffer[at] === 48) return digits === 1 && !isNegative ? 0 : NaN;
  let value = 0;
  for (; at < end; at++) {
    const digit = (buffer[at] as number) - 48;
    if (digit < 0 || digit > 9) return NaN;
    value = value * 10 + digit;
  }
  return isNegative ? -value : value;
}

/** The number that `text` is; undefined when it is none or lies outside int64. */
export function int64Of(text: Span): bigint | undefined {
  const small = safeIntegerOf(text);
  if (!Number.isNaN(small)) return BigInt(small);
  if (text.end - text.start > 20) return undefined;
  const digits = text.buffer.latin1Slice(text.start, text.end);
  if (!/^-?[1-9][0-9]*$/.test(digits)) return undefined;
  const value = BigInt(digits);
  return isInt64(value) ? value : undefined;
}

export function isInt64(value: bigint): boolean {
  return value >= int64Min && value <= int64Max;
}

/**
 * The sum of a stored number and an increment.
 * @returns undefined when it leaves int64.
 */
export function addInt64(value: bigint, increment: bigint): bigint | undefined {
  const sum = value + increment;
  return isInt64(sum) ? sum : undefined;
}
