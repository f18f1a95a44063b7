/** Sorted sets, and geo positions in them. Scores are halves and whole numbers, whose sums and texts are exact. */
import type { Family } from './family.ts';
import type { Generator } from './generator.ts';
import { inOrder, integerOf, sliceOf, type Keyspace, type Models } from './keyspace.ts';
import { Refusal, leavesOf, type Expected } from './reply.ts';

type Scored = readonly [member: string, score: number];

function scores(keys: Keyspace, key: string): Map<string, number> {
  return keys.find(key, 'zset')?.scores ?? new Map<string, number>();
}

function open(keys: Keyspace, key: string): Map<string, number> {
  return keys.open(key, { type: 'zset', scores: new Map() }).scores;
}

function byMember([a]: Scored, [b]: Scored): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function sorted(of: Map<string, number>): Scored[] {
  return [...of].sort((one, other) => one[1] - other[1] || byMember(one, other));
}

function numberOf(text: string): number {
  return text === 'inf' || text === '+inf' ? Infinity : text === '-inf' ? -Infinity : Number(text);
}

/** A bound of scores: `(` leaves its number out. */
function within(score: number, low: string, high: string): boolean {
  const above = low.startsWith('(') ? score > numberOf(low.slice(1)) : score >= numberOf(low);
  return above && (high.startsWith('(') ? score < numberOf(high.slice(1)) : score <= numberOf(high));
}

function withinLex(member: string, low: string, high: string): boolean {
  const above = low === '-' || (low !== '+' && (low.startsWith('(') ? member > low.slice(1) : member >= low.slice(1)));
  const below =
    high === '+' || (high !== '-' && (high.startsWith('(') ? member < high.slice(1) : member <= high.slice(1)));
  return above && below;
}

/** With scores RESP3 has pairs, RESP2 one row. */
function shown(found: readonly Scored[], withScores: boolean): Expected {
  if (!withScores) return found.map(([member]) => member);
  return { pairs: found.map(([member, score]) => [member, { double: score }]) };
}

function add(keys: Keyspace, [key = '', ...rest]: string[]): Expected {
  const isOption = (word: string): boolean => ['NX', 'XX', 'GT', 'LT', 'CH', 'INCR'].includes(word);
  const options = rest.slice(
    0,
    rest.findIndex((word) => !isOption(word)),
  );
  const has = (word: string): boolean => options.includes(word);
  const pairs = rest.slice(options.length);
  const to = open(keys, key);
  let [created, changed] = [0, 0];
  let result: Expected = null;
  for (let i = 0; i < pairs.length; i += 2) {
    const member = pairs[i + 1] as string;
    const before = to.get(member);
    const next = numberOf(pairs[i] as string) + (has('INCR') ? (before ?? 0) : 0);
    if (before === undefined ? has('XX') : has('NX')) continue;
    if (before !== undefined && ((has('GT') && next <= before) || (has('LT') && next >= before))) continue;
    to.set(member, next);
    if (before === undefined) created++;
    else if (before !== next) changed++;
    result = { double: next };
  }
  if (has('INCR')) return result;
  return has('CH') ? created + changed : created;
}

/**
 * ZRANGE with its options; `REV` takes bounds of scores and bytes the other way round. By bytes all members are in their
 * order, whatever their scores are (Kvrocks).
 */
function range(keys: Keyspace, key: string, start: string, stop: string, options: readonly string[]): Scored[] {
  const has = (word: string): boolean => options.includes(word);
  let found = has('BYLEX') ? [...scores(keys, key)].sort(byMember) : sorted(scores(keys, key));
  if (has('REV')) found.reverse();
  const [low, high] = has('REV') ? [stop, start] : [start, stop];
  if (has('BYSCORE')) found = found.filter(([, score]) => within(score, low, high));
  else if (has('BYLEX')) found = found.filter(([member]) => withinLex(member, low, high));
  else found = found.slice(...sliceOf(found.length, integerOf(start), integerOf(stop)));
  const at = options.indexOf('LIMIT');
  if (at < 0) return found;
  const [offset, count] = [integerOf(options[at + 1] as string), integerOf(options[at + 2] as string)];
  return offset < 0 ? [] : count < 0 ? found.slice(offset) : found.slice(offset, offset + count);
}

