/** Streams with groups: entries and pending entries in arrays. */
import type { Family } from './family.ts';
import type { Generator } from './generator.ts';
import {
  inOrder,
  integerOf,
  type Group,
  type Keyspace,
  type Models,
  type StreamId,
  type StreamValue,
} from './keyspace.ts';
import { Refusal, leavesOf, ok, type Expected } from './reply.ts';

function order(a: StreamId, b: StreamId): number {
  return a[0] - b[0] || a[1] - b[1];
}

function idOf(text: string, lacking = 0): StreamId {
  if (text === '-') return [0, 0];
  if (text === '+') return [Infinity, 0];
  const [ms = '', seq] = text.split('-');
  return [Number(ms), seq === undefined ? lacking : Number(seq)];
}

const textOf = (id: StreamId): string => `${id[0]}-${id[1]}`;

type Entry = StreamValue['entries'][number];

function shown(entries: readonly Entry[]): Expected[] {
  return entries.map(({ id, fields }) => [textOf(id), fields]);
}

function range(keys: Keyspace, key: string, from: string, to: string): Entry[] {
  const low = idOf(from.replace('(', ''));
  const high = idOf(to.replace('(', ''), Infinity);
  return (keys.find(key, 'stream')?.entries ?? []).filter(({ id }) => {
    const above = from.startsWith('(') ? order(id, low) > 0 : order(id, low) >= 0;
    return above && (to.startsWith('(') ? order(id, high) < 0 : order(id, high) <= 0);
  });
}

function limited<T>(found: T[], options: string[]): T[] {
  const at = options.indexOf('COUNT');
  return at < 0 ? found : found.slice(0, integerOf(options[at + 1] as string));
}

/** `MAXLEN = n` or `MINID = id`. @returns how many went. */
function trim(stream: StreamValue, [how, , bound = '']: string[]): number {
  const before = stream.entries.length;
  if (how === 'MAXLEN') stream.entries = stream.entries.slice(Math.max(0, before - Number(bound)));
  else stream.entries = stream.entries.filter(({ id }) => order(id, idOf(bound)) >= 0);
  return before - stream.entries.length;
}

function add(keys: Keyspace, [key = '', ...rest]: string[]): Expected {
  const makes = rest[0] !== 'NOMKSTREAM';
  const options = makes ? rest : rest.slice(1);
  const trims = options[0] === 'MAXLEN' || options[0] === 'MINID';
  const [idText = '', ...fields] = trims ? options.slice(3) : options;
  const found = keys.find(key, 'stream');
  if (found === undefined && !makes) return null;
  const last = found?.last ?? [0, 0];
  let id = idOf(idText);
  if (idText.endsWith('-*')) id = [id[0], id[0] === last[0] ? last[1] + 1 : 0];
  if (order(id, last) <= 0) {
    throw new Refusal('ERR The ID specified in XADD is equal or smaller than the target stream top item');
  }
  const stream = keys.open<StreamValue>(key, { type: 'stream', entries: [], last, groups: new Map() });
  stream.entries.push({ id, fields });
  stream.last = id;
  if (trims) trim(stream, options);
  return textOf(id);
}

function groupOf(keys: Keyspace, key: string, name: string, suffix = ''): { stream: StreamValue; group: Group } {
  const stream = keys.find(key, 'stream');
  const group = stream?.groups.get(name);
  if (stream === undefined || group === undefined)
    throw new Refusal(`NOGROUP No such key '${key}' or consumer group '${name}'${suffix}`);
  return { stream, group };
}

const absentKey =
  'ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.';

function xgroup(keys: Keyspace, [operation = '', key = '', name = '', third = '', option]: string[]): Expected {
  let stream = keys.find(key, 'stream');
  if (operation === 'CREATE') {
    if (stream === undefined && option !== 'MKSTREAM') throw new Refusal(absentKey);
    stream ??= keys.open<StreamValue>(key, { type: 'stream', entries: [], last: [0, 0], groups: new Map() });
    if (stream.groups.has(name)) throw new Refusal(`BUSYGROUP consumer group name '${name}' already exists`);
    stream.groups.set(name, { last: third === '$' ? stream.last : idOf(third), pending: [], consumers: new Set() });
    return ok;
  }
  if (stream === undefined) throw new Refusal(absentKey);
  const group = stream.groups.get(name);
  if (operation === 'DESTROY') return stream.groups.delete(name) ? 1 : 0;
  if (group === undefined) throw new Refusal(`NOGROUP No such consumer group ${name} for key name ${key}`);
  if (operation === 'SETID') {
    group.last = third === '$' ? stream.last : idOf(third);
    return ok;
  }
  if (operation === 'CREATECONSUMER') {
    if (group.consumers.has(third)) return 0;
    group.consumers.add(third);
    return 1;
  }
  const before = group.pending.length;
  group.pending = group.pending.filter(({ consumer }) => consumer !== third);
  group.consumers.delete(third);
  return before - group.pending.length;
}

