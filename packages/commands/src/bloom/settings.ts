/** How a Bloom filter is created: the options of BF.RESERVE and BF.INSERT, checked as Kvrocks checks them. */
import type { BloomSettings } from '@holdfast/engine';
import type { Request } from '@holdfast/resp';
import { Refusal, errors } from '../command.ts';
import { doubleOf } from '../data/doubles.ts';

export const bloomErrors = {
  badErrorRate: 'ERR Bad error rate',
  errorRateRange: 'ERR error rate should be between 0 and 1',
  badCapacity: 'ERR Bad capacity',
  capacityRange: 'ERR capacity should be larger than 0',
  badExpansion: 'ERR Bad expansion',
  expansionRange: 'ERR expansion should be greater or equal to 1',
  nonScalingExpansion: 'ERR nonscaling filters cannot expand',
  noItems: 'ERR num of items should be greater than 0',
  full: 'ERR nonscaling filter is full',
  exists: 'ERR the key already exists',
  notFound: 'ERR key is not found',
  badInfo: 'ERR Invalid info argument',
} as const;

export const defaultSettings: BloomSettings = { capacity: 100, errorRate: 0.01, expansion: 2 };

export interface ReserveInput {
  readonly request: Request;
  readonly settings: BloomSettings;
}

export interface InsertInput extends ReserveInput {
  readonly mayCreate: boolean;
  /** Index of the first item. */
  readonly first: number;
  /** Whether the reply is no array. */
  readonly isSingle: boolean;
}

function parseErrorRate(request: Request, index: number): number | Refusal {
  const rate = index < request.count ? doubleOf(request, index) : NaN;
  if (Number.isNaN(rate)) return new Refusal(bloomErrors.badErrorRate);
  return rate > 0 && rate < 1 ? rate : new Refusal(bloomErrors.errorRateRange);
}

function parseCapacity(request: Request, index: number): number | Refusal {
  const capacity = index < request.count ? request.integer(index) : NaN;
  if (!(capacity >= 0 && capacity <= 0xffffffff)) return new Refusal(bloomErrors.badCapacity);
  return capacity > 0 ? capacity : new Refusal(bloomErrors.capacityRange);
}

function parseExpansion(request: Request, index: number): number | Refusal {
  const expansion = index < request.count ? request.integer(index) : NaN;
  if (!(expansion >= 0 && expansion <= 0xffff)) return new Refusal(bloomErrors.badExpansion);
  return expansion > 0 ? expansion : new Refusal(bloomErrors.expansionRange);
}

/** What was read of the options so far. */
interface Options {
  capacity: number;
  errorRate: number;
  /** Undefined: not given. */
  expansion: number | undefined;
  isNonScaling: boolean;
  mayCreate: boolean;
}

function settingsOf({ capacity, errorRate, expansion, isNonScaling }: Options): BloomSettings | Refusal {
  if (isNonScaling && expansion !== undefined) return new Refusal(bloomErrors.nonScalingExpansion);
  return { capacity, errorRate, expansion: isNonScaling ? 0 : (expansion ?? defaultSettings.expansion) };
}

function noOptions(): Options {
  return { ...defaultSettings, expansion: undefined, isNonScaling: false, mayCreate: true };
}

/** Takes EXPANSION or NONSCALING at `index`. @returns the index behind it; undefined when there is neither. */
function takeGrowth(request: Request, index: number, options: Options): number | Refusal | undefined {
  if (request.is(index, 'nonscaling')) {
    options.isNonScaling = true;
    return index + 1;
  }
  if (!request.is(index, 'expansion')) return undefined;
  const expansion = parseExpansion(request, index + 1);
  if (expansion instanceof Refusal) return expansion;
  options.expansion = expansion;
  return index + 2;
}

/** As `takeGrowth` for the options that only BF.INSERT has. */
function takeInsertOption(request: Request, index: number, options: Options): number | Refusal | undefined {
  if (request.is(index, 'nocreate')) {
    options.mayCreate = false;
    return index + 1;
  }
  const isCapacity = request.is(index, 'capacity');
  if (!isCapacity && !request.is(index, 'error')) return undefined;
  const value = isCapacity ? parseCapacity(request, index + 1) : parseErrorRate(request, index + 1);
  if (value instanceof Refusal) return value;
  if (isCapacity) options.capacity = value;
  else options.errorRate = value;
  return index + 2;
}

/** `key error_rate capacity [EXPANSION n | NONSCALING]`. */
export function parseReserve(request: Request): ReserveInput | Refusal {
  const errorRate = parseErrorRate(request, 2);
  if (errorRate instanceof Refusal) return errorRate;
  const capacity = parseCapacity(request, 3);
  if (capacity instanceof Refusal) return capacity;
  const options = { ...noOptions(), errorRate, capacity };
  for (let index = 4; index < request.count;) {
    const next = takeGrowth(request, index, options);
    if (next === undefined) return new Refusal(errors.syntax);
    if (next instanceof Refusal) return next;
    index = next;
  }
  const settings = settingsOf(options);
  return settings instanceof Refusal ? settings : { request, settings };
}

/** `key [CAPACITY n] [ERROR p] [EXPANSION n] [NOCREATE] [NONSCALING] ITEMS item...`. */
export function parseInsert(request: Request): InsertInput | Refusal {
  const options = noOptions();
  let index = 2;
  while (index < request.count && !request.is(index, 'items')) {
    const next = takeGrowth(request, index, options) ?? takeInsertOption(request, index, options);
    if (next === undefined) return new Refusal(errors.syntax);
    if (next instanceof Refusal) return next;
    index = next;
  }
  const settings = settingsOf(options);
  if (settings instanceof Refusal) return settings;
  const first = index + 1;
  if (first >= request.count) return new Refusal(bloomErrors.noItems);
  return { request, settings, mayCreate: options.mayCreate, first, isSingle: false };
}
