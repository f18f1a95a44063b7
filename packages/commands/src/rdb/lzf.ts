/**
 * LZF, in which Redis compresses strings of a payload: runs of literal bytes and references to what came before.
 *
 *   000LLLLL                      L + 1 literal bytes follow
 *   LLLooooo oooooooo             L + 2 bytes (L below 7) from o + 1 bytes back
 *   111ooooo LLLLLLLL oooooooo    L + 9 bytes from o + 1 bytes back
 *
 * Only reading: what is written is not compressed.
 */
import type { Span } from '@holdfast/engine';
import { RdbFailure } from './rdb-format.ts';

/** Three bytes become at most 264, so no more than this times the compressed length can come out. */
export const lzfFactorMax = 88;

/** @throws RdbFailure unless exactly `length` bytes come out. `length` is bounded by the caller. */
export function unpackLzf({ buffer, start, end }: Span, length: number): Buffer {
  const into = Buffer.allocUnsafe(length);
  let written = 0;
  for (let at = start; at < end;) {
    const control = buffer[at++] as number;
    if (control < 32) {
      const run = control + 1;
      if (at + run > end || written + run > length) throw new RdbFailure('a compressed string runs over its end');
      buffer.copy(into, written, at, at + run);
      at += run;
      written += run;
      continue;
    }
    let run = (control >>> 5) + 2;
    if (run === 9) run += buffer[at++] ?? 0;
    if (at >= end) throw new RdbFailure('a compressed string ends within a reference');
    const from = written - ((control & 31) << 8) - (buffer[at++] as number) - 1;
    if (from < 0 || written + run > length) throw new RdbFailure('a compressed string refers to what it does not hold');
    // Byte by byte: a reference may reach into what it is making.
    for (let i = 0; i < run; i++) into[written + i] = into[from + i] as number;
    written += run;
  }
  if (written !== length) throw new RdbFailure(`a compressed string has ${written} bytes and says ${length}`);
  return into;
}
