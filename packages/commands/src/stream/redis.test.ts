// Random stream commands against a real redis-server: the replies must be the same, apart from times, and from what Kvrocks
// says in its own words.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBelow, seededRandom } from '@holdfast/base';
import { openTestCommands } from '../data/testing/command-runner.ts';
import { ReferenceRedis, hasReferenceRedis } from '../data/testing/reference-redis.ts';

const random = seededRandom(23);

function pick<T>(from: readonly T[]): T {
  return from[randomBelow(random, from.length)] as T;
}

const isRare = (): boolean => randomBelow(random, 100) === 0;
const maybe = (...make: (() => string)[]): string[] => (randomBelow(random, 5) < 2 ? make.map((one) => one()) : []);
const word = (text: string) => (): string => text;
const some = (make: () => string): string[] => Array.from({ length: 1 + randomBelow(random, 3) }, make);

const keys = ['a', 'b', 'c'];
const consumers = ['alice', 'bob', 'carol'];
const highest = '18446744073709551615';

/** Grows slowly, so that several entries share a millisecond and most ids are still new. */
let ms = 1;
function nextMs(): string {
  if (randomBelow(random, 3) === 0) ms++;
  return String(ms);
}

const key = (): string => (isRare() ? 'string' : pick(keys));
const group = (): string => (isRare() ? 'none' : pick(['g', 'h']));
const consumer = (): string => pick(consumers);
const number = (): string =>
  isRare() ? pick(['x', '', '-1', '9223372036854775808']) : pick(['0', '1', '2', '3', '9']);
/** An id near the newest, mostly. */
function id(): string {
  if (isRare()) return pick(['x', '', '1-', '-1', `1-${highest}`, `${highest}-${highest}`, `${highest}0-1`, '1-1-1']);
  return `${Math.max(0, ms - randomBelow(random, 12))}-${randomBelow(random, 4)}`;
}
const bound = (): string =>
  pick([id, id, id, (): string => `(${id()}`, word('-'), word('+'), (): string => String(ms - 3)])();
const newId = (): string => (randomBelow(random, 12) === 0 ? id() : `${nextMs()}-*`);
const fields = (): string[] =>
  pick([
    ['f', 'v'],
    ['f', 'v', 'g', ''],
    ['long'.repeat(40), 'x\r\n'],
    ['f', 'v', 'g'],
  ]);
function trim(): string[] {
  const rule = pick([
    ['MAXLEN', number()],
    ['maxlen', '=', number()],
    ['MAXLEN', '~', number()],
    ['MINID', id()],
    ['minid', '=', id()],
  ]);
  return [...rule, ...(isRare() ? ['LIMIT', number()] : [])];
}

/** Consumers are made with their group: Redis 7.0 makes them later than 7.2 and we do. */
function newGroup(name: string, of: string): string[][] {
  const create = ['XGROUP', 'CREATE', name, of, pick(['0', '$', '$', id()]), ...maybe(word('MKSTREAM'))];
  if (randomBelow(random, 4) === 0) create.push('ENTRIESREAD', number());
  return [create, ...consumers.map((one) => ['XGROUP', 'CREATECONSUMER', name, of, one])];
}

function dropConsumer(name: string, of: string, who: string): string[][] {
  return [
    ['XGROUP', 'DELCONSUMER', name, of, who],
    ['XGROUP', 'CREATECONSUMER', name, of, who],
  ];
}

function claim(): string[] {
  const options = pick([
    [],
    [],
    ['JUSTID'],
    ['FORCE'],
    ['FORCE', 'RETRYCOUNT', '5'],
    ['LASTID', id()],
    ['TIME', '1'],
    ['NO'],
  ]);
  return ['XCLAIM', key(), group(), consumer(), '0', ...some(id), ...options];
}

const read = (): string[] => [
  'STREAMS',
  ...pick([
    [key(), id()],
    [key(), key(), id(), id()],
    [key(), '$'],
    [key(), key(), id()],
  ]),
];
const readGroup = (): string[] => [
  ...maybe(word('NOACK')),
  'STREAMS',
  ...pick([
    [key(), '>'],
    [key(), '>'],
    [key(), id()],
  ]),
];
const pending = (): string[] => [...maybe(word('IDLE'), word('0')), bound(), bound(), number(), ...maybe(consumer)];

