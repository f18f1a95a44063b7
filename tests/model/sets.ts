/** Sets, sorted integers, and what only estimates: HyperLogLogs and Bloom filters, held to sets. */
import type { Family } from './family.ts';
import { inOrder, integerOf, type Keyspace, type Models } from './keyspace.ts';
import { Refusal, between, leavesOf, ok, type Expected } from './reply.ts';

function members(keys: Keyspace, key: string): Set<string> {
  return keys.find(key, 'set')?.members ?? new Set();
}

function algebra(keys: Keyspace, operation: string, names: string[]): Set<string> {
  const sets = names.map((name) => members(keys, name));
  const [first = new Set<string>(), ...rest] = sets;
  if (operation === 'UNION') return new Set(sets.flatMap((set) => [...set]));
  return new Set([...first].filter((one) => rest.every((set) => set.has(one) === (operation === 'INTER'))));
}

function store(keys: Keyspace, operation: string, [target = '', ...names]: string[]): number {
  const result = algebra(keys, operation, names);
  keys.put(target, { type: 'set', members: result });
  return result.size;
}

/** Members drawn without repetition; SPOP takes them out. */
function drawn(keys: Keyspace, [key = '', count]: string[], takes: boolean): Expected {
  const set = members(keys, key);
  if (set.size === 0) return count === undefined ? null : takes ? { set: [] } : [];
  const wanted = count === undefined ? 1 : Math.min(set.size, integerOf(count));
  return {
    check: (bytes) => {
      const found = leavesOf(bytes);
      if (found.length !== wanted || new Set(found).size !== wanted) return `not ${wanted} different members`;
      if (found.some((one) => !set.has(one))) return 'no member of the set';
      if (takes) for (const one of found) set.delete(one);
      return undefined;
    },
  };
}

function ids(keys: Keyspace, key: string): number[] {
  return [...(keys.find(key, 'sortedint')?.ids ?? [])].sort((a, b) => a - b);
}

const setModels: Models = {
  SADD: (keys, [key = '', ...names]) => {
    const set = keys.open(key, { type: 'set', members: new Set() }).members;
    const before = set.size;
    for (const name of names) set.add(name);
    return set.size - before;
  },
  SREM: (keys, [key = '', ...names]) => {
    const set = members(keys, key);
    return names.filter((name) => set.delete(name)).length;
  },
  SCARD: (keys, [key = '']) => members(keys, key).size,
  SISMEMBER: (keys, [key = '', name = '']) => (members(keys, key).has(name) ? 1 : 0),
  SMISMEMBER: (keys, [key = '', ...names]) => {
    const set = members(keys, key);
    return names.map((name) => (set.has(name) ? 1 : 0));
  },
  SMEMBERS: (keys, [key = '']) => ({ set: inOrder(members(keys, key)) }),
  SMOVE: (keys, [from = '', to = '', name = '']) => {
    const source = members(keys, from);
    if (source.size === 0) return 0;
    keys.find(to, 'set');
    if (from === to) return source.has(name) ? 1 : 0;
    if (!source.delete(name)) return 0;
    keys.open(to, { type: 'set', members: new Set() }).members.add(name);
    return 1;
  },
  SPOP: (keys, args) => drawn(keys, args, true),
  SRANDMEMBER: (keys, args) => drawn(keys, args, false),
  SINTER: (keys, names) => ({ set: inOrder(algebra(keys, 'INTER', names)) }),
  SUNION: (keys, names) => ({ set: inOrder(algebra(keys, 'UNION', names)) }),
  SDIFF: (keys, names) => ({ set: inOrder(algebra(keys, 'DIFF', names)) }),
  SINTERSTORE: (keys, args) => store(keys, 'INTER', args),
  SUNIONSTORE: (keys, args) => store(keys, 'UNION', args),
  SDIFFSTORE: (keys, args) => store(keys, 'DIFF', args),
  SINTERCARD: (keys, [count = '', ...rest]) => {
    const size = algebra(keys, 'INTER', rest.slice(0, Number(count))).size;
    const limit = integerOf(rest[Number(count) + 1] ?? '0');
    return limit > 0 ? Math.min(limit, size) : size;
  },
};

