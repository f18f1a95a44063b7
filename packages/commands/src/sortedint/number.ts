/** Unsigned 64-bit numbers as arguments and in replies. */
import type { Uint64 } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { safeIntegerOf } from '../data/integers.ts';

const half = 0x100000000;
const max = 2n ** 64n - 1n;

/** Decimal digits, as Kvrocks takes them; undefined when they are none or too large a number. */
export function parseUint64(request: Request, index: number, skip = 0): Uint64 | undefined {
  const text = { buffer: request.buffer, start: request.start(index) + skip, end: request.end(index) };
  const small = safeIntegerOf(text);
  if (small >= 0) return { high: Math.floor(small / half), low: small >>> 0 };
  const digits = text.buffer.latin1Slice(text.start, Math.max(text.start, text.end));
  if (digits.length > 40 || !/^[0-9]+$/.test(digits)) return undefined;
  const value = BigInt(digits);
  return value > max ? undefined : { high: Number(value >> 32n), low: Number(value & 0xffffffffn) };
}

/** Writes a number as a bulk string of its digits. */
export function replyUint64({ high, low }: Uint64, reply: ReplyWriter): void {
  const isSafe = high < 1 << 21;
  reply.bulkLatin1(isSafe ? String(high * half + low) : String((BigInt(high) << 32n) | BigInt(low)));
}