const commands: readonly [weight: number, make: () => string[] | string[][]][] = [
  [
    20,
    () => [
      'XADD',
      key(),
      ...maybe(word('NOMKSTREAM')),
      ...(randomBelow(random, 4) === 0 ? trim() : []),
      newId(),
      ...fields(),
    ],
  ],
  [3, () => ['XTRIM', key(), ...trim()]],
  [5, () => ['XDEL', key(), ...some(id)]],
  [2, () => ['XLEN', key()]],
  [4, () => ['XRANGE', key(), bound(), bound(), ...maybe(word('COUNT'), number)]],
  [4, () => ['XREVRANGE', key(), bound(), bound(), ...maybe(word('count'), number)]],
  [4, () => ['XREAD', ...maybe(word('COUNT'), number), ...read()]],
  [12, () => ['XREADGROUP', 'GROUP', group(), consumer(), ...maybe(word('COUNT'), number), ...readGroup()]],
  [6, () => ['XACK', key(), group(), ...some(id)]],
  [4, () => ['XPENDING', key(), group()]],
  [4, () => ['XPENDING', key(), group(), ...pending()]],
  [5, claim],
  [
    4,
    () => [
      'XAUTOCLAIM',
      key(),
      group(),
      consumer(),
      '0',
      bound(),
      ...maybe(word('COUNT'), number),
      ...maybe(word('JUSTID')),
    ],
  ],
  [3, () => newGroup(key(), group())],
  [2, () => ['XGROUP', 'SETID', key(), group(), pick(['0', '$', id()]), ...maybe(word('ENTRIESREAD'), number)]],
  [1, () => ['XGROUP', 'DESTROY', key(), group()]],
  [1, () => dropConsumer(key(), group(), consumer())],
  [1, () => ['XSETID', key(), `${++ms}-${number()}`, ...maybe(word('ENTRIESADDED'), number, word('MAXDELETEDID'), id)]],
  [5, () => ['XINFO', 'GROUPS', key()]],
  [3, () => ['XINFO', 'STREAM', key()]],
  [1, () => ['DEL', pick(keys)]],
  // Never to itself: Redis refuses that, Kvrocks and this do not.
  [
    1,
    () => [
      'COPY',
      ...pick([
        ['a', 'b'],
        ['b', 'c'],
        ['c', 'a'],
      ]),
      'REPLACE',
    ],
  ],
];
const total = commands.reduce((sum, [weight]) => sum + weight, 0);

function randomCommands(): string[][] {
  let at = randomBelow(random, total);
  for (const [weight, make] of commands) {
    at -= weight;
    if (at >= 0) continue;
    const made: (string | string[])[] = make();
    // The highest id of all: Redis takes it for `>`, and lets an entry have it.
    if (/XREADGROUP|XADD/.test(String(made[0])) && made.includes(`${highest}-${highest}`)) return [];
    return Array.isArray(made[0]) ? (made as string[][]) : [made as string[]];
  }
  return [];
}

/** A reply without what may differ: how long an entry is idle, Redis' tree, and the words of Kvrocks and of Redis 7.2. */
function comparable(reply: string): string {
  return reply
    .replace(/(\*4\r\n\$\d+\r\n\d+-\d+\r\n\$\d+\r\n[^\r]+\r\n):\d+/g, '$1:idle')
    .replace(/(radix-tree-\w+\r\n):\d+/g, '$1:n')
    .replace('-BUSYGROUP Consumer Group name already exists', '-BUSYGROUP')
    .replace(/-BUSYGROUP consumer group name '.*' already exists/, '-BUSYGROUP')
    .replace(/-NOGROUP No such consumer group '?(\w+)'? for key name '?(\w+)'?/, '-NOGROUP $1 $2')
    .replace(/Unbalanced '?xread(group)?'? list of streams: for each stream key an ID or '.'/i, 'Unbalanced')
    .replace(/'(CREATE|SETID)'. Try/i, "'x'. Try");
}

/** Of two things that are wrong, arguments are told before what is stored; Redis looks at some keys first. */
function isOtherError(own: string, expected: string): boolean {
  const ofMissing = /^(-WRONGTYPE|-NOGROUP|-ERR The XGROUP subcommand|-ERR no such key|:0\r|[*$]-1\r|\*0\r)/;
  return own.startsWith('-ERR ') && ofMissing.test(expected);
}

test('random stream commands answer as Redis does', async (t) => {
  if (!hasReferenceRedis(t)) return;
  await using redis = await ReferenceRedis.start();
  await using opened = await openTestCommands();
  const { runner } = opened;
  const setUp = ['SET', 'string', 'value'];
  await redis.run([setUp]);
  runner.run(...setUp);
  for (let batch = 0; batch < 60; batch++) {
    const asked = Array.from({ length: 300 }, randomCommands).flat();
    for (const name of keys) asked.push(['XRANGE', name, '-', '+']);
    const expected = await redis.run(asked);
    asked.forEach((args, i) => {
      // What was done with the same keys shortly before.
      const isRelated = (line: string[]): boolean => keys.some((name) => line.includes(name) && args.includes(name));
      const before = asked.slice(Math.max(0, i - 120), i + 1).filter(isRelated);
      const told = before.map((line) => line.join(' ')).join('\n');
      const own = runner.run(...args);
      const wanted = expected[i] as string;
      if (!isOtherError(own, wanted)) assert.equal(comparable(own), comparable(wanted), told);
      // Reads go through the open tick as well as through the database.
      if (randomBelow(random, 20) === 0) runner.commit();
    });
  }
});