function deliver(group: Group, id: StreamId, consumer: string): void {
  group.pending = group.pending.filter((one) => order(one.id, id) !== 0);
  group.pending.push({ id, consumer, count: 1 });
  group.pending.sort((a, b) => order(a.id, b.id));
}

function readGroup(keys: Keyspace, args: string[]): Expected {
  const [, name = '', consumer = ''] = args;
  const [key = '', from = ''] = args.slice(-2);
  const { stream, group } = groupOf(keys, key, name, ' in XREADGROUP with GROUP option');
  group.consumers.add(consumer);
  if (from !== '>') {
    const mine = limited(
      group.pending.filter((one) => one.consumer === consumer && order(one.id, idOf(from)) > 0),
      args,
    );
    return {
      map: [
        [
          key,
          mine.map((one): Expected => {
            const entry = stream.entries.find(({ id }) => order(id, one.id) === 0);
            if (entry !== undefined) one.count++;
            return [textOf(one.id), entry === undefined ? { nothing: 'array' } : entry.fields];
          }),
        ],
      ],
      rows: true,
    };
  }
  const fresh = limited(
    stream.entries.filter(({ id }) => order(id, group.last) > 0),
    args,
  );
  if (fresh.length === 0) return { nothing: 'array' };
  for (const { id } of fresh) {
    group.last = id;
    if (!args.includes('NOACK')) deliver(group, id, consumer);
  }
  return { map: [[key, shown(fresh)]], rows: true };
}

/** XPENDING; the time since the delivery is not compared. */
function pending(keys: Keyspace, [key = '', name = '', from, to = '', count = '']: string[]): Expected {
  const { group } = groupOf(keys, key, name);
  if (from === undefined) {
    const [first, last] = [group.pending[0], group.pending.at(-1)];
    if (first === undefined || last === undefined) return [0, null, null, { nothing: 'array' }];
    const consumers = inOrder(new Set(group.pending.map(({ consumer }) => consumer)));
    const counts = consumers.map((one) => [
      one,
      String(group.pending.filter(({ consumer }) => consumer === one).length),
    ]);
    return [group.pending.length, textOf(first.id), textOf(last.id), counts];
  }
  const found = group.pending
    .filter(({ id }) => order(id, idOf(from)) >= 0 && order(id, idOf(to, Infinity)) <= 0)
    .slice(0, integerOf(count))
    .map(({ id, consumer, count: times }) => [textOf(id), consumer, String(times)]);
  return {
    check: (bytes) => {
      const rows = leavesOf(bytes).filter((_, i) => i % 4 !== 2);
      return rows.join() === found.flat().join() ? undefined : `expected ${JSON.stringify(found)}`;
    },
  };
}

function claim(keys: Keyspace, [key = '', name = '', consumer = '', , ...rest]: string[]): Expected {
  const { stream, group } = groupOf(keys, key, name);
  const justId = rest.includes('JUSTID');
  const claimed: Expected[] = [];
  group.consumers.add(consumer);
  for (const text of rest.filter((word) => word !== 'JUSTID')) {
    const one = group.pending.find(({ id }) => order(id, idOf(text)) === 0);
    if (one === undefined) continue;
    const entry = stream.entries.find(({ id }) => order(id, one.id) === 0);
    if (entry === undefined) {
      group.pending.splice(group.pending.indexOf(one), 1);
      continue;
    }
    one.consumer = consumer;
    if (!justId) one.count++;
    claimed.push(justId ? textOf(one.id) : [textOf(one.id), entry.fields]);
  }
  return claimed;
}

const models: Models = {
  XADD: add,
  XLEN: (keys, [key = '']) => keys.find(key, 'stream')?.entries.length ?? 0,
  XRANGE: (keys, [key = '', from = '', to = '', ...options]) => shown(limited(range(keys, key, from, to), options)),
  XREVRANGE: (keys, [key = '', to = '', from = '', ...options]) =>
    shown(limited(range(keys, key, from, to).reverse(), options)),
  XDEL: (keys, [key = '', ...ids]) => {
    const stream = keys.find(key, 'stream');
    if (stream === undefined) return 0;
    const before = stream.entries.length;
    stream.entries = stream.entries.filter(({ id }) => !ids.some((one) => order(idOf(one), id) === 0));
    return before - stream.entries.length;
  },
  XTRIM: (keys, [key = '', ...how]) => {
    const stream = keys.find(key, 'stream');
    return stream === undefined ? 0 : trim(stream, how);
  },
  XREAD: (keys, args) => {
    const [key = '', from = ''] = args.slice(-2);
    const found = (keys.find(key, 'stream')?.entries ?? []).filter(({ id }) => order(id, idOf(from)) > 0);
    if (found.length === 0) return { nothing: 'array' };
    return { map: [[key, shown(limited(found, args))]], rows: true };
  },
  XGROUP: xgroup,
  XREADGROUP: readGroup,
  XACK: (keys, [key = '', name = '', ...ids]) => {
    const group = keys.find(key, 'stream')?.groups.get(name);
    if (group === undefined) return 0;
    const before = group.pending.length;
    group.pending = group.pending.filter(({ id }) => !ids.some((one) => order(idOf(one), id) === 0));
    return before - group.pending.length;
  },
  XPENDING: pending,
  XCLAIM: claim,
};

