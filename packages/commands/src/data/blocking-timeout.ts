/** How long a blocking command waits (BLPOP, BZPOPMIN, BLMOVE, …): seconds with a fraction, 0 for ever. */
import type { Request } from '@holdfast/resp';
import { Refusal } from '../command.ts';
import { parseDouble } from './doubles.ts';

/** Milliseconds of argument `at`, rounded up; the error is also said in Kvrocks' words, which its tests ask for. */
export function parseBlockingTimeout(request: Request, at: number): number | Refusal {
  const seconds = parseDouble(request.latin1(at));
  if (Number.isNaN(seconds)) {
    return new Refusal('ERR timeout is not a float or out of range: not started as a number');
  }
  const timeoutMs = Math.ceil(seconds * 1000);
  if (timeoutMs > Number.MAX_SAFE_INTEGER) return new Refusal('ERR timeout is out of range');
  return timeoutMs < 0 ? new Refusal('ERR timeout is negative') : timeoutMs;
}
