/**
 * The options that say when a key dies: EX, PX, EXAT, PXAT, KEEPTTL, PERSIST. Parsed without a clock; the instant is
 * taken when the command runs.
 */
import type { Request } from '@holdfast/resp';
import { Refusal, errors } from '../command.ts';

/** `in`: ms from now; `at`: Unix time in ms; `keep`: as it was; `none`: never. */
export interface Expiry {
  readonly kind: 'none' | 'keep' | 'in' | 'at';
  readonly ms: number;
}

export const noExpiry: Expiry = { kind: 'none', ms: 0 };
export const keepExpiry: Expiry = { kind: 'keep', ms: 0 };

/** Whether the options name a time, in place of keeping or dropping what there was. */
export function isTimed({ kind }: Expiry): boolean {
  return kind === 'in' || kind === 'at';
}

/** Latest instant that is kept: numbers above lose whole milliseconds (some 285,000 years from now). */
export const expireMsMax: number = Number.MAX_SAFE_INTEGER;

/** Units by option word. */
const units: readonly { word: string; kind: 'in' | 'at'; factor: number }[] = [
  { word: 'ex', kind: 'in', factor: 1000 },
  { word: 'px', kind: 'in', factor: 1 },
  { word: 'exat', kind: 'at', factor: 1000 },
  { word: 'pxat', kind: 'at', factor: 1 },
];

/**
 * Reads EX, PX, EXAT or PXAT and its value at `index`.
 * @returns undefined when the argument is none of them, or has no value after it.
 */
export function parseTimedExpiry(request: Request, index: number, command: string): Expiry | Refusal | undefined {
  if (index + 1 >= request.count) return undefined;
  for (const { word, kind, factor } of units) {
    if (!request.is(index, word)) continue;
    const ms = parsePositiveTime(request, index + 1, factor, command);
    return ms instanceof Refusal ? ms : { kind, ms };
  }
  return undefined;
}

/** A time of at least 1 in units of `factor` ms. */
export function parsePositiveTime(request: Request, index: number, factor: number, command: string): number | Refusal {
  const value = request.int64(index);
  if (value === undefined) return new Refusal(errors.notInteger);
  const ms = Number(value) * factor;
  if (value <= 0n || ms > expireMsMax) return invalidExpire(command);
  return ms;
}

export function invalidExpire(command: string): Refusal {
  return new Refusal(`ERR invalid expire time in '${command}' command`);
}

/**
 * The Unix time in ms at which a key written now dies; 0 never. May lie in the past.
 * @param currentMs what it is now, for KEEPTTL.
 * @returns undefined when it is too far away to be kept.
 */
export function expireMsOf(expiry: Expiry, nowMs: number, currentMs: number): number | undefined {
  switch (expiry.kind) {
    case 'none':
      return 0;
    case 'keep':
      return currentMs;
    case 'at':
      return expiry.ms;
    case 'in':
      return expiry.ms + nowMs > expireMsMax ? undefined : expiry.ms + nowMs;
    default:
      return expiry.kind satisfies never;
  }
}
