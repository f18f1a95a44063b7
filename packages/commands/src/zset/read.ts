/** Reading single members and counting: ZSCORE, ZMSCORE, ZCARD, ZCOUNT, ZLEXCOUNT, ZRANK, ZREVRANK. */
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, type Call, type CommandDefinition } from '../command.ts';
import { itself, keyOf, spanOfArgument } from '../data/arguments.ts';
import { lexEnd, lexStart } from '../data/lex-range.ts';
import { openCollection } from '../data/open-collection.ts';
import {
  isEmptyLex,
  isEmptyScoreRange,
  parseLexRange,
  parseScoreRange,
  type LexRange,
  type ScoreRange,
} from './range.ts';
import { replyScore, type SortedSets } from './sorted-sets.ts';

function zScore({ zsets }: SortedSets): CommandDefinition {
  return define<Request>({
    name: 'zscore',
    arity: 3,
    flags: ['readonly', 'fast'],
    keys: firstKey,
    group: 'sorted-set',
    since: '1.2.0',
    complexity: 'O(1)',
    summary: 'Returns the score of a member of a sorted set.',
    parse: itself,
    run(call, request, reply) {
      const opened = openCollection(zsets, keyOf(call, request, 1), call.nowMs, reply);
      if (opened === undefined) return;
      if (zsets.find(spanOfArgument(request, 2))) replyScore(reply, zsets.score);
      else reply.nil();
    },
  });
}

function zMScore({ zsets }: SortedSets): CommandDefinition {
  return define<Request>({
    name: 'zmscore',
    arity: -3,
    flags: ['readonly', 'fast'],
    keys: firstKey,
    group: 'sorted-set',
    since: '6.2.0',
    complexity: 'O(N) where N is the number of members asked for.',
    summary: 'Returns the scores of several members of a sorted set.',
    parse: itself,
    run(call, request, reply) {
      const opened = openCollection(zsets, keyOf(call, request, 1), call.nowMs, reply);
      if (opened === undefined) return;
      reply.array(request.count - 2);
      for (let index = 2; index < request.count; index++) {
        if (zsets.find(spanOfArgument(request, index))) replyScore(reply, zsets.score);
        else reply.nil();
      }
    },
  });
}

function zCard({ zsets }: SortedSets): CommandDefinition {
  return define<Request>({
    name: 'zcard',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: firstKey,
    group: 'sorted-set',
    since: '1.2.0',
    complexity: 'O(1)',
    summary: 'Returns the number of members of a sorted set.',
    parse: itself,
    run(call, request, reply) {
      if (openCollection(zsets, keyOf(call, request, 1), call.nowMs, reply) !== undefined) reply.integer(zsets.size);
    },
  });
}

interface CountInput<R> {
  readonly request: Request;
  readonly range: R;
}

function zCount({ zsets }: SortedSets): CommandDefinition {
  return define<CountInput<ScoreRange>>({
    name: 'zcount',
    arity: 4,
    flags: ['readonly', 'fast'],
    keys: firstKey,
    group: 'sorted-set',
    since: '2.0.0',
    complexity: 'O(N) where N is the number of members counted.',
    summary: 'Counts the members of a sorted set whose scores lie within a range.',
    parse(request) {
      const range = parseScoreRange(request, 2, 3);
      return range instanceof Refusal ? range : { request, range };
    },
    run(call, { request, range }, reply) {
      const opened = openCollection(zsets, keyOf(call, request, 1), call.nowMs, reply);
      if (opened === undefined) return;
      const isEmpty = opened === 'absent' || isEmptyScoreRange(range);
      reply.integer(isEmpty ? 0 : zsets.countScores(range.min, range.max));
    },
  });
}

function zLexCount({ zsets }: SortedSets): CommandDefinition {
  return define<CountInput<LexRange>>({
    name: 'zlexcount',
    arity: 4,
    flags: ['readonly', 'fast'],
    keys: firstKey,
    group: 'sorted-set',
    since: '2.8.9',
    complexity: 'O(N) where N is the number of members counted.',
    summary: 'Counts the members of a sorted set within a range of byte strings.',
    parse(request) {
      const range = parseLexRange(request, 2, 3);
      return range instanceof Refusal ? range : { request, range };
    },
    run(call, { request, range }, reply) {
      const opened = openCollection(zsets, keyOf(call, request, 1), call.nowMs, reply);
      if (opened === undefined) return;
      if (opened === 'found') {
        return reply.integer(isEmptyLex(range) ? 0 : zsets.countMembers(lexStart(range.min), lexEnd(range.max)));
      }
      // Kvrocks' suite asks for an error on a key that does not exist, Redis' suite for 0 on one that does.
      if (range.min.sign === 1 && range.max.sign === -1) return reply.error('ERR min > max');
      reply.integer(0);
    },
  });
}

interface RankInput {
  readonly request: Request;
  readonly withScore: boolean;
}

function runRank(call: Call, { zsets }: SortedSets, input: RankInput, reverse: boolean, reply: ReplyWriter): void {
  const { request, withScore } = input;
  const opened = openCollection(zsets, keyOf(call, request, 1), call.nowMs, reply);
  if (opened === undefined) return;
  const member = spanOfArgument(request, 2);
  if (!zsets.find(member)) return withScore ? reply.nilArray() : reply.nil();
  const { score } = zsets;
  const rank = zsets.rankOf(member, score);
  if (withScore) reply.array(2);
  reply.integer(reverse ? zsets.size - 1 - rank : rank);
  if (withScore) replyScore(reply, score);
}

function zRank(of: SortedSets, name: 'zrank' | 'zrevrank'): CommandDefinition {
  const reverse = name === 'zrevrank';
  return define<RankInput>({
    name,
    arity: -3,
    flags: ['readonly', 'fast'],
    keys: firstKey,
    group: 'sorted-set',
    since: '2.0.0',
    complexity: 'O(N) where N is the number of members between the one asked for and the nearer end.',
    summary: `Returns how many members of a sorted set have ${reverse ? 'higher' : 'lower'} scores than the one given.`,
    parse(request) {
      if (request.count > 4 || (request.count === 4 && !request.is(3, 'withscore'))) return new Refusal(errors.syntax);
      return { request, withScore: request.count === 4 };
    },
    run: (call, input, reply) => runRank(call, of, input, reverse, reply),
  });
}

export function zsetReadCommands(of: SortedSets): CommandDefinition[] {
  return [zScore(of), zMScore(of), zCard(of), zCount(of), zLexCount(of), zRank(of, 'zrank'), zRank(of, 'zrevrank')];
}
