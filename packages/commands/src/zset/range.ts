/**
 * Ranges of sorted sets as commands name them: by rank, by score, by byte order; either way, with an offset and a limit.
 * Here are the ends of ranges, read from arguments, and the walk over what lies between them.
 */
import type { MemberWalk, ScoreBound, WalkOptions, Zsets } from '@holdfast/engine';
import type { Request } from '@holdfast/resp';
import { Refusal, errors } from '../command.ts';
import { parseDoubleLeniently } from '../data/doubles.ts';
import { isEmptyLexRange, lexEnd, lexStart, parseLexBound, type LexBound } from '../data/lex-range.ts';

/** Ranks as given: from 0, negative ones from the end. */
export interface RankRange {
  readonly by: 'rank';
  readonly start: number;
  readonly stop: number;
}

export interface ScoreRange {
  readonly by: 'score';
  readonly min: ScoreBound;
  readonly max: ScoreBound;
}

/** Names are views on the request. */
export interface LexRange {
  readonly by: 'lex';
  readonly min: LexBound;
  readonly max: LexBound;
}

export type Range = RankRange | ScoreRange | LexRange;

/** What of a range is wanted, in which order. */
export interface RangeQuery {
  readonly range: Range;
  readonly reverse: boolean;
  /** Negative: nothing is found, as in Redis. */
  readonly offset: number;
  /** Negative: all. */
  readonly count: number;
}

function parseRank(request: Request, index: number): number {
  const rank = request.int64(index);
  return rank === undefined ? NaN : Number(rank);
}

export function parseRankRange(request: Request, start: number, stop: number): RankRange | Refusal {
  const range: RankRange = { by: 'rank', start: parseRank(request, start), stop: parseRank(request, stop) };
  return Number.isNaN(range.start) || Number.isNaN(range.stop) ? new Refusal(errors.notInteger) : range;
}

function parseScoreBound(request: Request, index: number): ScoreBound | undefined {
  const text = request.latin1(index);
  const isExcluded = text.startsWith('(');
  const score = parseDoubleLeniently(isExcluded ? text.slice(1) : text);
  return Number.isNaN(score) ? undefined : { score, isExcluded };
}

/** Errors of ends name Kvrocks' reason behind Redis' text: the tests of both ask for theirs. */
export function parseScoreRange(request: Request, min: number, max: number): ScoreRange | Refusal {
  const from = parseScoreBound(request, min);
  const to = parseScoreBound(request, max);
  if (from !== undefined && to !== undefined) return { by: 'score', min: from, max: to };
  return new Refusal(`ERR min or max is not a float: the ${from === undefined ? 'min' : 'max'} isn't double`);
}

export function parseLexRange(request: Request, min: number, max: number): LexRange | Refusal {
  const from = parseLexBound(request, min);
  const to = parseLexBound(request, max);
  if (from !== undefined && to !== undefined) return { by: 'lex', min: from, max: to };
  const which = from === undefined ? 'min' : 'max';
  return new Refusal(`ERR min or max not valid string range item: the ${which} is illegal`);
}

/** The part of `size` elements that ranks name. */
export function rankWindow({ start, stop }: RankRange, size: number): { first: number; count: number } {
  const first = Math.max(0, start < 0 ? size + start : start);
  const last = Math.min(size - 1, stop < 0 ? size + stop : stop);
  return { first, count: Math.max(0, last - first + 1) };
}

/** Whether no score can lie in a range. */
export function isEmptyScoreRange({ min, max }: ScoreRange): boolean {
  return min.score > max.score || (min.score === max.score && (min.isExcluded || max.isExcluded));
}

/** Whether no member can lie in a range. */
export function isEmptyLex({ min, max }: LexRange): boolean {
  if (isEmptyLexRange(min, max)) return true;
  if (min.name === undefined || max.name === undefined) return false;
  const { buffer, start, end } = max.name;
  return min.name.buffer.compare(buffer, start, end, min.name.start, min.name.end) > 0;
}

/** Members of a range that are about to be walked; `walk` is to be closed. */
export interface Selection {
  readonly walk: MemberWalk;
  /** How many members of the walk stand before the range. */
  readonly skip: number;
  /** How many there are behind those at most; Infinity when only the walk can tell. */
  readonly limit: number;
}

/** Members that are passed, or counted, at a time: that takes a fraction of what writing them takes. */
export const passedAtOnce = 16_384;
/** Members that are read at once where only the walk tells how many there are. */
const passedUncounted = 64;

/**
 * Begins the walk over what a query asks of the open sorted set.
 * @param use `detached`: the walk may go on after the command; it then leaves long ways to the range to the caller, as `skip`.
 *   `passed`: what it finds is written at once, and nothing of it kept.
 * @returns undefined when it is known to find nothing.
 */
export function select(zsets: Zsets, query: RangeQuery, use?: 'detached' | 'passed'): Selection | undefined {
  const { range, reverse, offset, count } = query;
  const detached = use === 'detached';
  if (range.by === 'rank') {
    const { first, count: limit } = rankWindow(range, zsets.size);
    if (limit === 0) return undefined;
    const how = { reverse, detached, ...(use === 'passed' ? { passing: limit } : {}) };
    const isFar = detached && Math.min(first, zsets.size - first) > passedAtOnce;
    if (isFar) return { walk: zsets.walkScores(undefined, undefined, how), skip: first, limit };
    return { walk: zsets.walkRanks(first, how), skip: 0, limit };
  }
  if (offset < 0 || count === 0) return undefined;
  const passing = count < 0 ? passedUncounted : offset + count;
  const walk = walkOf(zsets, range, { reverse, detached, ...(use === 'passed' ? { passing } : {}) });
  return walk === undefined ? undefined : { walk, skip: offset, limit: count < 0 ? Infinity : count };
}

/** Passes what stands before a range. @returns whether there is anything behind it that may be walked. */
export function passSkipped({ walk, skip }: Selection): boolean {
  for (let i = 0; i < skip; i++) if (!walk.next()) return false;
  return true;
}

function walkOf(
  zsets: Zsets,
  range: ScoreRange | LexRange,
  how: WalkOptions & { readonly reverse: boolean },
): MemberWalk | undefined {
  if (range.by === 'score') return isEmptyScoreRange(range) ? undefined : zsets.walkScores(range.min, range.max, how);
  if (isEmptyLex(range)) return undefined;
  return zsets.walkMembers({ from: lexStart(range.min), to: lexEnd(range.max), ...how });
}
