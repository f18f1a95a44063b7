/** Reading a stream by id: XRANGE, XREVRANGE, XLEN. */
import { StreamId, highestEntryId, type Streams } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, type Call, type CommandDefinition } from '../command.ts';
import { keyOf } from '../data/arguments.ts';
import { openCollection } from '../data/open-collection.ts';
import { slicedAbove } from '../sliced.ts';
import { EntriesPart, SlicedEntries, gatherEntries, type WantedEntries } from './entry-reply.ts';
import { endOf, int64NumberOf, invalidId, startOf, strictIdOf } from './ids.ts';
import { type StreamTypes } from './stream-types.ts';

const noBytes = Buffer.alloc(0);

interface RangeInput extends WantedEntries {
  readonly request: Request;
}

/** `COUNT <n>`; absent is Infinity. */
function parseCount(request: Request, first: number): number | Refusal {
  let count = Infinity;
  for (let index = first; index < request.count; index += 2) {
    if (!request.is(index, 'count') || index + 1 >= request.count) return new Refusal(errors.syntax);
    const wanted = int64NumberOf(request, index + 1);
    if (wanted === undefined) return new Refusal(errors.notInteger);
    count = Math.max(0, wanted);
  }
  return count;
}

function parseRange(request: Request, reverse: boolean): RangeInput | Refusal {
  const from = startOf(request, reverse ? 3 : 2);
  if (from instanceof Refusal) return from;
  const to = endOf(request, reverse ? 2 : 3);
  if (to instanceof Refusal) return to;
  const count = parseCount(request, 4);
  return count instanceof Refusal ? count : { request, from, to, reverse, count };
}

function runRange({ streams }: StreamTypes, call: Call, input: RangeInput, reply: ReplyWriter): void {
  const opened = openCollection(streams, keyOf(call, input.request, 1), call.nowMs, reply);
  if (opened === undefined) return;
  if (opened === 'absent') return reply.array(0);
  if (input.count === 0) return reply.nilArray();
  const body = reply.body();
  const count = gatherEntries(streams, input, call.slices === undefined ? Infinity : slicedAbove, body);
  if (count === undefined) return call.slices?.begin(new SlicedEntries([new EntriesPart(streams, input, noBytes)]));
  reply.array(count);
  reply.raw(body.take());
}

function range(types: StreamTypes, name: 'xrange' | 'xrevrange'): CommandDefinition {
  const reverse = name === 'xrevrange';
  return define<RangeInput>({
    name,
    arity: -4,
    flags: ['readonly', 'slow'],
    keys: firstKey,
    group: 'stream',
    since: '5.0.0',
    complexity: 'O(N) with N being the number of entries returned.',
    summary: reverse
      ? 'Returns the entries between two ids, from the highest to the lowest.'
      : 'Returns the entries between two ids.',
    parse: (request) => parseRange(request, reverse),
    run: (call, input, reply) => runRange(types, call, input, reply),
  });
}

interface LengthInput {
  readonly request: Request;
  /** Kvrocks: only entries on one side of this id are counted, itself not. */
  readonly beside: StreamId | undefined;
  readonly side: 'after' | 'before';
}

function parseLength(request: Request): LengthInput | Refusal {
  if (request.count === 2) return { request, beside: undefined, side: 'after' };
  if (request.count > 4) return new Refusal(errors.syntax);
  const beside = strictIdOf(request, 2);
  if (beside === undefined) return new Refusal(invalidId);
  const side = request.count === 3 || request.is(3, '+') ? 'after' : 'before';
  if (side === 'before' && !request.is(3, '-')) return new Refusal(errors.syntax);
  return { request, beside, side };
}

/** Walks over the entries on one side of an id. @returns their number. */
function countBeside(streams: Streams, beside: StreamId, side: 'after' | 'before'): number {
  const end = beside.copy();
  const exists = side === 'after' ? end.increment() : end.decrement();
  if (!exists || streams.size === 0) return 0;
  const entries = streams.iterateEntries(
    side === 'after' ? { from: end, to: highestEntryId, keysOnly: true } : { to: end, keysOnly: true },
  );
  let count = 0;
  try {
    while (entries.next()) count++;
  } finally {
    entries.close();
  }
  return count;
}

function xLen({ streams }: StreamTypes): CommandDefinition {
  return define<LengthInput>({
    name: 'xlen',
    arity: -2,
    flags: ['readonly', 'fast'],
    keys: firstKey,
    group: 'stream',
    since: '5.0.0',
    complexity: 'O(1); O(N) with an id, N being the number of entries counted.',
    summary: 'Returns the number of entries of a stream, or of those behind (+) or in front of (-) an id.',
    parse: parseLength,
    run(call, { request, beside, side }, reply) {
      const opened = openCollection(streams, keyOf(call, request, 1), call.nowMs, reply);
      if (opened === undefined) return;
      if (opened === 'absent') return reply.integer(0);
      if (beside === undefined || beside.compare(highestEntryId) > 0) {
        return reply.integer(beside !== undefined && side === 'after' ? 0 : streams.size);
      }
      reply.integer(countBeside(streams, beside, side));
    },
  });
}

export function rangeCommands(types: StreamTypes): CommandDefinition[] {
  return [range(types, 'xrange'), range(types, 'xrevrange'), xLen(types)];
}
