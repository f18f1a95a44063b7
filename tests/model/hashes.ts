/** Hashes: fields in byte order. */
import type { Family } from './family.ts';
import { inOrder, integerOf, type Keyspace, type Models } from './keyspace.ts';
import { Refusal, ok, type Expected } from './reply.ts';

function fields(keys: Keyspace, key: string): Map<string, string> | undefined {
  return keys.find(key, 'hash')?.fields;
}

function open(keys: Keyspace, key: string): Map<string, string> {
  return keys.open(key, { type: 'hash', fields: new Map() }).fields;
}

function set(keys: Keyspace, key: string, pairs: string[]): number {
  const to = open(keys, key);
  const before = to.size;
  for (let i = 0; i < pairs.length; i += 2) to.set(pairs[i] as string, pairs[i + 1] as string);
  return to.size - before;
}

function drawn(keys: Keyspace, key: string): Expected {
  const from = fields(keys, key);
  if (from === undefined) return null;
  const known = new Set([...from.keys()].map((name) => `$${name.length}\r\n${name}\r\n`));
  return { check: (bytes) => (known.has(bytes) ? undefined : 'no field of the hash') };
}

const models: Models = {
  HSET: (keys, [key = '', ...pairs]) => set(keys, key, pairs),
  HMSET: (keys, [key = '', ...pairs]) => {
    set(keys, key, pairs);
    return ok;
  },
  HSETNX: (keys, [key = '', name = '', value = '']) => {
    if (fields(keys, key)?.has(name) === true) return 0;
    return set(keys, key, [name, value]);
  },
  HGET: (keys, [key = '', name = '']) => fields(keys, key)?.get(name) ?? null,
  HMGET: (keys, [key = '', ...names]) => {
    const from = fields(keys, key);
    return names.map((name) => from?.get(name) ?? null);
  },
  HDEL: (keys, [key = '', ...names]) => {
    const from = fields(keys, key);
    return names.filter((name) => from?.delete(name) === true).length;
  },
  HLEN: (keys, [key = '']) => fields(keys, key)?.size ?? 0,
  HEXISTS: (keys, [key = '', name = '']) => (fields(keys, key)?.has(name) === true ? 1 : 0),
  HSTRLEN: (keys, [key = '', name = '']) => (fields(keys, key)?.get(name) ?? '').length,
  HGETALL: (keys, [key = '']) => {
    const from = fields(keys, key);
    return { map: inOrder(from?.keys() ?? []).map((name) => [name, from?.get(name) as string] as const) };
  },
  HKEYS: (keys, [key = '']) => inOrder(fields(keys, key)?.keys() ?? []),
  HVALS: (keys, [key = '']) => {
    const from = fields(keys, key);
    return inOrder(from?.keys() ?? []).map((name) => from?.get(name) as string);
  },
  HINCRBY: (keys, [key = '', name = '', by = '']) => {
    const before = fields(keys, key)?.get(name) ?? '0';
    if (!/^(0|-?[1-9]\d*)$/.test(before)) throw new Refusal('ERR hash value is not an integer');
    const value = Number(before) + integerOf(by);
    set(keys, key, [name, String(value)]);
    return value;
  },
  HINCRBYFLOAT: (keys, [key = '', name = '', by = '']) => {
    const before = fields(keys, key)?.get(name) ?? '0';
    if (!/^-?\d+(\.\d+)?$/.test(before)) throw new Refusal('ERR hash value is not a float');
    const value = String(Number(before) + Number(by));
    set(keys, key, [name, value]);
    return value;
  },
  HRANDFIELD: (keys, [key = '']) => drawn(keys, key),
};

export const hashes: Family = {
  kind: 'hash',
  models,
  choices: [
    [10, (g) => ['HSET', g.key('hash'), ...g.some(() => [g.member(), g.pick([g.text(), g.int(-9, 9)])]).flat()]],
    [1, (g) => ['HMSET', g.key('hash'), g.member(), g.text()]],
    [3, (g) => ['HSETNX', g.key('hash'), g.member(), g.text()]],
    [4, (g) => ['HGET', g.key('hash'), g.member()]],
    [3, (g) => ['HMGET', g.key('hash'), ...g.some(() => g.member())]],
    [5, (g) => ['HDEL', g.key('hash'), ...g.some(() => g.member())]],
    [2, (g) => ['HLEN', g.key('hash')]],
    [2, (g) => ['HEXISTS', g.key('hash'), g.member()]],
    [1, (g) => ['HSTRLEN', g.key('hash'), g.member()]],
    [3, (g) => [g.pick(['HGETALL', 'HKEYS', 'HVALS']), g.key('hash')]],
    [3, (g) => ['HINCRBY', g.key('hash'), g.member(), g.int(-20, 20)]],
    [2, (g) => ['HINCRBYFLOAT', g.key('hash'), g.member(), g.pick(['0.5', '-1.25', '3'])]],
    [1, (g) => (g.exactOnly ? ['HLEN', g.key('hash')] : ['HRANDFIELD', g.key('hash')])],
  ],
  probes: {
    hash: (key) => [
      ['HGETALL', key],
      ['HLEN', key],
    ],
  },
};
