/**
 * Returning ranges: ZRANGE and the older commands that are special cases of it. What is longer than a slice goes out in
 * slices where the reply may.
 */
import type { Zsets } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, firstKey, type Call, type CommandDefinition } from '../command.ts';
import { keyOf } from '../data/arguments.ts';
import { openCollection } from '../data/open-collection.ts';
import { slicedAbove } from '../sliced.ts';
import { parseRangeArguments, type RangeArguments, type RangeForm } from './range-arguments.ts';
import { passSkipped, passedAtOnce, rankWindow, select, type Selection } from './range.ts';
import { SlicedRows } from './sliced-rows.ts';
import { replyRow, replyRowsHeader, type SortedSets } from './sorted-sets.ts';

/**
 * Writes as many rows as ranks say there are, in place.
 * @returns false when there were not as many: nothing is written then.
 */
function replyRanks({ walk, limit }: Selection, withScores: boolean, reply: ReplyWriter): boolean {
  const mark = reply.mark();
  replyRowsHeader(reply, limit, withScores);
  let count = 0;
  try {
    for (; count < limit && walk.next(); count++) replyRow(reply, walk, withScores);
  } finally {
    walk.close();
  }
  if (count < limit) reply.truncate(mark);
  return count === limit;
}

/**
 * Writes what a walk finds, all of it.
 * @returns false when there were more than `most`: nothing is written then.
 */
function replyRows(selection: Selection, most: number, withScores: boolean, reply: ReplyWriter): boolean {
  const { walk, limit } = selection;
  const rows = reply.body();
  let count = 0;
  try {
    for (let goesOn = passSkipped(selection); goesOn && count < limit && walk.next(); count++) {
      if (count === most) return false;
      replyRow(rows, walk, withScores);
    }
  } finally {
    walk.close();
  }
  replyRowsHeader(reply, count, withScores);
  reply.raw(rows.take());
  return true;
}

/** A range that cannot be long, or must be whole. @returns false when it turned out to be long. */
function replyAtOnce(call: Call, zsets: Zsets, input: RangeArguments, reply: ReplyWriter): boolean {
  let selection = select(zsets, input, 'passed');
  if (selection !== undefined) {
    const most = call.slices === undefined ? Infinity : slicedAbove;
    if (input.range.by === 'rank' && selection.limit <= most) {
      if (replyRanks(selection, input.withScores, reply)) return true;
      // Its metadata counts others.
      selection = select(zsets, input) as Selection;
    }
    return replyRows(selection, most, input.withScores, reply);
  }
  reply.array(0);
  return true;
}

/** Whether a range takes long to get to, or is known to be long itself. */
function isLong(zsets: Zsets, { range, offset, count }: RangeArguments): boolean {
  if (range.by !== 'rank') return offset > passedAtOnce && count !== 0;
  const { first, count: ranks } = rankWindow(range, zsets.size);
  return ranks > slicedAbove || (ranks > 0 && Math.min(first, zsets.size - first) > passedAtOnce);
}

function runRange(call: Call, zsets: Zsets, input: RangeArguments, reply: ReplyWriter): void {
  const { withScores } = input;
  const opened = openCollection(zsets, keyOf(call, input.request, 1), call.nowMs, reply);
  if (opened === undefined) return;
  if (opened === 'absent') return reply.array(0);
  const mayBeLong = call.slices !== undefined && zsets.size > slicedAbove;
  if (!(mayBeLong && isLong(zsets, input)) && replyAtOnce(call, zsets, input, reply)) return;
  const rows = select(zsets, input, 'detached');
  if (rows === undefined) return reply.array(0);
  const isCounted = input.range.by === 'rank';
  const counting = isCounted ? undefined : select(zsets, input, 'detached');
  if (isCounted) replyRowsHeader(reply, rows.limit, withScores);
  call.slices?.begin(new SlicedRows(rows, counting, withScores));
}

/** The commands that return ranges, and what their names fix. */
const forms: readonly (RangeForm & { readonly since: string; readonly summary: string })[] = [
  { name: 'zrange', since: '1.2.0', summary: 'Returns members of a sorted set by rank, score or byte order.' },
  {
    name: 'zrevrange',
    by: 'rank',
    reverse: true,
    since: '1.2.0',
    summary: 'Returns members by rank, the highest first.',
  },
  { name: 'zrangebyscore', by: 'score', reverse: false, since: '1.0.5', summary: 'Returns members by score.' },
  {
    name: 'zrevrangebyscore',
    by: 'score',
    reverse: true,
    since: '2.2.0',
    summary: 'Returns members by score, the highest first.',
  },
  { name: 'zrangebylex', by: 'lex', reverse: false, since: '2.8.9', summary: 'Returns members by byte order.' },
  {
    name: 'zrevrangebylex',
    by: 'lex',
    reverse: true,
    since: '2.8.9',
    summary: 'Returns members by byte order, the last first.',
  },
];

export function zsetRangeCommands({ zsets }: SortedSets): CommandDefinition[] {
  return forms.map((form) =>
    define<RangeArguments>({
      name: form.name,
      arity: -4,
      flags: ['readonly', 'slow'],
      keys: firstKey,
      group: 'sorted-set',
      since: form.since,
      complexity: 'O(N+M) for M members returned behind N that are skipped: a rank is counted from the nearer end.',
      summary: form.summary,
      parse: (request: Request): RangeArguments | Refusal => parseRangeArguments(request, 2, form),
      run: (call, input, reply) => runRange(call, zsets, input, reply),
    }),
  );
}
