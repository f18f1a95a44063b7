/** What INCRBYFLOAT and HINCRBYFLOAT share. */
import type { Request } from '@holdfast/resp';
import { Refusal, errors } from '../command.ts';
import { addLongDouble, formatLongDouble, parseLongDouble, type LongDouble } from './long-double.ts';

export interface FloatIncrement {
  readonly request: Request;
  readonly increment: LongDouble | 'infinite';
}

const overflow = 'ERR increment would produce NaN or Infinity';

/** Reads the increment, argument `index`. */
export function parseFloatIncrement(request: Request, index: number): FloatIncrement | Refusal {
  const increment = parseLongDouble(request.latin1(index));
  return increment === 'invalid' ? new Refusal(errors.notFloat) : { request, increment };
}

/**
 * Adds an increment to a stored float.
 * @param stored undefined when there is none: 0.
 * @returns `text` as Redis prints the sum, or `error`: the whole error line, `notFloat` when `stored` is no number.
 */
export function addFloat(
  stored: string | undefined,
  increment: LongDouble | 'infinite',
  notFloat: string,
): { text: string } | { error: string } {
  const value = parseLongDouble(stored ?? '0');
  if (value === 'invalid') return { error: notFloat };
  if (value === 'infinite' || increment === 'infinite') return { error: overflow };
  const sum = addLongDouble(value, increment);
  return sum === undefined ? { error: overflow } : { text: formatLongDouble(sum) };
}
