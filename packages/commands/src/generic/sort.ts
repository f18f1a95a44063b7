/**
 * SORT and SORT_RO: the elements of a list, set or sorted set in order, or what other keys say of them; SORT may store the
 * result as a list. Everything is read before anything is written.
 */
import { Collection, Lists, family, typeId, type DataTypes, type EntryIterator, type UserKey } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, type Call, type CommandDefinition } from '../command.ts';
import { keyOf } from '../data/arguments.ts';
import { notify } from '../events.ts';
import { parseSort, type SortDialect, type SortOptions } from './sort-options.ts';
import { sortRanked, sortScore, type Ranked } from './sort-order.ts';
import { sortPattern, valueOf, type SortPattern } from './sort-pattern.ts';

/** Redis' text without its ERR, as Kvrocks' suite asserts it. */
const notDouble = "One or more scores can't be converted into double";

/** Bytes of a score before the member in sub keys of `family.zsetScore`. */
const scoreBytes = 8;

/** Where elements are read from: entries, and which part of each is the element. */
interface Source {
  readonly entries: EntryIterator;
  /** Where the element begins in the key of an entry; undefined: it is the value. */
  readonly keyOffset: number | undefined;
}

interface Place {
  readonly list: Lists;
  readonly set: Collection;
  readonly zset: Collection;
}

/** Which elements are wanted of a collection that is not sorted; all of one that is. */
interface Window {
  readonly skip: number;
  readonly take: number;
}

function windowOf({ offset, count }: SortOptions, size: number): Window {
  const skip = Math.min(Math.max(offset, 0), size);
  return { skip, take: count < 0 ? size - skip : Math.min(count, size - skip) };
}

function readElements({ entries, keyOffset }: Source, { skip, take }: Window): Buffer[] {
  const elements: Buffer[] = [];
  try {
    for (let at = 0; elements.length < take && entries.next(); at++) {
      if (at < skip) continue;
      const { key, value } = entries;
      const element = keyOffset === undefined ? value.view() : key.buffer.subarray(key.start + keyOffset, key.end);
      elements.push(Buffer.from(element));
    }
  } finally {
    entries.close();
  }
  return elements;
}

/**
 * The elements of the key that may be answered; undefined when it is no collection that can be sorted. Those of a set that is
 * not sorted come in the order of their bytes, which only a result that is stored may turn around: Redis sorts such a set
 * for STORE, and Kvrocks keeps the order else.
 */
function load(types: DataTypes, place: Place, call: Call, options: SortOptions): Buffer[] | undefined {
  const key = keyOf(call, options.request, 1);
  const { meta } = types.records;
  const type = types.records.load(key, call.nowMs) ? meta.type : typeId.none;
  const isReverse = options.isUnsorted && options.isDescending;
  const collection = type === typeId.list ? place.list : type === typeId.set ? place.set : place.zset;
  if (type === typeId.none) return [];
  if (collection.open(key, call.nowMs) === 'wrong-type') return undefined;
  const window = options.isUnsorted ? windowOf(options, collection.size) : { skip: 0, take: Infinity };
  if (type === typeId.list) {
    const { list } = place;
    const size = list.end - list.first;
    const range: [number, number] = isReverse
      ? [list.end - window.skip - Math.min(window.take, size), list.end - window.skip]
      : [list.first + window.skip, list.first + window.skip + Math.min(window.take, size)];
    const entries = list.elements(...range, { reverse: isReverse });
    return readElements({ entries, keyOffset: undefined }, { skip: 0, take: window.take });
  }
  const isByScore = type === typeId.zset && options.isUnsorted;
  const entries = collection.iterate({
    keysOnly: true,
    of: isByScore ? family.zsetScore : family.subkey,
    reverse: isReverse && (isByScore || options.store !== undefined),
  });
  const keyOffset = collection.prefixLength + (isByScore ? scoreBytes : 0);
  return readElements({ entries, keyOffset }, window);
}

/** Elements with what they are ordered by; undefined when a weight is no number. */
function rank(types: DataTypes, call: Call, options: SortOptions, elements: readonly Buffer[]): Ranked[] | undefined {
  const { by, isAlpha, request } = options;
  const pattern: SortPattern =
    by === undefined || options.isUnsorted ? { kind: 'element' } : sortPattern(request.bytes(by));
  const ranked: Ranked[] = [];
  for (const element of elements) {
    const weight = valueOf(types, call, pattern, element);
    if (isAlpha) {
      const text = weight === undefined ? undefined : Buffer.from(weight.buffer.subarray(weight.start, weight.end));
      ranked.push({ element, score: 0, text });
      continue;
    }
    const score = weight === undefined ? 0 : sortScore(weight.buffer.latin1Slice(weight.start, weight.end));
    if (Number.isNaN(score)) return undefined;
    ranked.push({ element, score, text: undefined });
  }
  return ranked;
}

