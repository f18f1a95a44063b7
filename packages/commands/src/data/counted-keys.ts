/** Commands that say how many keys follow: LMPOP, ZMPOP, SINTERCARD, EVAL and the like. */
import type { Request } from '@holdfast/resp';

/**
 * Indexes of the keys behind the argument `countIndex`, which says how many they are; none when it is no such number or the
 * request is too short, which the command's `parse` then refuses.
 */
export function countedKeys(request: Request, countIndex: number): number[] {
  const count = countIndex < request.count ? request.integer(countIndex) : NaN;
  if (!(count > 0) || countIndex + count >= request.count) return [];
  return Array.from({ length: count }, (_, i) => countIndex + 1 + i);
}