export const sets: Family = {
  kind: 'set',
  models: setModels,
  choices: [
    [10, (g) => ['SADD', g.key('set'), ...g.some(() => g.member(), 6)]],
    [5, (g) => ['SREM', g.key('set'), ...g.some(() => g.member())]],
    [2, (g) => ['SCARD', g.key('set')]],
    [2, (g) => ['SISMEMBER', g.key('set'), g.member()]],
    [2, (g) => ['SMISMEMBER', g.key('set'), ...g.some(() => g.member())]],
    [3, (g) => ['SMEMBERS', g.key('set')]],
    [3, (g) => ['SMOVE', g.key('set'), g.key('set'), g.member()]],
    [3, (g) => (g.exactOnly ? ['SCARD', g.key('set')] : ['SPOP', g.key('set'), ...g.maybe(g.int(0, 4))])],
    [2, (g) => (g.exactOnly ? ['SCARD', g.key('set')] : ['SRANDMEMBER', g.key('set'), ...g.maybe(g.int(0, 4))])],
    [4, (g) => [g.pick(['SINTER', 'SUNION', 'SDIFF']), ...g.some(() => g.key('set'), 3)]],
    [4, (g) => [g.pick(['SINTERSTORE', 'SUNIONSTORE', 'SDIFFSTORE']), g.key('set'), ...g.some(() => g.key('set'), 3)]],
    [
      2,
      (g) => {
        const names = g.some(() => g.key('set'), 3);
        return ['SINTERCARD', String(names.length), ...names, ...g.maybe('LIMIT', g.int(0, 4))];
      },
    ],
  ],
  probes: {
    set: (key) => [
      ['SMEMBERS', key],
      ['SCARD', key],
    ],
  },
};

function sortedRange(keys: Keyspace, [key = '', offset = '', count = '']: string[], reverse: boolean): Expected {
  const all = ids(keys, key);
  if (reverse) all.reverse();
  return all.slice(integerOf(offset), integerOf(offset) + integerOf(count)).map(String);
}

export const sortedInts: Family = {
  kind: 'sortedint',
  models: {
    SIADD: (keys, [key = '', ...numbers]) => {
      const set = keys.open(key, { type: 'sortedint', ids: new Set() }).ids;
      const before = set.size;
      for (const number of numbers) set.add(Number(number));
      return set.size - before;
    },
    SIREM: (keys, [key = '', ...numbers]) => {
      const set = keys.find(key, 'sortedint')?.ids;
      return numbers.filter((number) => set?.delete(Number(number)) === true).length;
    },
    SICARD: (keys, [key = '']) => ids(keys, key).length,
    SIEXISTS: (keys, [key = '', ...numbers]) => {
      const set = keys.find(key, 'sortedint')?.ids;
      return numbers.map((number) => (set?.has(Number(number)) === true ? 1 : 0));
    },
    SIRANGE: (keys, args) => sortedRange(keys, args, false),
    SIREVRANGE: (keys, args) => sortedRange(keys, args, true),
    SIRANGEBYVALUE: (keys, [key = '', from = '', to = '']) =>
      ids(keys, key)
        .filter((id) => id >= Number(from) && id <= Number(to))
        .map(String),
  },
  choices: [
    [6, (g) => ['SIADD', g.key('sortedint'), ...g.some(() => g.int(0, 30))]],
    [3, (g) => ['SIREM', g.key('sortedint'), ...g.some(() => g.int(0, 30))]],
    [1, (g) => ['SICARD', g.key('sortedint')]],
    [1, (g) => ['SIEXISTS', g.key('sortedint'), ...g.some(() => g.int(0, 30))]],
    [2, (g) => [g.pick(['SIRANGE', 'SIREVRANGE']), g.key('sortedint'), g.int(0, 4), g.int(1, 9)]],
    [1, (g) => ['SIRANGEBYVALUE', g.key('sortedint'), g.int(0, 15), g.int(0, 30)]],
  ],
  probes: { sortedint: (key) => [['SIRANGE', key, '0', '1000']] },
};

/** What an estimate may differ by: 0.81 % is the standard error of 16384 registers. */
function estimate(size: number): Expected {
  const room = Math.ceil(size * 0.05) + 1;
  return between(Math.max(0, size - room), size + room);
}

/** Redis says of a string what is wrong with it. */
function estimated(keys: Keyspace, key: string): Set<string> | undefined {
  if (keys.entries.get(key)?.value.type === 'string')
    throw new Refusal('WRONGTYPE Key is not a valid HyperLogLog string value.');
  return keys.find(key, 'hyperloglog')?.members;
}

function counted(keys: Keyspace, names: string[]): Set<string> {
  return new Set(names.flatMap((name) => [...(estimated(keys, name) ?? [])]));
}

