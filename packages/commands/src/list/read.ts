/** LLEN, LINDEX, LRANGE, LPOS. */
import { sameBytes, type EntryIterator, type Lists } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, type Call, type CommandDefinition } from '../command.ts';
import { itself, keyOf, longOf, spanOfArgument } from '../data/arguments.ts';
import { EntrySlices } from '../data/entry-slices.ts';
import { openCollection } from '../data/open-collection.ts';
import { slicedAbove } from '../sliced.ts';
import type { ListPair } from './sides.ts';

function lLen({ list }: ListPair): CommandDefinition {
  return define<Request>({
    name: 'llen',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: firstKey,
    group: 'list',
    since: '1.0.0',
    complexity: 'O(1)',
    summary: 'Returns the length of a list.',
    parse: itself,
    run(call, request, reply) {
      if (openCollection(list, keyOf(call, request, 1), call.nowMs, reply) !== undefined) reply.integer(list.size);
    },
  });
}

interface IndexInput {
  readonly request: Request;
  readonly index: number;
}

function lIndex({ list }: ListPair): CommandDefinition {
  return define<IndexInput>({
    name: 'lindex',
    arity: 3,
    flags: ['readonly', 'slow'],
    keys: firstKey,
    group: 'list',
    since: '1.0.0',
    complexity: 'O(1)',
    summary: 'Returns an element of a list by its index; negative ones count from the end.',
    parse(request) {
      const index = longOf(request, 2);
      return Number.isNaN(index) ? new Refusal(errors.notInteger) : { request, index };
    },
    run(call, { request, index }, reply) {
      const found = openCollection(list, keyOf(call, request, 1), call.nowMs, reply);
      if (found === undefined) return;
      const at = index < 0 ? index + list.size : index;
      if (found === 'absent' || at < 0 || at >= list.size) return reply.nil();
      list.read(at);
      const { value } = list;
      reply.bulk(value.buffer, value.start, value.end);
    },
  });
}

function writeElement({ value }: EntryIterator, reply: ReplyWriter): void {
  reply.bulk(value.buffer, value.start, value.end);
}

/** Answers the `count` elements of the open list from index `start` on. */
function replyRange(call: Call, list: Lists, start: number, count: number, reply: ReplyWriter): void {
  const from = list.first + start;
  reply.array(count);
  const frames = list.frames(from, from + count);
  if (frames !== undefined) return reply.raw(frames.buffer.subarray(frames.start, frames.end));
  const isSliced = count > slicedAbove && call.slices !== undefined;
  const slices = new EntrySlices(list.elements(from, from + count, { detached: isSliced }), count, writeElement);
  if (isSliced) return call.slices.begin(slices);
  try {
    while (slices.next(reply));
  } finally {
    slices.close();
  }
}

interface RangeInput {
  readonly request: Request;
  readonly start: number;
  readonly stop: number;
}

/** START and STOP, arguments 2 and 3, as LRANGE and LTRIM have them. */
export function parseRange(request: Request): RangeInput | Refusal {
  const start = longOf(request, 2);
  const stop = longOf(request, 3);
  return Number.isNaN(start) || Number.isNaN(stop) ? new Refusal(errors.notInteger) : { request, start, stop };
}

function lRange({ list }: ListPair): CommandDefinition {
  return define<RangeInput>({
    name: 'lrange',
    arity: 4,
    flags: ['readonly', 'slow'],
    keys: firstKey,
    group: 'list',
    since: '1.0.0',
    complexity: 'O(N) where N is the number of elements returned.',
    summary: 'Returns the elements of a list between two indexes, both included.',
    parse: parseRange,
    run(call, { request, start, stop }, reply) {
      if (openCollection(list, keyOf(call, request, 1), call.nowMs, reply) === undefined) return;
      const from = Math.max(0, start < 0 ? start + list.size : start);
      const to = Math.min(list.size - 1, stop < 0 ? stop + list.size : stop);
      if (from > to) return reply.array(0);
      replyRange(call, list, from, to - from + 1, reply);
    },
  });
}

interface PositionInput {
  readonly request: Request;
  /** Matches to skip, plus one; negative: from the end. */
  rank: number;
  /** How many matches; 0 all; -1: one, not as an array. */
  count: number;
  /** How many elements are compared; 0 all. */
  lengthMax: number;
}

const rankZero =
  "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... " +
  'or use negative to start from the end of the list';
/** Redis' words, and behind them Kvrocks'. */
const rankOverflow =
  'ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807: rank would overflow';
const int64Min = -(2n ** 63n);

function parsePositions(request: Request): PositionInput | Refusal {
  const input: PositionInput = { request, rank: 1, count: -1, lengthMax: 0 };
  for (let index = 3; index < request.count; index += 2) {
    if (index + 1 === request.count) return new Refusal(errors.syntax);
    const value = longOf(request, index + 1);
    if (request.is(index, 'rank')) {
      if (Number.isNaN(value)) return new Refusal(errors.notInteger);
      if (request.int64(index + 1) === int64Min) return new Refusal(rankOverflow);
      if (value === 0) return new Refusal(rankZero);
      input.rank = value;
    } else if (request.is(index, 'count')) {
      if (!(value >= 0)) return new Refusal("ERR COUNT can't be negative");
      input.count = value;
    } else if (request.is(index, 'maxlen')) {
      if (!(value >= 0)) return new Refusal("ERR MAXLEN can't be negative");
      input.lengthMax = value;
    } else return new Refusal(errors.syntax);
  }
  return input;
}

/** Indexes of the wanted matches in the open list, in the order they are met. */
function findPositions(list: Lists, { request, rank, count, lengthMax }: PositionInput): number[] {
  const wanted = spanOfArgument(request, 2);
  const limit = count < 0 ? 1 : count === 0 ? Infinity : count;
  let skip = Math.abs(rank) - 1;
  let compared = 0;
  const positions: number[] = [];
  const entries = list.elements(list.first, list.end, { reverse: rank < 0 });
  try {
    while (positions.length < limit && (lengthMax === 0 || compared < lengthMax) && entries.next()) {
      compared++;
      if (!sameBytes(entries.value, wanted)) continue;
      if (skip-- > 0) continue;
      positions.push(list.positionOf(entries) - list.first);
    }
  } finally {
    entries.close();
  }
  return positions;
}

function lPos({ list }: ListPair): CommandDefinition {
  return define<PositionInput>({
    name: 'lpos',
    arity: -3,
    flags: ['readonly', 'slow'],
    keys: firstKey,
    group: 'list',
    since: '6.0.6',
    complexity: 'O(N) where N is the number of elements compared.',
    summary: 'Returns the indexes of elements equal to a given one.',
    parse: parsePositions,
    run(call, input, reply) {
      const found = openCollection(list, keyOf(call, input.request, 1), call.nowMs, reply);
      if (found === undefined) return;
      const positions = found === 'absent' ? [] : findPositions(list, input);
      if (input.count < 0) {
        const [first] = positions;
        if (first === undefined) reply.nil();
        else reply.integer(first);
        return;
      }
      reply.array(positions.length);
      for (const position of positions) reply.integer(position);
    },
  });
}

export function listReadCommands(lists: ListPair): CommandDefinition[] {
  return [lLen(lists), lIndex(lists), lRange(lists), lPos(lists)];
}
