/** How SORT orders: by numbers, elements with the same one by their bytes; or by text. */

/** An element and what it is ordered by. */
export interface Ranked {
  readonly element: Buffer;
  /** By numbers. An element without a weight has 0. */
  readonly score: number;
  /** By text; undefined when there is none, which comes first. */
  readonly text: Buffer | undefined;
}

/** The words C's strtod takes besides decimal numbers. */
const infinite = /^([+-]?)inf(?:inity)?$/i;
const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
const hexadecimal = /^([+-]?)(0x[0-9a-f]+)$/i;
/** Below it doubles lose digits, and C says that the number is out of range. */
const doubleMinNormal = 2.2250738585072014e-308;

/**
 * The number a text is, as C's strtod reads it when it must be read to its end: blanks may stand before it, nothing at all
 * is 0. @returns NaN when it is none, or too large or too small for a double.
 */
export function sortScore(text: string): number {
  if (text === '') return 0;
  const trimmed = text.replace(/^[ \t\n\v\f\r]+/, '');
  if (decimal.test(trimmed)) {
    const value = Number(trimmed);
    const isTooSmall = Math.abs(value) < doubleMinNormal && /^[^e]*[1-9]/i.test(trimmed);
    return Number.isFinite(value) && !isTooSmall ? value : NaN;
  }
  const hex = hexadecimal.exec(trimmed);
  if (hex !== null) return hex[1] === '-' ? -Number(hex[2]) : Number(hex[2]);
  const endless = infinite.exec(trimmed);
  if (endless !== null) return endless[1] === '-' ? -Infinity : Infinity;
  return NaN;
}

function byNumber(a: Ranked, b: Ranked): number {
  if (a.score > b.score) return 1;
  if (a.score < b.score) return -1;
  return a.element.compare(b.element);
}

function byText(a: Ranked, b: Ranked): number {
  if (a.text === undefined || b.text === undefined) return Number(b.text === undefined) - Number(a.text === undefined);
  return a.text.compare(b.text);
}

/** Puts elements in order, in place. */
export function sortRanked(ranked: Ranked[], how: { isAlpha: boolean; isDescending: boolean }): void {
  const compare = how.isAlpha ? byText : byNumber;
  ranked.sort(how.isDescending ? (a, b) => compare(b, a) : compare);
}
