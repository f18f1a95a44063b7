/**
 * INCRBYFLOAT and HINCRBYFLOAT as Redis computes them: in x86's 80-bit long double, printed with 17 decimals and the
 * zeros at the end cut off. JavaScript has only 64-bit doubles, so numbers here are mantissa x 2^exponent in BigInts,
 * the mantissa rounded to 64 bits (half to even) after reading and after adding, and printing rounds the exact decimal
 * expansion. Exponents are bounded as in the hardware; denormals, far below the 17 decimals that are printed, are not
 * told apart from 0.
 *
 * Not taken: hexadecimal floats, which strtold would accept.
 */

export interface LongDouble {
  /** Below 2^64 in size. */
  readonly mantissa: bigint;
  readonly exponent: number;
}

const mantissaBits = 64;
const decimals = 17;
/** The largest long double is below 2^16384. */
const exponentMax = 16384;
/** Decimal exponents beyond this are infinite, or 0, whatever the digits are. */
const decimalExponentMax = 5200;
const digitsMax = 5 * 1024;

const pattern = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,9}))?$/;
const infinity = /^[+-]?inf(?:inity)?$/i;

const zero: LongDouble = { mantissa: 0n, exponent: 0 };

function bitLength(value: bigint): number {
  return value === 0n ? 0 : value.toString(2).length;
}

/** value / 2^shift to the nearest whole number, halves to even. `value` is not negative. */
function shiftRounded(value: bigint, shift: bigint): bigint {
  const quotient = value >> shift;
  const rest = value - (quotient << shift);
  const half = 1n << (shift - 1n);
  if (rest > half || (rest === half && (quotient & 1n) === 1n)) return quotient + 1n;
  return quotient;
}

/** The nearest long double to mantissa x 2^exponent; undefined when it is infinite. */
function rounded(mantissa: bigint, exponent: number): LongDouble | undefined {
  if (mantissa === 0n) return zero;
  const isNegative = mantissa < 0n;
  let magnitude = isNegative ? -mantissa : mantissa;
  let scale = exponent;
  const excess = bitLength(magnitude) - mantissaBits;
  if (excess > 0) {
    magnitude = shiftRounded(magnitude, BigInt(excess));
    scale += excess;
  }
  if (bitLength(magnitude) + scale > exponentMax) return undefined;
  return { mantissa: isNegative ? -magnitude : magnitude, exponent: scale };
}

/** Reads a decimal number. `invalid` when `text` is none, or beyond the range; `infinite` when it says so. */
export function parseLongDouble(text: string): LongDouble | 'invalid' | 'infinite' {
  if (text.length > digitsMax) return 'invalid';
  if (infinity.test(text)) return 'infinite';
  const match = pattern.exec(text);
  const whole = match?.[2] ?? '';
  const fraction = match?.[3] ?? '';
  if (match === null || whole.length + fraction.length === 0) return 'invalid';
  const digits = BigInt(whole + fraction);
  const power = Number(match[4] ?? 0) - fraction.length;
  if (digits === 0n || power < -decimalExponentMax - digitsMax) return zero;
  if (power > decimalExponentMax) return 'invalid';
  const signed = match[1] === '-' ? -digits : digits;
  return decimal(signed, power) ?? 'invalid';
}

/** The nearest long double to digits x 10^power. */
function decimal(digits: bigint, power: number): LongDouble | undefined {
  if (power >= 0) return rounded(digits * 10n ** BigInt(power), 0);
  // Divide with enough bits that the quotient has 66 of them, and let a sticky bit stand for the rest.
  const divisor = 10n ** BigInt(-power);
  const isNegative = digits < 0n;
  const magnitude = isNegative ? -digits : digits;
  const shift = Math.max(0, mantissaBits + 2 + bitLength(divisor) - bitLength(magnitude));
  const dividend = magnitude << BigInt(shift);
  const quotient = dividend / divisor;
  const sticky = quotient * divisor === dividend ? 0n : 1n;
  const extended = (quotient << 1n) | sticky;
  return rounded(isNegative ? -extended : extended, -shift - 1);
}

/** The nearest long double to the sum; undefined when it is infinite. */
export function addLongDouble(a: LongDouble, b: LongDouble): LongDouble | undefined {
  const exponent = Math.min(a.exponent, b.exponent);
  const sum = (a.mantissa << BigInt(a.exponent - exponent)) + (b.mantissa << BigInt(b.exponent - exponent));
  return rounded(sum, exponent);
}

/** As Redis prints it: `%.17Lf` without the zeros, and the point, at the end. */
export function formatLongDouble({ mantissa, exponent }: LongDouble): string {
  const isNegative = mantissa < 0n;
  const scaled = (isNegative ? -mantissa : mantissa) * 10n ** BigInt(decimals);
  const units = exponent >= 0 ? scaled << BigInt(exponent) : shiftRounded(scaled, BigInt(-exponent));
  const text = units.toString().padStart(decimals + 1, '0');
  const fraction = text.slice(-decimals).replace(/0+$/, '');
  const whole = text.slice(0, -decimals);
  const number = fraction === '' ? whole : `${whole}.${fraction}`;
  return isNegative && units !== 0n ? `-${number}` : number;
}
