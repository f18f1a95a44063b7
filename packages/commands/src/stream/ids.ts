/** Ids as clients write them: `<ms>`, `<ms>-<seq>`, and where a command takes a range, `-`, `+` and `(<id>`. */
import { StreamId, highestEntryId } from '@holdfast/engine';
import type { Request } from '@holdfast/resp';
import { Refusal } from '../command.ts';

export const invalidId = 'ERR Invalid stream ID specified as stream command argument';
const minus = 45;
const plus = 43;
const parenthesis = 40;
/** Digits that always fit a safe integer. */
const safeDigits = 15;
const u64Digits = 20;
const u64End = 2n ** 64n;

/** What a missing sequence stands for: the begin of a millisecond, or its end. */
export type MissingSequence = 'lowest' | 'highest';

/** An unsigned 64-bit number in decimal; undefined when the bytes are none. */
export function u64Of(buffer: Buffer, start: number, end: number): number | bigint | undefined {
  const digits = end - start;
  if (digits <= 0 || digits > u64Digits) return undefined;
  let value = 0;
  for (let at = start; at < end; at++) {
    const digit = (buffer[at] as number) - 48;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  if (digits <= safeDigits) return value;
  const exact = BigInt(buffer.latin1Slice(start, end));
  return exact < u64End ? exact : undefined;
}

function parseBytes(buffer: Buffer, start: number, end: number, missing: MissingSequence): StreamId | undefined {
  let dash = start;
  while (dash < end && buffer[dash] !== minus) dash++;
  const ms = u64Of(buffer, start, dash);
  if (ms === undefined) return undefined;
  const id = StreamId.of(ms);
  if (dash === end) return missing === 'lowest' ? id : id.setHighestSeq();
  const seq = u64Of(buffer, dash + 1, end);
  if (seq === undefined) return undefined;
  id.setSeq(seq);
  return id;
}

/** The id that argument `index` is; undefined when it is none. */
export function strictIdOf(request: Request, index: number, missing: MissingSequence = 'lowest'): StreamId | undefined {
  return parseBytes(request.buffer, request.start(index), request.end(index), missing);
}

/** As `strictIdOf`, with `-` for the lowest id and `+` for the highest. */
export function idOf(request: Request, index: number, missing: MissingSequence = 'lowest'): StreamId | undefined {
  if (request.size(index) === 1) {
    const byte = request.buffer[request.start(index)];
    if (byte === minus) return new StreamId();
    if (byte === plus) return StreamId.highest();
  }
  return strictIdOf(request, index, missing);
}

/** First id of a range, included. */
export function startOf(request: Request, index: number): StreamId | Refusal {
  const start = request.start(index);
  if (request.buffer[start] !== parenthesis) return idOf(request, index) ?? new Refusal(invalidId);
  const id = parseBytes(request.buffer, start + 1, request.end(index), 'lowest');
  if (id === undefined) return new Refusal(invalidId);
  if (id.increment() && id.compare(highestEntryId) <= 0) return id;
  return new Refusal('ERR invalid start ID for the interval');
}

/** Last id of a range, included. */
export function endOf(request: Request, index: number): StreamId | Refusal {
  const start = request.start(index);
  if (request.buffer[start] !== parenthesis) return idOf(request, index, 'highest') ?? new Refusal(invalidId);
  const id = parseBytes(request.buffer, start + 1, request.end(index), 'highest');
  if (id === undefined) return new Refusal(invalidId);
  return id.decrement() ? id : new Refusal('ERR invalid end ID for the interval');
}

/** The ids from argument `first` on. */
export function idsFrom(request: Request, first: number): StreamId[] | Refusal {
  const ids: StreamId[] = [];
  for (let index = first; index < request.count; index++) {
    const id = strictIdOf(request, index);
    if (id === undefined) return new Refusal(invalidId);
    ids.push(id);
  }
  return ids;
}

/** An int64 as a number, exact up to 2^53; undefined when the argument is none. */
export function int64NumberOf(request: Request, index: number): number | undefined {
  const value = request.int64(index);
  return value === undefined ? undefined : Number(value);
}
