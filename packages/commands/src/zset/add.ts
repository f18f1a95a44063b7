/** Adding members and changing scores: ZADD, ZINCRBY, and the part of them that GEOADD uses. */
import type { Span, Zsets } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, type Call, type CommandDefinition } from '../command.ts';
import { keyOf, spanOfArgument } from '../data/arguments.ts';
import { doubleOf } from '../data/doubles.ts';
import { openCollection } from '../data/open-collection.ts';
import { notify } from '../events.ts';
import { replyScore, type SortedSets } from './sorted-sets.ts';

/** Options of ZADD, as bits. */
export const addFlag = { nx: 1, xx: 2, gt: 4, lt: 8, ch: 16, incr: 32 } as const;

const optionBits: readonly (readonly [string, number])[] = Object.entries(addFlag);

/** Members that stand in a request, and the scores they are to have. */
export interface Additions {
  readonly request: Request;
  /** The argument that is the first member, and how many arguments further the next one stands. */
  readonly first: number;
  readonly stride: number;
  readonly scores: readonly number[];
  readonly flags: number;
}

type Put = 'added' | 'updated' | 'same' | 'refused' | 'nan';

/** Gives one member a score, as the flags allow. `zsets.score` is then the score it has, unless refused. */
function put(zsets: Zsets, member: Span, score: number, flags: number): Put {
  if (!zsets.find(member)) {
    if ((flags & addFlag.xx) !== 0) return 'refused';
    zsets.add(member, score);
    zsets.score = score;
    return 'added';
  }
  if ((flags & addFlag.nx) !== 0) return 'refused';
  const old = zsets.score;
  const next = (flags & addFlag.incr) === 0 ? score : old + score;
  if (Number.isNaN(next)) return 'nan';
  if ((flags & addFlag.lt) !== 0 && next >= old) return 'refused';
  if ((flags & addFlag.gt) !== 0 && next <= old) return 'refused';
  zsets.score = next;
  if (next === old) return 'same';
  zsets.move(member, old, next);
  return 'updated';
}

/** What adding did. */
interface Outcome {
  added: number;
  updated: number;
  /** What the last member met. */
  last: Put;
}

/** One after the other, so that a member given twice is judged by what it was the first time. */
function addInOrder(zsets: Zsets, { request, first, stride, scores, flags }: Additions): Outcome {
  const outcome: Outcome = { added: 0, updated: 0, last: 'refused' };
  for (let i = 0; i < scores.length; i++) {
    outcome.last = put(zsets, spanOfArgument(request, first + i * stride), scores[i] as number, flags);
    if (outcome.last === 'added') outcome.added++;
    else if (outcome.last === 'updated') outcome.updated++;
  }
  return outcome;
}

/**
 * From the last pair to the first, which leaves the records Kvrocks writes: of a member given twice the last score counts,
 * and nothing else is written for it. Only those that had their score already must be remembered: they left no record.
 */
function addFromLast(zsets: Zsets, { request, first, stride, scores }: Additions): Outcome {
  const outcome: Outcome = { added: 0, updated: 0, last: 'refused' };
  let unchanged: Set<string> | undefined;
  for (let i = scores.length - 1; i >= 0; i--) {
    const index = first + i * stride;
    const member = spanOfArgument(request, index);
    zsets.subkeyOf(member);
    if (zsets.isWrittenByCommand() || unchanged?.has(request.latin1(index)) === true) continue;
    outcome.last = put(zsets, member, scores[i] as number, 0);
    if (outcome.last === 'added') outcome.added++;
    else if (outcome.last === 'updated') outcome.updated++;
    else (unchanged ??= new Set()).add(request.latin1(index));
  }
  return outcome;
}