let serial = 0;

/** Mostly greater than those before. */
function newId(g: Generator): string {
  serial += g.below(3);
  const ms = g.chance(12) ? 1 + g.below(50) : 100 + serial;
  return `${ms}-${g.pick(['0', '1', '2', '*', '*'])}`;
}

const someId = (g: Generator): string => `${100 + Math.max(0, serial - g.below(60))}-${g.below(3)}`;
const group = (g: Generator): string => g.pick(['g1', 'g2']);
const consumer = (g: Generator): string => g.pick(['alice', 'bob']);
const bound = (g: Generator): string => `${100 + Math.max(0, serial - g.below(60))}`;

/** A run begins where its seed says. */
export function restartIds(): void {
  serial = 0;
}

export const streams: Family = {
  kind: 'stream',
  models,
  choices: [
    [
      14,
      (g) => [
        'XADD',
        g.key('stream'),
        ...g.maybe('NOMKSTREAM'),
        ...g.maybe(
          ...g.pick([
            ['MAXLEN', '=', g.int(0, 12)],
            ['MINID', '=', someId(g)],
          ]),
        ),
        newId(g),
        ...g.some(() => [g.member(), g.text()], 3).flat(),
      ],
    ],
    [2, (g) => ['XLEN', g.key('stream')]],
    [
      3,
      (g) => [
        'XRANGE',
        g.key('stream'),
        g.pick(['-', bound(g), `(${someId(g)}`]),
        g.pick(['+', bound(g)]),
        ...g.maybe('COUNT', g.int(1, 5)),
      ],
    ],
    [
      2,
      (g) => [
        'XREVRANGE',
        g.key('stream'),
        g.pick(['+', bound(g)]),
        g.pick(['-', bound(g)]),
        ...g.maybe('COUNT', g.int(1, 5)),
      ],
    ],
    [4, (g) => ['XDEL', g.key('stream'), ...g.some(() => someId(g))]],
    [
      1,
      (g) => [
        'XTRIM',
        g.key('stream'),
        ...g.pick([
          ['MAXLEN', '=', g.int(0, 9)],
          ['MINID', '=', someId(g)],
        ]),
      ],
    ],
    [2, (g) => ['XREAD', ...g.maybe('COUNT', g.int(1, 4)), 'STREAMS', g.key('stream'), g.pick(['0', someId(g)])]],
    [4, (g) => ['XGROUP', 'CREATE', g.key('stream'), group(g), g.pick(['0', '$', someId(g)]), ...g.maybe('MKSTREAM')]],
    [1, (g) => ['XGROUP', 'DESTROY', g.key('stream'), group(g)]],
    [1, (g) => ['XGROUP', 'SETID', g.key('stream'), group(g), g.pick(['0', '$', someId(g)])]],
    [1, (g) => ['XGROUP', g.pick(['CREATECONSUMER', 'DELCONSUMER']), g.key('stream'), group(g), consumer(g)]],
    [
      8,
      (g) => [
        ...[
          'XREADGROUP',
          'GROUP',
          group(g),
          consumer(g),
          ...g.maybe('COUNT', g.int(1, 4)),
          ...(g.chance(6) ? ['NOACK'] : []),
        ],
        ...['STREAMS', g.key('stream'), g.pick(['>', '>', '>', '0', someId(g)])],
      ],
    ],
    [4, (g) => ['XACK', g.key('stream'), group(g), ...g.some(() => someId(g), 8)]],
    [2, (g) => ['XPENDING', g.key('stream'), group(g)]],
    [
      2,
      (g) => (g.exactOnly ? ['XLEN', g.key('stream')] : ['XPENDING', g.key('stream'), group(g), '-', '+', g.int(1, 9)]),
    ],
    [
      3,
      (g) => [
        'XCLAIM',
        g.key('stream'),
        group(g),
        consumer(g),
        '0',
        ...g.some(() => someId(g), 8),
        ...g.maybe('JUSTID'),
      ],
    ],
  ],
  probes: {
    stream: (key, value) => [
      ['XRANGE', key, '-', '+'],
      ['XLEN', key],
      ...(value.type === 'stream' ? [...value.groups.keys()] : []).flatMap((name) => [
        ['XPENDING', key, name],
        ['XPENDING', key, name, '-', '+', '1000'],
      ]),
    ],
  },
};
