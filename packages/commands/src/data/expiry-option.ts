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
  /** The option that gave it, in lower case. */
  readonly word?: string;
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
    // Kvrocks' words behind Redis'.
    if (request.integer(index + 1) === 0) return new Refusal(`${invalidExpire(command).message}: out of numeric range`);
    const ms = parsePositiveTime(request, index + 1, factor, command);
    return ms instanceof Refusal ? ms : { kind, ms, word };
  }
  return undefined;
}

/** As `parseTimedExpiry` where `before` was given already: as in Kvrocks the same option may come again, and no other. */
export function parseAgain(
  request: Request,
  index: number,
  command: string,
  before: Expiry,
): Expiry | Refusal | undefined {
  const isOther = before.kind !== 'none' && !(before.word !== undefined && request.is(index, before.word));
  return isOther ? undefined : parseTimedExpiry(request, index, command);
}

/** All arguments from `first` on: one of EX, PX, EXAT, PXAT, or nothing. */
export function parseExpiryFrom(request: Request, first: number, command: string): Expiry | Refusal {
  let expiry = noExpiry;
  for (let index = first; index < request.count; index += 2) {
    const isCut = index + 1 === request.count && units.some(({ word }) => request.is(index, word));
    if (isCut) return new Refusal(`${errors.syntax}: no more item to parse`);
    const next = parseAgain(request, index, command, expiry) ?? new Refusal(errors.syntax);
    if (next instanceof Refusal) return next;
    expiry = next;
  }
  return expiry;
}

/**
 * Redis' refusal of what is no whole number, followed by what is wrong with it in Kvrocks' words, which its clients may look for.
 */
export function noInteger(request: Request, index: number): Refusal {
  const text = request.latin1(index);
  if (!/^[+-]?[0-9]/.test(text)) return new Refusal(`${errors.notInteger}: not started as an integer`);
  const hasOther = !/^[+-]?[0-9]*$/.test(text);
  return new Refusal(hasOther ? `${errors.notInteger}: encounter non-integer characters` : errors.notInteger);
}

/** A time of at least 1 in units of `factor` ms. */
export function parsePositiveTime(request: Request, index: number, factor: number, command: string): number | Refusal {
  const value = request.int64(index);
  if (value === undefined) return noInteger(request, index);
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