/** Runs ZADD, ZINCRBY or GEOADD on the key that is argument 1. */
export function runAdd(call: Call, { zsets }: SortedSets, additions: Additions, reply: ReplyWriter): void {
  const { request, scores, flags } = additions;
  const key = keyOf(call, request, 1);
  const opened = openCollection(zsets, key, call.nowMs, reply);
  if (opened === undefined) return;
  const isIncrement = (flags & addFlag.incr) !== 0;
  if (opened === 'absent') {
    if ((flags & addFlag.xx) !== 0) return isIncrement ? reply.nil() : reply.integer(0);
    zsets.create(key);
  }
  const isPlain = flags === 0 && scores.length > 1;
  const { added, updated, last } = isPlain ? addFromLast(zsets, additions) : addInOrder(zsets, additions);
  if (last === 'nan') return reply.error('ERR resulting score is not a number (NaN)');
  zsets.save(key);
  if (added + updated > 0) notify(call, 'z', isIncrement ? 'zincr' : 'zadd', key);
  if (!isIncrement) reply.integer((flags & addFlag.ch) !== 0 ? added + updated : added);
  else if (last === 'refused') reply.nil();
  else replyScore(reply, zsets.score);
}

/** The options before the first score, as bits; `end` is the argument after them. */
export function parseAddFlags(request: Request, allowed: number): { flags: number; end: number } {
  let flags = 0;
  let end = 2;
  for (; end < request.count; end++) {
    const bit = optionBit(request, end);
    if (bit === undefined || (bit & allowed) === 0) break;
    flags |= bit;
  }
  return { flags, end };
}

function optionBit(request: Request, index: number): number | undefined {
  const size = request.size(index);
  if (size !== 2 && size !== 4) return undefined;
  // Most scores of this length begin with a digit, a sign or a point: those are no words.
  if ((request.buffer[request.start(index)] as number) < 65) return undefined;
  for (const [name, bit] of optionBits) if (request.is(index, name)) return bit;
  return undefined;
}

function has(flags: number, ...bits: number[]): boolean {
  return bits.every((bit) => (flags & bit) !== 0);
}

const { nx, xx, gt, lt, ch, incr } = addFlag;

function refusedFlags(flags: number, pairs: number): string | undefined {
  if (has(flags, nx, xx)) return 'ERR XX and NX options at the same time are not compatible';
  if (has(flags, gt, nx) || has(flags, lt, nx) || has(flags, gt, lt)) {
    return 'ERR GT, LT, and/or NX options at the same time are not compatible';
  }
  if (has(flags, incr) && pairs > 1) return 'ERR INCR option supports a single increment-element pair';
  return undefined;
}

function parseAdd(request: Request): Additions | Refusal {
  const { flags, end } = parseAddFlags(request, nx | xx | gt | lt | ch | incr);
  const left = request.count - end;
  if (left === 0 || left % 2 !== 0) return new Refusal(errors.syntax);
  const pairs = left / 2;
  if (flags !== 0) {
    const refused = refusedFlags(flags, pairs);
    if (refused !== undefined) return new Refusal(refused);
  }
  const scores: number[] = [];
  for (let i = 0; i < pairs; i++) {
    const score = doubleOf(request, end + 2 * i);
    if (Number.isNaN(score)) return new Refusal(errors.notFloat);
    scores.push(score);
  }
  return { request, first: end + 1, stride: 2, scores, flags };
}

function zAdd(of: SortedSets): CommandDefinition {
  return define<Additions>({
    name: 'zadd',
    arity: -4,
    flags: ['write', 'fast'],
    keys: firstKey,
    group: 'sorted-set',
    since: '1.2.0',
    complexity: 'O(log(N)) for each member added.',
    summary: 'Adds members with scores to a sorted set, or changes their scores.',
    parse: parseAdd,
    run: (call, input, reply) => runAdd(call, of, input, reply),
  });
}

function zIncrBy(of: SortedSets): CommandDefinition {
  return define<Additions>({
    name: 'zincrby',
    arity: 4,
    flags: ['write', 'fast'],
    keys: firstKey,
    group: 'sorted-set',
    since: '1.2.0',
    complexity: 'O(log(N))',
    summary: 'Adds to the score of a member of a sorted set.',
    parse(request) {
      const increment = doubleOf(request, 2);
      if (Number.isNaN(increment)) return new Refusal(errors.notFloat);
      return { request, first: 3, stride: 2, scores: [increment], flags: incr };
    },
    run: (call, input, reply) => runAdd(call, of, input, reply),
  });
}

export function zsetAddCommands(of: SortedSets): CommandDefinition[] {
  return [zAdd(of), zIncrBy(of)];
}
