/** Changing by ranges: ZRANGESTORE, ZREMRANGEBYRANK, ZREMRANGEBYSCORE, ZREMRANGEBYLEX; and ZREM. */
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, firstKey, type Call, type CommandDefinition, type CommandFlag } from '../command.ts';
import { itself, keyOf, spanOfArgument } from '../data/arguments.ts';
import { openCollection } from '../data/open-collection.ts';
import { notify } from '../events.ts';
import { parseRangeArguments, type RangeArguments } from './range-arguments.ts';
import {
  parseLexRange,
  parseRankRange,
  parseScoreRange,
  passSkipped,
  select,
  type Range,
  type RangeQuery,
} from './range.ts';
import { saveRemoved, type SortedSets } from './sorted-sets.ts';

function zRem({ zsets }: SortedSets): CommandDefinition {
  return define<Request>({
    name: 'zrem',
    arity: -3,
    flags: ['write', 'fast', 'no-dbsize-check'],
    keys: firstKey,
    group: 'sorted-set',
    since: '1.2.0',
    complexity: 'O(N) where N is the number of members removed.',
    summary: 'Removes members of a sorted set. A sorted set without members does not exist any more.',
    parse: itself,
    run(call, request, reply) {
      const key = keyOf(call, request, 1);
      const opened = openCollection(zsets, key, call.nowMs, reply);
      if (opened === undefined) return;
      const before = zsets.size;
      for (let index = 2; index < request.count; index++) {
        const member = spanOfArgument(request, index);
        if (zsets.find(member)) zsets.remove(member, zsets.score);
      }
      const removed = before - zsets.size;
      if (removed > 0) saveRemoved(call, zsets, key, 'zrem');
      reply.integer(removed);
    },
  });
}

interface RemoveInput extends RangeQuery {
  readonly request: Request;
}

function runRemove(call: Call, { zsets }: SortedSets, input: RemoveInput, event: string, reply: ReplyWriter): void {
  const key = keyOf(call, input.request, 1);
  const opened = openCollection(zsets, key, call.nowMs, reply);
  if (opened === undefined) return;
  const selection = opened === 'absent' ? undefined : select(zsets, input);
  if (selection === undefined) return reply.integer(0);
  const { walk, limit } = selection;
  let removed = 0;
  try {
    // Nothing is skipped: these commands have no offset.
    for (; removed < limit && walk.next(); removed++) zsets.remove(walk.member, walk.score);
  } finally {
    walk.close();
  }
  if (removed > 0) saveRemoved(call, zsets, key, event);
  reply.integer(removed);
}

type ParseRange = (request: Request, min: number, max: number) => Range | Refusal;

function zRemRange(of: SortedSets, name: string, since: string, by: string, parseRange: ParseRange): CommandDefinition {
  const flags: CommandFlag[] = ['write', 'slow', 'no-dbsize-check'];
  return define<RemoveInput>({
    name,
    arity: 4,
    flags,
    keys: firstKey,
    group: 'sorted-set',
    since,
    complexity: 'O(N) where N is the number of members removed; by rank also those between them and the nearer end.',
    summary: `Removes the members of a sorted set within a range of ${by}.`,
    parse(request) {
      const range = parseRange(request, 2, 3);
      return range instanceof Refusal ? range : { request, range, reverse: false, offset: 0, count: -1 };
    },
    run: (call, input, reply) => runRemove(call, of, input, name, reply),
  });
}

function runStore(call: Call, of: SortedSets, input: RangeArguments, reply: ReplyWriter): void {
  const { zsets, target, types } = of;
  const opened = openCollection(zsets, keyOf(call, input.request, 2), call.nowMs, reply);
  if (opened === undefined) return;
  const key = keyOf(call, input.request, 1);
  const selection = opened === 'absent' ? undefined : select(zsets, input);
  let stored = 0;
  if (selection !== undefined) {
    const { walk, limit } = selection;
    try {
      for (let goesOn = passSkipped(selection); goesOn && stored < limit && walk.next(); stored++) {
        if (stored === 0) target.create(key);
        target.add(walk.member, walk.score);
      }
    } finally {
      walk.close();
    }
  }
  if (stored > 0) {
    target.save(key, true);
    notify(call, 'z', 'zrangestore', key);
  } else if (types.keyspace.delete(key, call.nowMs)) notify(call, 'g', 'del', key);
  reply.integer(stored);
}

function zRangeStore(of: SortedSets): CommandDefinition {
  return define<RangeArguments>({
    name: 'zrangestore',
    arity: -5,
    flags: ['write', 'slow'],
    keys: { first: 1, last: 2, step: 1 },
    group: 'sorted-set',
    since: '6.2.0',
    complexity: 'O(N+M) for M members stored behind N that are skipped.',
    summary: 'Stores a range of members of a sorted set in another one, in place of what was there.',
    parse: (request) => parseRangeArguments(request, 3, { name: 'zrangestore', isStored: true }),
    run: (call, input, reply) => runStore(call, of, input, reply),
  });
}

export function zsetRangeWriteCommands(of: SortedSets): CommandDefinition[] {
  return [
    zRem(of),
    zRemRange(of, 'zremrangebyrank', '2.0.0', 'ranks', parseRankRange),
    zRemRange(of, 'zremrangebyscore', '1.2.0', 'scores', parseScoreRange),
    zRemRange(of, 'zremrangebylex', '2.8.9', 'byte strings', parseLexRange),
    zRangeStore(of),
  ];
}
