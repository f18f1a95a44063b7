/** JSON documents of plain values, with the simplest of paths. */
import type { Family } from './family.ts';
import { inOrder, type Json, type Keyspace, type Models } from './keyspace.ts';
import { Refusal, ok, type Expected } from './reply.ts';

/** As text, with the members of objects in byte order. */
function textOf(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(textOf).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  return `{${inOrder(Object.keys(value))
    .map((name) => `${JSON.stringify(name)}:${textOf(value[name] as Json)}`)
    .join(',')}}`;
}

function document(keys: Keyspace, key: string): { json: Json } | undefined {
  return keys.find(key, 'ReJSON-RL');
}

function needed(keys: Keyspace, key: string): { json: Json } {
  const found = document(keys, key);
  if (found === undefined) throw new Refusal("ERR could not perform this operation on a key that doesn't exist");
  return found;
}

/** Paths are `$` and `$.name`. */
function at(json: Json, path: string): Json[] {
  if (path === '$') return [json];
  if (json === null || typeof json !== 'object' || Array.isArray(json)) return [];
  const value = json[path.slice(2)];
  return value === undefined ? [] : [value];
}

function put(of: { json: Json }, path: string, value: Json): void {
  if (path === '$') of.json = value;
  else (of.json as { [name: string]: Json })[path.slice(2)] = value;
}

const typeOf = (value: Json): string =>
  value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value === 'number' ? 'integer' : typeof value;

const models: Models = {
  'JSON.SET': (keys, [key = '', path = '', text = '']) => {
    const value = JSON.parse(text) as Json;
    const found = document(keys, key);
    if (found === undefined) {
      if (path !== '$') throw new Refusal('ERR new objects must be created at the root');
      keys.put(key, { type: 'ReJSON-RL', json: value });
      return ok;
    }
    const isObject = found.json !== null && typeof found.json === 'object' && !Array.isArray(found.json);
    if (path !== '$' && !isObject) return null;
    put(found, path, value);
    return ok;
  },
  'JSON.GET': (keys, [key = '', path]) => {
    const found = document(keys, key);
    if (found === undefined) return null;
    return path === undefined ? textOf(found.json) : textOf(at(found.json, path));
  },
  'JSON.TYPE': (keys, [key = '', path = '']) => {
    const found = document(keys, key);
    return found === undefined ? null : at(found.json, path).map(typeOf);
  },
  'JSON.NUMINCRBY': (keys, [key = '', path = '', by = '']) => {
    const found = needed(keys, key);
    const values = at(found.json, path).map((value) => (typeof value === 'number' ? value + Number(by) : null));
    if (typeof values[0] === 'number') put(found, path, values[0]);
    return textOf(values);
  },
  'JSON.ARRAPPEND': (keys, [key = '', path = '', ...values]) =>
    at(needed(keys, key).json, path).map((list): Expected => {
      if (!Array.isArray(list)) return null;
      return list.push(...values.map((value) => JSON.parse(value) as Json));
    }),
  'JSON.ARRPOP': (keys, [key = '', path = '']) =>
    at(needed(keys, key).json, path).map((list) => {
      const value = Array.isArray(list) ? list.pop() : undefined;
      return value === undefined ? null : textOf(value);
    }),
  'JSON.ARRLEN': (keys, [key = '', path = '']) => {
    const found = document(keys, key);
    return found === undefined ? null : at(found.json, path).map((list) => (Array.isArray(list) ? list.length : null));
  },
  'JSON.DEL': (keys, [key = '', path = '']) => {
    const found = document(keys, key);
    if (found === undefined || at(found.json, path).length === 0) return 0;
    if (path === '$') keys.entries.delete(key);
    else delete (found.json as { [name: string]: Json })[path.slice(2)];
    return 1;
  },
  'JSON.OBJKEYS': (keys, [key = '', path = '']) => {
    const found = document(keys, key);
    if (found === undefined) return null;
    return at(found.json, path).map((value) =>
      value !== null && typeof value === 'object' && !Array.isArray(value) ? inOrder(Object.keys(value)) : null,
    );
  },
};

const values = ['1', '-5', '"text"', '[]', '[1,"two",null]', '{}', '{"b":1,"a":[true]}', 'null', 'false'];
const paths = ['$', '$.n', '$.l', '$.s', '$.x'];

export const json: Family = {
  kind: 'json',
  models,
  choices: [
    [
      5,
      (g) => [
        'JSON.SET',
        g.key('json'),
        '$',
        g.pick(['{"n":1,"l":[1,2],"s":"text"}', '{"z":{"y":1},"n":7,"l":[]}', g.pick(values)]),
      ],
    ],
    [6, (g) => ['JSON.SET', g.key('json'), g.pick(paths), g.pick(values)]],
    [4, (g) => ['JSON.GET', g.key('json'), ...g.maybe(g.pick(paths))]],
    [2, (g) => ['JSON.TYPE', g.key('json'), g.pick(paths)]],
    [4, (g) => ['JSON.NUMINCRBY', g.key('json'), g.pick(['$.n', '$.n', '$.s', '$.x']), g.int(-5, 5)]],
    [
      4,
      (g) => [
        'JSON.ARRAPPEND',
        g.key('json'),
        g.pick(['$.l', '$.l', '$.n', '$.x']),
        ...g.some(() => g.pick(values), 2),
      ],
    ],
    [2, (g) => ['JSON.ARRPOP', g.key('json'), g.pick(['$.l', '$.l', '$.n', '$.x'])]],
    [1, (g) => ['JSON.ARRLEN', g.key('json'), g.pick(['$.l', '$.n', '$.x'])]],
    [2, (g) => ['JSON.DEL', g.key('json'), g.pick(['$.l', '$.x', '$.n', '$'])]],
    [1, (g) => ['JSON.OBJKEYS', g.key('json'), g.pick(paths)]],
  ],
  probes: { 'ReJSON-RL': (key) => [['JSON.GET', key]] },
};
