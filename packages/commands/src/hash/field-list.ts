/** The part of a command that names fields: `FIELDS numfields field …`, with the texts of Redis 7.4. */
import type { Request } from '@holdfast/resp';
import { Refusal } from '../command.ts';

/** Fields of a command are its arguments from `first` on, `count` of them. */
export interface FieldList {
  readonly first: number;
  readonly count: number;
}

const noFields = 'ERR Mandatory argument FIELDS is missing or not at the right position';
const otherCount = 'ERR The `numfields` parameter must match the number of arguments';

/**
 * Reads FIELDS at `index` and what follows it, to the end of the request.
 * @param notPositive the text for a number that is none or less than 1; commands of Redis differ in it.
 */
export function parseFieldList(request: Request, index: number, notPositive: string): FieldList | Refusal {
  if (index >= request.count || !request.is(index, 'fields')) return new Refusal(noFields);
  const count = index + 1 < request.count ? request.int64(index + 1) : undefined;
  if (count === undefined || count < 1n) return new Refusal(notPositive);
  if (count !== BigInt(request.count - index - 2)) return new Refusal(otherCount);
  return { first: index + 2, count: Number(count) };
}
