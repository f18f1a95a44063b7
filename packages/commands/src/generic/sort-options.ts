/** The arguments of SORT and SORT_RO. */
import type { Request } from '@holdfast/resp';
import { Refusal, errors } from '../command.ts';
import { longOf } from '../data/arguments.ts';

export interface SortOptions {
  readonly request: Request;
  isDescending: boolean;
  /** Compared as text, not as numbers. */
  isAlpha: boolean;
  /** Index of the pattern whose values are compared; undefined: the elements themselves. */
  by: number | undefined;
  /** A BY pattern without `*`: the order is that of the collection. */
  isUnsorted: boolean;
  offset: number;
  /** Negative: all. */
  count: number;
  /** Indexes of the GET patterns. */
  readonly get: number[];
  /** Index of the key that gets the result. */
  store: number | undefined;
}

const star = 42;

/** Where the patterns' keys stand is not known before the elements are read, so a cluster cannot route them. */
const byInCluster = 'ERR BY option of SORT denied in cluster mode.';
const getInCluster = 'ERR GET option of SORT denied in cluster mode.';

export interface SortDialect {
  /** SORT; SORT_RO does not. */
  readonly mayStore: boolean;
  readonly isCluster: boolean;
}

export function parseSort(request: Request, dialect: SortDialect): SortOptions | Refusal {
  const options: SortOptions = {
    request,
    isDescending: false,
    isAlpha: false,
    by: undefined,
    isUnsorted: false,
    offset: 0,
    count: -1,
    get: [],
    store: undefined,
  };
  for (let index = 2; index < request.count;) {
    const taken = takeWord(options, index) || takeOption(options, index, dialect);
    if (taken instanceof Refusal) return taken;
    if (taken === 0) return new Refusal(errors.syntax);
    index += taken;
  }
  return options;
}

/** Takes an option without a value. @returns how many arguments it took; 0 when it is none. */
function takeWord(options: SortOptions, index: number): number {
  const { request } = options;
  if (request.is(index, 'asc')) options.isDescending = false;
  else if (request.is(index, 'desc')) options.isDescending = true;
  else if (request.is(index, 'alpha')) options.isAlpha = true;
  else return 0;
  return 1;
}

/** Takes an option and its values. @returns how many arguments it took; 0 when it is none. */
function takeOption(options: SortOptions, index: number, { mayStore, isCluster }: SortDialect): number | Refusal {
  const { request } = options;
  const values = request.count - index - 1;
  if (request.is(index, 'limit') && values >= 2) {
    options.offset = longOf(request, index + 1);
    options.count = longOf(request, index + 2);
    const isWhole = !Number.isNaN(options.offset) && !Number.isNaN(options.count);
    return isWhole ? 3 : new Refusal(errors.notInteger);
  }
  if (values < 1) return 0;
  if (mayStore && request.is(index, 'store')) options.store = index + 1;
  else if (request.is(index, 'by')) {
    const isConstant = request.bytes(index + 1).indexOf(star) < 0;
    if (!isConstant && isCluster) return new Refusal(byInCluster);
    if (isConstant) options.isUnsorted = true;
    options.by = index + 1;
  } else if (request.is(index, 'get')) {
    if (isCluster) return new Refusal(getInCluster);
    options.get.push(index + 1);
  } else return 0;
  return 2;
}
