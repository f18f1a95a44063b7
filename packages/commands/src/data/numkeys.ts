/** Commands that are told how many keys follow: ZUNION 2 a b, LMPOP 1 a LEFT, SINTERCARD 2 a b, EVAL text 1 a. */
import type { Request } from '@holdfast/resp';
import { Refusal, errors } from '../command.ts';
import { longOf } from './arguments.ts';

/**
 * Indexes of the keys behind the argument `countIndex`, which says how many they are; none when it is no such number or the
 * request is too short, which the command's `parse` then refuses.
 */
export function countedKeys(request: Request, countIndex: number): number[] {
  const count = countIndex < request.count ? request.integer(countIndex) : NaN;
  if (!(count > 0) || countIndex + count >= request.count) return [];
  return Array.from({ length: count }, (_, i) => countIndex + 1 + i);
}

/**
 * A number that must be 1 or more, such as numkeys or COUNT of the pops.
 * @param name how the error calls it; what is no number at all is also said in Kvrocks' words, which its tests ask for.
 */
export function parsePositive(request: Request, at: number, name: string): number | Refusal {
  const value = longOf(request, at);
  if (value >= 1) return value;
  return new Refusal(`ERR ${name} should be greater than 0${Number.isNaN(value) ? ': not started as an integer' : ''}`);
}

/** The count of ZUNION and its like: at least one key, and all of them there. */
export function parseInputCount(request: Request, at: number, command: string): number | Refusal {
  const count = longOf(request, at);
  if (Number.isNaN(count)) return new Refusal(errors.notInteger);
  if (count < 1) return new Refusal(`ERR at least 1 input key is needed for '${command}' command`);
  return count > request.count - at - 1 ? new Refusal(errors.syntax) : count;
}
