/** Lists: arrays. */
import type { Family } from './family.ts';
import { integerOf, sliceOf, type Keyspace, type Models } from './keyspace.ts';
import { Refusal, ok, type Expected } from './reply.ts';

function items(keys: Keyspace, key: string): string[] | undefined {
  return keys.find(key, 'list')?.items;
}

function open(keys: Keyspace, key: string): string[] {
  return keys.open(key, { type: 'list', items: [] }).items;
}

function push(keys: Keyspace, key: string, side: string, values: string[]): number {
  const list = open(keys, key);
  for (const value of values) {
    if (side === 'LEFT') list.unshift(value);
    else list.push(value);
  }
  return list.length;
}

function take(list: string[], side: string, count: number): string[] {
  const taken = side === 'LEFT' ? list.splice(0, count) : list.splice(Math.max(0, list.length - count)).reverse();
  return taken;
}

function pop(keys: Keyspace, side: string, [key = '', count]: string[]): Expected {
  const list = items(keys, key);
  if (list === undefined) return count === undefined ? null : { nothing: 'array' };
  const taken = take(list, side, count === undefined ? 1 : integerOf(count));
  return count === undefined ? (taken[0] as string) : taken;
}

function move(keys: Keyspace, from: string, to: string, fromSide: string, toSide: string): Expected {
  const source = items(keys, from);
  if (source === undefined) return null;
  items(keys, to);
  const [value = ''] = take(source, fromSide, 1);
  push(keys, to, toSide, [value]);
  return value;
}

/** LPOS with its three options, each at most once. */
function positions(keys: Keyspace, [key = '', value = '', ...options]: string[]): Expected {
  const option = (name: string): number | undefined => {
    const at = options.indexOf(name);
    return at < 0 ? undefined : integerOf(options[at + 1] as string);
  };
  const list = items(keys, key);
  const [rank = 1, count, most = 0] = [option('RANK'), option('COUNT'), option('MAXLEN')];
  if (list === undefined) return count === undefined ? null : [];
  const order = list.map((_, i) => i);
  if (rank < 0) order.reverse();
  const found = order.filter((i, n) => list[i] === value && (most === 0 || n < most)).slice(Math.abs(rank) - 1);
  if (count === undefined) return found[0] ?? null;
  return count === 0 ? found : found.slice(0, count);
}

function remove(list: string[], count: number, value: string): number {
  const order = list.flatMap((item, i) => (item === value ? [i] : []));
  const most = count === 0 ? order.length : Math.abs(count);
  const gone = count < 0 ? order.slice(-most) : order.slice(0, most);
  for (const at of gone.toReversed()) list.splice(at, 1);
  return gone.length;
}

