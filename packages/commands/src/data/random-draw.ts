/** What SRANDMEMBER, HRANDFIELD, ZRANDMEMBER and SPOP share: how many are wanted, and drawing them. */
import type { Random } from '@holdfast/base';
import type { Request } from '@holdfast/resp';
import { Refusal, errors } from '../command.ts';
import { distinctPositions, repeatedPositions } from './random-positions.ts';

/** Repeated draws in one reply: a short request must not ask for gigabytes. */
const repeatsMax = 1 << 20;

export interface RandomDraw {
  readonly request: Request;
  /** Undefined: one, not in an array. Negative: the same one may come again. */
  readonly count: number | undefined;
  /** The option was given. */
  readonly isWithMore: boolean;
}

/** Argument 2 as a count; none is undefined. */
export function parseDrawCount(request: Request): number | undefined | Refusal {
  if (request.count === 2) return undefined;
  const count = request.int64(2);
  if (count === undefined) return new Refusal(errors.notInteger);
  return count < BigInt(-repeatsMax) ? new Refusal('ERR value is out of range') : Number(count);
}

/** A count, and behind it the word `option`, e.g. WITHSCORES. */
export function parseRandomDraw(request: Request, option: string): RandomDraw | Refusal {
  const count = parseDrawCount(request);
  if (request.count === 2 || (count instanceof Refusal && count.message === errors.notInteger)) {
    return count instanceof Refusal ? count : { request, count, isWithMore: false };
  }
  if (request.count > 4 || (request.count === 4 && !request.is(3, option))) return new Refusal(errors.syntax);
  return count instanceof Refusal ? count : { request, count, isWithMore: request.count === 4 };
}

/**
 * Draws from `size` elements: with a count of 0 or more that many distinct ones, rising; with a negative one each draw by
 * itself, in the order drawn.
 * @param elementsAt what stands at rising positions, of which some may be there several times; fewer when it ends before.
 */
export function drawElements<T>(
  random: Random,
  size: number,
  count: number,
  elementsAt: (positions: readonly number[]) => readonly T[],
): readonly T[] {
  if (size === 0) return [];
  if (count >= 0) return elementsAt(distinctPositions(random, size, Math.min(count, size)));
  const { positions, draws } = repeatedPositions(random, size, -count);
  const drawn: T[] = [];
  elementsAt(positions).forEach((element, i) => (drawn[draws[i] as number] = element));
  return drawn.filter((element) => element !== undefined);
}
