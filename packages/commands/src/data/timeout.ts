/**
 * How long a blocking command waits, in seconds, as Redis reads it (getTimeoutFromObjectOrReply): a decimal or hexadecimal
 * float without blanks, rounded up to whole milliseconds; 0 waits for ever.
 */
import type { Request } from '@holdfast/resp';
import { Refusal } from '../command.ts';

const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const hexadecimal = /^([+-]?)(0x[0-9a-f]+)$/i;
const infinite = /^([+-]?)inf(inity)?$/i;

/**
 * Redis refuses what overflows int64 when the present time in ms is added. There is no clock here, so the margin is that of
 * the year 2248; the difference is far beyond any wait.
 */
const timeoutMsMax = 2 ** 63 - 2 ** 43;

/** Reads the timeout that is argument `index`. @returns milliseconds; 0 waits for ever. */
export function parseTimeout(request: Request, index: number): number | Refusal {
  const seconds = secondsOf(request.latin1(index));
  if (Number.isNaN(seconds)) return new Refusal('ERR timeout is not a float or out of range');
  const ms = Math.ceil(seconds * 1000);
  if (ms < 0) return new Refusal('ERR timeout is negative');
  if (ms > timeoutMsMax) return new Refusal('ERR timeout is out of range');
  return ms === 0 ? 0 : ms;
}

function secondsOf(text: string): number {
  if (decimal.test(text)) {
    const value = Number(text);
    // What a double cannot tell from 0 is still a time, and must not wait for ever.
    return value === 0 && /^[+.0]*[1-9]/.test(text) ? Number.MIN_VALUE : value;
  }
  const hex = hexadecimal.exec(text);
  if (hex !== null) return Number(hex[2]) * (hex[1] === '-' ? -1 : 1);
  const endless = infinite.exec(text);
  if (endless !== null) return endless[1] === '-' ? -Infinity : Infinity;
  return NaN;
}