const models: Models = {
  LPUSH: (keys, [key = '', ...values]) => push(keys, key, 'LEFT', values),
  RPUSH: (keys, [key = '', ...values]) => push(keys, key, 'RIGHT', values),
  LPUSHX: (keys, [key = '', ...values]) => (items(keys, key) === undefined ? 0 : push(keys, key, 'LEFT', values)),
  RPUSHX: (keys, [key = '', ...values]) => (items(keys, key) === undefined ? 0 : push(keys, key, 'RIGHT', values)),
  LPOP: (keys, args) => pop(keys, 'LEFT', args),
  RPOP: (keys, args) => pop(keys, 'RIGHT', args),
  LLEN: (keys, [key = '']) => items(keys, key)?.length ?? 0,
  LINDEX: (keys, [key = '', index = '']) => items(keys, key)?.at(integerOf(index)) ?? null,
  LSET: (keys, [key = '', index = '', value = '']) => {
    const list = items(keys, key);
    if (list === undefined) throw new Refusal('ERR no such key');
    const at = integerOf(index) < 0 ? list.length + integerOf(index) : integerOf(index);
    if (at < 0 || at >= list.length) throw new Refusal('ERR index out of range');
    list[at] = value;
    return ok;
  },
  LRANGE: (keys, [key = '', start = '', stop = '']) => {
    const list = items(keys, key) ?? [];
    return list.slice(...sliceOf(list.length, integerOf(start), integerOf(stop)));
  },
  LTRIM: (keys, [key = '', start = '', stop = '']) => {
    const list = items(keys, key);
    if (list === undefined) return ok;
    const [from, to] = sliceOf(list.length, integerOf(start), integerOf(stop));
    list.splice(to);
    list.splice(0, from);
    return ok;
  },
  LREM: (keys, [key = '', count = '', value = '']) => remove(items(keys, key) ?? [], integerOf(count), value),
  LINSERT: (keys, [key = '', where = '', pivot = '', value = '']) => {
    const list = items(keys, key);
    if (list === undefined) return 0;
    const at = list.indexOf(pivot);
    if (at < 0) return -1;
    list.splice(where === 'BEFORE' ? at : at + 1, 0, value);
    return list.length;
  },
  LMOVE: (keys, [from = '', to = '', fromSide = '', toSide = '']) => move(keys, from, to, fromSide, toSide),
  BLMOVE: (keys, [from = '', to = '', fromSide = '', toSide = '']) => move(keys, from, to, fromSide, toSide),
  RPOPLPUSH: (keys, [from = '', to = '']) => move(keys, from, to, 'RIGHT', 'LEFT'),
  LPOS: positions,
  LMPOP: (keys, [count = '', ...rest]) => {
    const names = rest.slice(0, Number(count));
    const [side = '', , most = '1'] = rest.slice(Number(count));
    for (const key of names) {
      const list = items(keys, key);
      if (list !== undefined) return [key, take(list, side, integerOf(most))];
    }
    return { nothing: 'array' };
  },
};

const side = ['LEFT', 'RIGHT'];

export const lists: Family = {
  kind: 'list',
  models,
  choices: [
    [10, (g) => [g.pick(['LPUSH', 'RPUSH']), g.key('list'), ...g.some(() => g.text())]],
    [2, (g) => [g.pick(['LPUSHX', 'RPUSHX']), g.key('list'), g.member()]],
    [5, (g) => [g.pick(['LPOP', 'RPOP']), g.key('list'), ...g.maybe(g.int(0, 4))]],
    [2, (g) => ['LLEN', g.key('list')]],
    [3, (g) => ['LINDEX', g.key('list'), g.int(-8, 8)]],
    [3, (g) => ['LSET', g.key('list'), g.int(-8, 8), g.text()]],
    [4, (g) => ['LRANGE', g.key('list'), g.int(-9, 9), g.int(-9, 9)]],
    [2, (g) => ['LTRIM', g.key('list'), g.int(-4, 3), g.int(-4, 9)]],
    [3, (g) => ['LREM', g.key('list'), g.int(-2, 2), g.text()]],
    [3, (g) => ['LINSERT', g.key('list'), g.pick(['BEFORE', 'AFTER']), g.text(), g.text()]],
    [3, (g) => ['LMOVE', g.key('list'), g.key('list'), g.pick(side), g.pick(side)]],
    [1, (g) => ['RPOPLPUSH', g.key('list'), g.key('list')]],
    [
      2,
      (g) => [
        'LPOS',
        g.key('list'),
        g.text(),
        ...g.maybe('RANK', g.pick(['1', '2', '-1', '-2'])),
        ...g.maybe('COUNT', g.int(0, 3)),
        ...g.maybe('MAXLEN', g.int(0, 6)),
      ],
    ],
    [
      2,
      (g) => {
        const names = g.some(() => g.key('list'), 3);
        return ['LMPOP', String(names.length), ...names, g.pick(side), ...g.maybe('COUNT', g.int(1, 4))];
      },
    ],
  ],
  probes: {
    list: (key) => [
      ['LRANGE', key, '0', '-1'],
      ['LLEN', key],
    ],
  },
};