function removed(keys: Keyspace, key: string, found: readonly Scored[]): number {
  const from = scores(keys, key);
  for (const [member] of found) from.delete(member);
  return found.length;
}

function input(keys: Keyspace, key: string): Map<string, number> {
  const value = keys.find(key, 'zset', 'set');
  if (value?.type === 'set') return new Map([...value.members].map((member) => [member, 1]));
  return value?.scores ?? new Map<string, number>();
}

function combine(keys: Keyspace, operation: string, args: string[]): Map<string, number> {
  const count = Number(args[0]);
  const inputs = args.slice(1, count + 1).map((name) => input(keys, name));
  const options = args.slice(count + 1);
  const weights = options.includes('WEIGHTS') ? options.slice(options.indexOf('WEIGHTS') + 1).map(numberOf) : [];
  const way = options[options.indexOf('AGGREGATE') + 1] as string;
  const aggregate = options.includes('AGGREGATE') ? way : 'SUM';
  const result = new Map<string, number>();
  const known = new Map<string, number>();
  inputs.forEach((one, i) => {
    for (const [member, score] of one) {
      const weighted = score * (operation === 'DIFF' ? 1 : (weights[i] ?? 1)) + 0;
      const before = result.get(member);
      known.set(member, (known.get(member) ?? 0) + 1);
      const sum = (before ?? 0) + weighted;
      if (before === undefined) result.set(member, weighted);
      else if (operation !== 'DIFF')
        result.set(
          member,
          aggregate === 'MIN'
            ? Math.min(before, weighted)
            : aggregate === 'MAX'
              ? Math.max(before, weighted)
              : Number.isNaN(sum)
                ? 0
                : sum,
        );
    }
  });
  for (const member of result.keys()) {
    const keeps =
      operation === 'UNION' ||
      (operation === 'INTER' ? known.get(member) === count : inputs[0]?.has(member) && known.get(member) === 1);
    if (!keeps) result.delete(member);
  }
  return result;
}

function store(keys: Keyspace, target: string, found: Iterable<Scored>): number {
  const to = new Map(found);
  keys.put(target, { type: 'zset', scores: to });
  return to.size;
}

function pop(keys: Keyspace, [key = '', count]: string[], max: boolean): Expected {
  const all = sorted(scores(keys, key));
  if (max) all.reverse();
  const found = all.slice(0, count === undefined ? 1 : integerOf(count));
  removed(keys, key, found);
  // One member without a count is a row also in RESP3.
  if (count === undefined) return found.flatMap(([member, score]): Expected[] => [member, { double: score }]);
  return shown(found, true);
}

function rank(keys: Keyspace, [key = '', member = '']: string[], reverse: boolean): Expected {
  const all = sorted(scores(keys, key));
  if (reverse) all.reverse();
  const at = all.findIndex(([name]) => name === member);
  return at < 0 ? null : at;
}

/** The 52 bits of a position: longitude and latitude in turn, from the most significant. */
function positionScore(longitude: number, latitude: number): number {
  const part = (value: number, low: number, high: number): bigint =>
    BigInt(Math.floor(((value - low) / (high - low)) * 2 ** 26));
  const [x, y] = [part(longitude, -180, 180), part(latitude, -85.05112878, 85.05112878)];
  let score = 0n;
  for (let bit = 25n; bit >= 0n; bit--) score = (score << 2n) | (((x >> bit) & 1n) << 1n) | ((y >> bit) & 1n);
  return Number(score);
}

function near(text: string | undefined, value: number, room: number): boolean {
  return text !== undefined && Math.abs(Number(text) - value) <= room;
}