export const hyperLogLogs: Family = {
  kind: 'hyperloglog',
  models: {
    PFADD: (keys, [key = '', ...names]) => {
      const isNew = estimated(keys, key) === undefined;
      const set = keys.open(key, { type: 'hyperloglog', members: new Set() }).members;
      const before = set.size;
      for (const name of names) set.add(name);
      if (set.size === before) return 0;
      return isNew ? 1 : between(0, 1);
    },
    PFCOUNT: (keys, names) => estimate(counted(keys, names).size),
    PFMERGE: (keys, [target = '', ...names]) => {
      const merged = counted(keys, [target, ...names]);
      const set = keys.open(target, { type: 'hyperloglog', members: new Set() }).members;
      for (const name of merged) set.add(name);
      return ok;
    },
  },
  choices: [
    [
      5,
      (g) =>
        g.exactOnly
          ? ['PFMERGE', g.key('hyperloglog')]
          : ['PFADD', g.key('hyperloglog'), ...g.some(() => g.int(0, 5000), 40)],
    ],
    [
      2,
      (g) => (g.exactOnly ? ['EXISTS', g.key('hyperloglog')] : ['PFCOUNT', ...g.some(() => g.key('hyperloglog'), 3)]),
    ],
    [3, (g) => ['PFMERGE', g.key('hyperloglog'), ...g.some(() => g.key('hyperloglog'), 3)]],
  ],
  probes: { hyperloglog: (key) => [['PFCOUNT', key]] },
};

function bloom(keys: Keyspace, key: string): Set<string> | undefined {
  return keys.find(key, 'MBbloom--')?.members;
}

/** 1 or true for what is there; for the rest a filter may err. */
function added(isNew: readonly boolean[], single: boolean): Expected {
  return {
    check: (bytes) => {
      const found = leavesOf(bytes);
      if (found.length !== isNew.length || (single && bytes.startsWith('*'))) return `not ${isNew.length} answers`;
      const wrong = found.findIndex((one, i) => !(one === '0' || (one === '1' && isNew[i])));
      return wrong < 0 ? undefined : `answer ${wrong} says that what is there was not`;
    },
  };
}

function exist(isThere: readonly boolean[]): Expected {
  return {
    check: (bytes) => {
      const found = leavesOf(bytes);
      if (found.length !== isThere.length) return `not ${isThere.length} answers`;
      const wrong = found.findIndex((one, i) => isThere[i] && one !== '1');
      return wrong < 0 ? undefined : `item ${wrong} is there and was not found`;
    },
  };
}

function bloomAdd(keys: Keyspace, [key = '', ...items]: string[], single: boolean): Expected {
  const set = keys.open(key, { type: 'MBbloom--', members: new Set() }).members;
  return added(
    items.map((item) => {
      const isNew = !set.has(item);
      set.add(item);
      return isNew;
    }),
    single,
  );
}

export const blooms: Family = {
  kind: 'bloom',
  models: {
    'BF.ADD': (keys, args) => bloomAdd(keys, args, true),
    'BF.MADD': (keys, args) => bloomAdd(keys, args, false),
    'BF.EXISTS': (keys, [key = '', item = '']) => exist([bloom(keys, key)?.has(item) === true]),
    'BF.MEXISTS': (keys, [key = '', ...items]) => {
      const set = bloom(keys, key);
      return exist(items.map((item) => set?.has(item) === true));
    },
    'BF.CARD': (keys, [key = '']) => {
      const size = bloom(keys, key)?.size ?? 0;
      return between(Math.max(0, size - 2 - Math.floor(size / 20)), size);
    },
  },
  choices: [
    [3, (g) => (g.exactOnly ? ['EXISTS', g.key('bloom')] : ['BF.ADD', g.key('bloom'), g.int(0, 500)])],
    [
      2,
      (g) =>
        g.exactOnly ? ['EXISTS', g.key('bloom')] : ['BF.MADD', g.key('bloom'), ...g.some(() => g.int(0, 500), 20)],
    ],
    [
      2,
      (g) =>
        g.exactOnly ? ['EXISTS', g.key('bloom')] : ['BF.MEXISTS', g.key('bloom'), ...g.some(() => g.int(0, 500))],
    ],
    [1, (g) => (g.exactOnly ? ['EXISTS', g.key('bloom')] : ['BF.EXISTS', g.key('bloom'), g.int(0, 500)])],
    [1, (g) => (g.exactOnly ? ['EXISTS', g.key('bloom')] : ['BF.CARD', g.key('bloom')])],
  ],
  probes: {
    'MBbloom--': (key, value) => [
      ['BF.CARD', key],
      ...(value.type === 'MBbloom--' && value.members.size > 0 ? [['BF.MEXISTS', key, ...value.members]] : []),
    ],
  },
};
