/**
 * Ranges of sorted integers: SIRANGE and SIREVRANGE go on behind a number they are given (a cursor), SIRANGEBYVALUE and
 * SIREVRANGEBYVALUE have two ends.
 */
import {
  compareUint64,
  predecessorOf,
  successorOf,
  uint64Max,
  type SortedInts,
  type Uint64,
  type Uint64Range,
} from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, type Call, type CommandDefinition } from '../command.ts';
import { keyOf } from '../data/arguments.ts';
import { openCollection } from '../data/open-collection.ts';
import { parseUint64, replyUint64 } from './number.ts';

const zero: Uint64 = { high: 0, low: 0 };

interface RangeInput {
  readonly request: Request;
  /** Undefined: no number can lie in it. */
  readonly range: Uint64Range | undefined;
  readonly offset: number;
  /** 0: all. */
  readonly limit: number;
}

function runRange(ints: SortedInts, call: Call, input: RangeInput, reply: ReplyWriter): void {
  const opened = openCollection(ints, keyOf(call, input.request, 1), call.nowMs, reply);
  if (opened === undefined) return;
  if (opened === 'absent' || input.range === undefined) return reply.array(0);
  const numbers = reply.body();
  let count = 0;
  const entries = ints.walk(input.range);
  try {
    for (let at = 0; (input.limit === 0 || count < input.limit) && entries.next(); at++) {
      if (at < input.offset) continue;
      replyUint64(ints.numberOf(entries), numbers);
      count++;
    }
  } finally {
    entries.close();
  }
  reply.array(count);
  reply.raw(numbers.take());
}

/** What lies behind a cursor, which itself is left out; without one, or for 0 from the end, everything. */
function behind(cursor: Uint64 | undefined, reverse: boolean): Uint64Range | undefined {
  if (cursor === undefined || (reverse && compareUint64(cursor, zero) === 0)) {
    return { from: zero, to: uint64Max, reverse };
  }
  const next = reverse ? predecessorOf(cursor) : successorOf(cursor);
  if (next === undefined) return undefined;
  return reverse ? { from: zero, to: next, reverse } : { from: next, to: uint64Max, reverse };
}

/** `offset limit [CURSOR id]`. */
function parseBehind(request: Request, reverse: boolean): RangeInput | Refusal {
  const offset = request.integer(2);
  const limit = request.integer(3);
  if (!(offset >= 0 && limit >= 0)) return new Refusal(errors.notInteger);
  if (request.count === 4) return { request, range: behind(undefined, reverse), offset, limit };
  if (request.count !== 6 || !request.is(4, 'cursor')) return new Refusal(errors.syntax);
  const cursor = parseUint64(request, 5);
  if (cursor === undefined) return new Refusal(errors.notInteger);
  return { request, range: behind(cursor, reverse), offset, limit };
}

interface Bound {
  readonly number: Uint64;
  readonly isExcluded: boolean;
}

/** A number, `(` and a number, or `open` (`-inf` or `+inf`). */
function parseBound(request: Request, index: number, open: string, end: Uint64): Bound | undefined {
  if (request.is(index, open)) return { number: end, isExcluded: false };
  const isExcluded = request.size(index) > 0 && request.buffer[request.start(index)] === 40;
  const number = parseUint64(request, index, isExcluded ? 1 : 0);
  return number === undefined ? undefined : { number, isExcluded };
}

function between(min: Bound, max: Bound, reverse: boolean): Uint64Range | undefined {
  const from = min.isExcluded ? successorOf(min.number) : min.number;
  const to = max.isExcluded ? predecessorOf(max.number) : max.number;
  if (from === undefined || to === undefined || compareUint64(from, to) > 0) return undefined;
  return { from, to, reverse };
}

/** `min max [LIMIT offset count]`; `max min` in reverse. */
function parseBetween(request: Request, reverse: boolean): RangeInput | Refusal {
  const minIndex = reverse ? 3 : 2;
  const maxIndex = reverse ? 2 : 3;
  if (request.is(minIndex, '+inf') || request.is(maxIndex, '-inf')) return new Refusal('ERR min > max');
  const min = parseBound(request, minIndex, '-inf', zero);
  if (min === undefined) return new Refusal("ERR the min isn't integer");
  const max = parseBound(request, maxIndex, '+inf', uint64Max);
  if (max === undefined) return new Refusal("ERR the max isn't integer");
  const range = between(min, max, reverse);
  if (request.count === 4) return { request, range, offset: 0, limit: 0 };
  if (request.count !== 7 || !request.is(4, 'limit')) return new Refusal(errors.syntax);
  const offset = request.integer(5);
  const limit = request.integer(6);
  if (Number.isNaN(offset) || Number.isNaN(limit)) return new Refusal(errors.notInteger);
  // A negative count asks for all, as in Redis' ranges; a negative offset for nothing.
  return { request, range: offset < 0 || limit === 0 ? undefined : range, offset, limit: Math.max(0, limit) };
}

interface RangeCommand {
  readonly name: string;
  readonly reverse: boolean;
  readonly parse: (request: Request, reverse: boolean) => RangeInput | Refusal;
  readonly summary: string;
}

const commands: readonly RangeCommand[] = [
  {
    name: 'sirange',
    reverse: false,
    parse: parseBehind,
    summary: 'Returns numbers of a sorted integer set in rising order, behind a cursor; a limit of 0 asks for all.',
  },
  {
    name: 'sirevrange',
    reverse: true,
    parse: parseBehind,
    summary: 'Returns numbers of a sorted integer set in falling order, behind a cursor; a limit of 0 asks for all.',
  },
  {
    name: 'sirangebyvalue',
    reverse: false,
    parse: parseBetween,
    summary: 'Returns the numbers of a sorted integer set between two others, in rising order.',
  },
  {
    name: 'sirevrangebyvalue',
    reverse: true,
    parse: parseBetween,
    summary: 'Returns the numbers of a sorted integer set between two others, in falling order.',
  },
];

export function sortedIntRangeCommands(ints: SortedInts): CommandDefinition[] {
  return commands.map(({ name, reverse, parse, summary }) =>
    define<RangeInput>({
      name,
      arity: -4,
      flags: ['readonly'],
      keys: firstKey,
      group: 'sortedint',
      since: 'Kvrocks 1.3.0',
      complexity: 'O(N) where N is the number of numbers passed over and returned.',
      summary,
      parse: (request) => parse(request, reverse),
      run: (call, input, reply) => runRange(ints, call, input, reply),
    }),
  );
}