const places: Readonly<Record<string, readonly [number, number]>> = {
  p1: [13.361389, 38.115556],
  p2: [15.087269, 37.502669],
  p3: [-122.25, 37.5],
  p4: [0, 0],
  p5: [179.5, -84.25],
};

const models: Models = {
  ZADD: add,
  ZINCRBY: (keys, [key = '', by = '', member = '']) => add(keys, [key, 'INCR', by, member]),
  ZREM: (keys, [key = '', ...names]) => {
    const from = scores(keys, key);
    return names.filter((name) => from.delete(name)).length;
  },
  ZCARD: (keys, [key = '']) => scores(keys, key).size,
  ZSCORE: (keys, [key = '', member = '']) => {
    const score = scores(keys, key).get(member);
    return score === undefined ? null : { double: score };
  },
  ZMSCORE: (keys, [key = '', ...names]) => {
    const from = scores(keys, key);
    return names.map((name) => (from.has(name) ? { double: from.get(name) as number } : null));
  },
  ZCOUNT: (keys, [key = '', low = '', high = '']) => range(keys, key, low, high, ['BYSCORE']).length,
  ZLEXCOUNT: (keys, [key = '', low = '', high = '']) => {
    // Kvrocks' suite asks for this.
    if (low === '+' && high === '-' && keys.find(key, 'zset') === undefined) throw new Refusal('ERR min > max');
    return range(keys, key, low, high, ['BYLEX']).length;
  },
  ZRANK: (keys, args) => rank(keys, args, false),
  ZREVRANK: (keys, args) => rank(keys, args, true),
  ZRANGE: (keys, [key = '', start = '', stop = '', ...options]) =>
    shown(range(keys, key, start, stop, options), options.includes('WITHSCORES')),
  ZREVRANGE: (keys, [key = '', start = '', stop = '', ...options]) =>
    shown(range(keys, key, start, stop, ['REV']), options.includes('WITHSCORES')),
  ZRANGEBYSCORE: (keys, [key = '', low = '', high = '', ...options]) =>
    shown(range(keys, key, low, high, ['BYSCORE', ...options]), options.includes('WITHSCORES')),
  ZREVRANGEBYSCORE: (keys, [key = '', high = '', low = '', ...options]) =>
    shown(range(keys, key, high, low, ['REV', 'BYSCORE', ...options]), options.includes('WITHSCORES')),
  ZRANGESTORE: (keys, [target = '', key = '', start = '', stop = '', ...options]) =>
    store(keys, target, range(keys, key, start, stop, options)),
  ZREMRANGEBYRANK: (keys, [key = '', start = '', stop = '']) => removed(keys, key, range(keys, key, start, stop, [])),
  ZREMRANGEBYSCORE: (keys, [key = '', low = '', high = '']) =>
    removed(keys, key, range(keys, key, low, high, ['BYSCORE'])),
  ZREMRANGEBYLEX: (keys, [key = '', low = '', high = '']) => removed(keys, key, range(keys, key, low, high, ['BYLEX'])),
  ZPOPMIN: (keys, args) => pop(keys, args, false),
  ZPOPMAX: (keys, args) => pop(keys, args, true),
  ZMPOP: (keys, [count = '', ...rest]) => {
    const [way, , most = '1'] = rest.slice(Number(count));
    for (const key of rest.slice(0, Number(count))) {
      if (scores(keys, key).size === 0) continue;
      const all = sorted(scores(keys, key));
      if (way === 'MAX') all.reverse();
      const found = all.slice(0, integerOf(most));
      removed(keys, key, found);
      return [key, found.map(([member, score]): Expected => [member, { double: score }])];
    }
    return { nothing: 'array' };
  },
  ZUNION: (keys, args) => shown(sorted(combine(keys, 'UNION', args)), args.includes('WITHSCORES')),
  ZINTER: (keys, args) => shown(sorted(combine(keys, 'INTER', args)), args.includes('WITHSCORES')),
  ZDIFF: (keys, args) => shown(sorted(combine(keys, 'DIFF', args)), args.includes('WITHSCORES')),
  ZUNIONSTORE: (keys, [target = '', ...args]) => store(keys, target, combine(keys, 'UNION', args)),
  ZINTERSTORE: (keys, [target = '', ...args]) => store(keys, target, combine(keys, 'INTER', args)),
  ZDIFFSTORE: (keys, [target = '', ...args]) => store(keys, target, combine(keys, 'DIFF', args)),
  ZINTERCARD: (keys, args) => {
    const size = combine(keys, 'INTER', args).size;
    const limit = integerOf(args.includes('LIMIT') ? (args.at(-1) as string) : '0');
    return limit > 0 ? Math.min(limit, size) : size;
  },
  GEOADD: (keys, [key = '', ...triples]) => {
    const to = open(keys, key);
    const before = to.size;
    for (let i = 0; i < triples.length; i += 3)
      to.set(triples[i + 2] as string, positionScore(Number(triples[i]), Number(triples[i + 1])));
    return to.size - before;
  },
  GEOPOS: (keys, [key = '', member = '']) => {
    if (!scores(keys, key).has(member)) return [{ nothing: 'array' }];
    const [longitude, latitude] = places[member] as readonly [number, number];
    return {
      check: (bytes) => {
        const [x, y] = leavesOf(bytes);
        return near(x, longitude, 0.0001) && near(y, latitude, 0.0001)
          ? undefined
          : `not near ${longitude}, ${latitude}`;
      },
    };
  },
};