/** The elements to answer, in order; a refusal when they cannot be ordered. */
function sorted(types: DataTypes, place: Place, call: Call, options: SortOptions): Buffer[] | Refusal {
  const elements = load(types, place, call, options);
  if (elements === undefined) return new Refusal(errors.wrongType);
  if (options.isUnsorted) return elements;
  const ranked = rank(types, call, options, elements);
  if (ranked === undefined) return new Refusal(notDouble);
  sortRanked(ranked, options);
  const { skip, take } = windowOf(options, ranked.length);
  return ranked.slice(skip, skip + take).map(({ element }) => element);
}

function patternsOf({ get, request }: SortOptions): SortPattern[] {
  return get.length === 0 ? [{ kind: 'element' }] : get.map((index) => sortPattern(request.bytes(index)));
}

function answer(
  types: DataTypes,
  call: Call,
  options: SortOptions,
  elements: readonly Buffer[],
  reply: ReplyWriter,
): void {
  const patterns = patternsOf(options);
  reply.array(elements.length * patterns.length);
  for (const element of elements) {
    for (const pattern of patterns) {
      const value = valueOf(types, call, pattern, element);
      if (value === undefined) reply.nil();
      else reply.bulk(value.buffer, value.start, value.end);
    }
  }
}

const nothing = Buffer.alloc(0);

/** Makes `target` a list of the result, or deletes it when there is none. @returns the length of the result. */
function store(types: DataTypes, list: Lists, call: Call, options: SortOptions, elements: readonly Buffer[]): number {
  const target: UserKey = keyOf(call, options.request, options.store as number);
  const patterns = patternsOf(options);
  const values: Buffer[] = [];
  for (const element of elements) {
    for (const pattern of patterns) {
      const value = valueOf(types, call, pattern, element);
      values.push(value === undefined ? nothing : Buffer.from(value.buffer.subarray(value.start, value.end)));
    }
  }
  if (values.length === 0) {
    if (types.keyspace.delete(target, call.nowMs)) notify(call, 'g', 'del', target);
    return 0;
  }
  list.create(target);
  for (const buffer of values) list.push('right', { buffer, start: 0, end: buffer.length });
  list.save(target);
  notify(call, 'l', 'sortstore', target);
  return values.length;
}

function run(types: DataTypes, place: Place, call: Call, options: SortOptions, reply: ReplyWriter): void {
  const elements = sorted(types, place, call, options);
  if (elements instanceof Refusal) return reply.error(elements.message);
  if (options.store === undefined) return answer(types, call, options, elements, reply);
  reply.integer(store(types, place.list, call, options, elements));
}

/** The sorted key and, when it is given, the key of STORE. */
function keysOfSort(request: Request): readonly number[] {
  const options = parseSort(request, { mayStore: true, isCluster: false });
  return options instanceof Refusal || options.store === undefined ? [1] : [1, options.store];
}

export function sortCommands(types: DataTypes): CommandDefinition[] {
  const { records, engine } = types;
  const place: Place = {
    list: new Lists(records),
    set: new Collection(records, typeId.set),
    zset: new Collection(records, typeId.zset),
  };
  const dialect = (mayStore: boolean): SortDialect => ({ mayStore, isCluster: engine.slotPrefixed });
  const common = {
    arity: -2,
    keys: firstKey,
    group: 'generic',
    complexity: 'O(N+M*log(M)) where N is the number of elements and M the number of those returned.',
    run: (call: Call, options: SortOptions, reply: ReplyWriter): void => run(types, place, call, options, reply),
  };
  return [
    define<SortOptions>({
      ...common,
      name: 'sort',
      flags: ['write', 'slow'],
      keyIndexes: keysOfSort,
      since: '1.0.0',
      summary: 'Sorts the elements of a list, a set or a sorted set, and may store the result.',
      parse: (request) => parseSort(request, dialect(true)),
    }),
    define<SortOptions>({
      ...common,
      name: 'sort_ro',
      flags: ['readonly', 'slow'],
      since: '7.0.0',
      summary: 'Returns the sorted elements of a list, a set or a sorted set.',
      parse: (request) => parseSort(request, dialect(false)),
    }),
  ];
}
