/** The arguments of ZRANGE, ZRANGESTORE and the older range commands. */
import type { Request } from '@holdfast/resp';
import { Refusal, errors } from '../command.ts';
import { parseLexRange, parseRankRange, parseScoreRange, type Range, type RangeQuery } from './range.ts';

/** What the name of a command fixes; what is left out is said by options (BYSCORE, BYLEX, REV). */
export interface RangeForm {
  readonly name: string;
  readonly by?: 'rank' | 'score' | 'lex';
  readonly reverse?: boolean;
  /** ZRANGESTORE: no WITHSCORES. */
  readonly isStored?: boolean;
}

export interface RangeArguments extends RangeQuery {
  readonly request: Request;
  readonly withScores: boolean;
}

interface Options {
  by: 'rank' | 'score' | 'lex' | undefined;
  reverse: boolean | undefined;
  offset: number;
  count: number;
  withScores: boolean;
}

/** A whole number of the int64 range; NaN when it is none. Beyond 2^53 it need not be exact: there are no such ranks. */
function wholeOf(request: Request, index: number): number {
  const value = request.int64(index);
  return value === undefined ? NaN : Number(value);
}

/** Takes the option at `index`. @returns how many arguments it had; 0 when there is no such option. */
function takeOption(request: Request, index: number, options: Options, form: RangeForm): number | Refusal {
  if (form.isStored !== true && request.is(index, 'withscores')) {
    options.withScores = true;
    return 1;
  }
  if (request.is(index, 'limit') && index + 2 < request.count) {
    options.offset = wholeOf(request, index + 1);
    options.count = wholeOf(request, index + 2);
    return Number.isNaN(options.offset) || Number.isNaN(options.count) ? new Refusal(errors.notInteger) : 3;
  }
  if (form.reverse === undefined && options.reverse === undefined && request.is(index, 'rev')) options.reverse = true;
  else if (options.by === undefined && request.is(index, 'byscore')) options.by = 'score';
  else if (options.by === undefined && request.is(index, 'bylex')) options.by = 'lex';
  else return 0;
  return 1;
}

/** @param first the argument that is one end of the range; the other end and the options follow. */
export function parseRangeArguments(request: Request, first: number, form: RangeForm): RangeArguments | Refusal {
  const options: Options = { by: form.by, reverse: undefined, offset: 0, count: -1, withScores: false };
  for (let index = first + 2; index < request.count;) {
    const taken = takeOption(request, index, options, form);
    if (taken instanceof Refusal) return taken;
    if (taken === 0) return new Refusal(errors.syntax);
    index += taken;
  }
  const by = options.by ?? 'rank';
  if (by === 'rank' && options.count !== -1) {
    return new Refusal('ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX');
  }
  if (by === 'lex' && options.withScores) {
    return new Refusal('ERR syntax error, WITHSCORES not supported in combination with BYLEX');
  }
  const reverse = form.reverse ?? options.reverse ?? false;
  const range = parseRange(request, first, by, reverse);
  if (range instanceof Refusal) return range;
  const { offset, count, withScores } = options;
  return { request, range, reverse, offset, count, withScores };
}

/** In reverse the higher end comes first, where ends are values. */
function parseRange(request: Request, first: number, by: Range['by'], reverse: boolean): Range | Refusal {
  if (by === 'rank') return parseRankRange(request, first, first + 1);
  const min = reverse ? first + 1 : first;
  const max = reverse ? first : first + 1;
  return by === 'score' ? parseScoreRange(request, min, max) : parseLexRange(request, min, max);
}