const names = ['ZUNION', 'ZINTER', 'ZDIFF'];

function inputs(g: Generator): string[] {
  const keys = g.some(() => g.key(g.pick(['zset', 'zset', 'set'])), 3);
  return [String(keys.length), ...keys];
}

function weighted(g: Generator): string[] {
  const keys = inputs(g);
  const weights = g.chance(3) ? ['WEIGHTS', ...keys.slice(1).map(() => g.pick(['1', '2', '0.5', '3']))] : [];
  return [...keys, ...weights, ...g.maybe('AGGREGATE', g.pick(['SUM', 'MIN', 'MAX']))];
}

const bound = (g: Generator): string => g.pick(['-inf', '+inf', '(1', '1', '2', '(2.5', '-3', '0', '4']);
const lexBound = (g: Generator): string => g.pick(['-', '+', '[a', '(b', '[c', '(aa', '[']);
const score = (g: Generator): string =>
  g.pick(['0', '1', '2', '3', '-1', '1.5', '-2.5', '2.5', '10', 'inf', '-inf'].slice(0, g.chance(8) ? 11 : 9));
const limit = (g: Generator): string[] => g.maybe('LIMIT', g.int(0, 2), g.int(-1, 3));

export const zsets: Family = {
  kind: 'zset',
  models,
  choices: [
    [10, (g) => ['ZADD', g.key('zset'), ...g.some(() => [score(g), g.member()], 5).flat()]],
    [6, (g) => ['ZADD', g.key('lex'), ...g.some(() => ['0', g.member()], 5).flat()]],
    [
      5,
      (g) => [
        'ZADD',
        g.key('zset'),
        ...g.pick([['NX'], ['XX'], ['GT'], ['LT'], ['XX', 'GT'], []]),
        ...g.maybe('CH'),
        ...g.some(() => [score(g), g.member()]).flat(),
      ],
    ],
    [2, (g) => ['ZADD', g.key('zset'), ...g.pick([['NX'], ['XX'], ['GT']]), 'INCR', g.int(-3, 3), g.member()]],
    [3, (g) => ['ZINCRBY', g.key('zset'), g.pick(['1', '-0.5', '2.5']), g.member()]],
    [5, (g) => ['ZREM', g.key('zset'), ...g.some(() => g.member())]],
    [1, (g) => ['ZCARD', g.key('zset')]],
    [2, (g) => ['ZSCORE', g.key('zset'), g.member()]],
    [1, (g) => ['ZMSCORE', g.key('zset'), ...g.some(() => g.member())]],
    [2, (g) => ['ZCOUNT', g.key('zset'), bound(g), bound(g)]],
    [1, (g) => ['ZLEXCOUNT', g.key('lex'), lexBound(g), lexBound(g)]],
    [2, (g) => [g.pick(['ZRANK', 'ZREVRANK']), g.key('zset'), g.member()]],
    [4, (g) => [g.pick(['ZRANGE', 'ZREVRANGE']), g.key('zset'), g.int(-6, 6), g.int(-6, 6), ...g.maybe('WITHSCORES')]],
    [
      3,
      (g) => [
        'ZRANGE',
        g.key('zset'),
        bound(g),
        bound(g),
        'BYSCORE',
        ...g.maybe('REV'),
        ...limit(g),
        ...g.maybe('WITHSCORES'),
      ],
    ],
    [2, (g) => ['ZRANGE', g.key('lex'), lexBound(g), lexBound(g), 'BYLEX', ...g.maybe('REV'), ...limit(g)]],
    [
      2,
      (g) => [
        g.pick(['ZRANGEBYSCORE', 'ZREVRANGEBYSCORE']),
        g.key('zset'),
        bound(g),
        bound(g),
        ...g.maybe('WITHSCORES'),
        ...limit(g),
      ],
    ],
    [2, (g) => ['ZRANGESTORE', g.key('zset'), g.key('zset'), g.int(-6, 6), g.int(-6, 6), ...g.maybe('REV')]],
    [1, (g) => ['ZRANGESTORE', g.key('zset'), g.key('zset'), bound(g), bound(g), 'BYSCORE', ...limit(g)]],
    [1, (g) => ['ZREMRANGEBYRANK', g.key('zset'), g.int(-4, 4), g.int(-4, 4)]],
    [1, (g) => ['ZREMRANGEBYSCORE', g.key('zset'), bound(g), bound(g)]],
    [1, (g) => ['ZREMRANGEBYLEX', g.key('lex'), lexBound(g), lexBound(g)]],
    [3, (g) => [g.pick(['ZPOPMIN', 'ZPOPMAX']), g.key('zset'), ...g.maybe(g.int(0, 4))]],
    [2, (g) => ['ZMPOP', ...inputs(g), g.pick(['MIN', 'MAX']), ...g.maybe('COUNT', g.int(1, 3))]],
    [2, (g) => ['ZDIFF', ...inputs(g), ...g.maybe('WITHSCORES')]],
    [3, (g) => [g.pick(names.slice(0, 2)), ...weighted(g), ...g.maybe('WITHSCORES')]],
    [3, (g) => [g.pick(['ZUNIONSTORE', 'ZINTERSTORE']), g.key('zset'), ...weighted(g)]],
    [1, (g) => ['ZDIFFSTORE', g.key('zset'), ...inputs(g)]],
    [1, (g) => ['ZINTERCARD', ...inputs(g), ...g.maybe('LIMIT', g.int(0, 3))]],
    [
      3,
      (g) => [
        'GEOADD',
        g.key('geo'),
        ...g
          .some(() => g.pick(inOrder(Object.keys(places))))
          .flatMap((name) => [...(places[name] as readonly number[]).map(String), name]),
      ],
    ],
    [2, (g) => (g.exactOnly ? ['ZCARD', g.key('geo')] : ['GEOPOS', g.key('geo'), g.pick(Object.keys(places))])],
    [1, (g) => ['ZREM', g.key('geo'), g.pick(Object.keys(places))]],
  ],
  probes: {
    zset: (key) => [
      ['ZRANGE', key, '0', '-1', 'WITHSCORES'],
      ['ZCARD', key],
      ['ZRANGE', key, '-inf', '+inf', 'BYSCORE'],
    ],
  },
};
