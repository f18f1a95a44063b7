// Random commands on sorted sets against a real redis-server: the replies must be the same.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBelow, seededRandom } from '@holdfast/base';
import { openTestCommands } from '../data/testing/command-runner.ts';
import { randomCommands, type WeightedCommand } from '../data/testing/random-commands.ts';
import { ReferenceRedis, hasReferenceRedis } from '../data/testing/reference-redis.ts';
import { comparable } from './testing/comparable.ts';

const random = seededRandom(5);

function pick<T>(from: readonly T[]): T {
  return from[randomBelow(random, from.length)] as T;
}

const isRare = (): boolean => randomBelow(random, 100) === 0;

const keys = ['a', 'b', 'c', 'd'];
/** All scores are 0 here: ranges by byte order have no meaning otherwise. */
const lexKeys = ['l', 'm'];
const members = ['x', 'y', 'z', 'xx', 'xy', '', 'x\r\n', 'w', 'v', 'long '.repeat(20)];
const scores = ['0', '1', '2', '3', '-1', '1.5', '-2.25', 'inf', '-inf', '+1e2', '1e300', '3.0', '.5', '0.1', '1e-5'];
const ranks = ['0', '1', '2', '3', '-1', '-2', '-3', '7', '-7', '100', '-100', '9223372036854775807'];
const ends = [
  '0',
  '1',
  '(1',
  '2',
  '(2',
  '1.5',
  '(1.5',
  '-inf',
  '+inf',
  'inf',
  '(inf',
  '(-inf',
  '-1',
  '3',
  '(3',
  '-0',
  '(0',
];
const lexEnds = ['-', '+', '[x', '(x', '[xx', '(xy', '[', '(', '[y', '(z', '[v'];

const key = (): string => (isRare() ? pick(['string', 'set']) : pick(keys));
/** Sets may take part where sorted sets are combined. */
const input = (): string => (randomBelow(random, 10) === 0 ? 'set' : isRare() ? 'string' : pick(keys));
const member = (): string => pick(members);
const score = (): string => (isRare() ? pick(['x', '', 'nan', '1e400', ' 1', '1x']) : pick(scores));
const rank = (): string => (isRare() ? pick(['x', '', '1.5']) : pick(ranks));
const end = (): string => (isRare() ? pick(['x', '(x', 'nan', '(']) : pick(ends));
const lexKey = (): string => pick(lexKeys);
const lexEnd = (): string => (isRare() ? pick(['x', '', '-x', '+x']) : pick(lexEnds));
const some = (make: () => string, most = 4): string[] => Array.from({ length: 1 + randomBelow(random, most) }, make);
const maybe = (...make: (() => string)[]): string[] => (randomBelow(random, 5) < 2 ? make.map((one) => one()) : []);
const word = (text: string) => (): string => text;
const pairs = (): string[] => some(member, 3).flatMap((name) => [score(), name]);
const limit = (): string[] =>
  maybe(
    word('LIMIT'),
    () => pick(['0', '1', '2', '-1', '5']),
    () => pick(['-1', '0', '1', '3']),
  );
const options = ['NX', 'XX', 'GT', 'LT', 'CH', 'INCR'];

/** The positive number of keys that follow, mostly. */
function counted(names: string[]): string[] {
  return [isRare() ? pick(['0', '-1', '5']) : String(names.length), ...names];
}

function combined(): string[] {
  const names = some(input, 3);
  const weights = maybe(word('WEIGHTS'));
  if (weights.length > 0) names.forEach(() => weights.push(pick(['1', '2', '-1', '0', '0.5', 'inf'])));
  return [...counted(names), ...weights, ...maybe(word('AGGREGATE'), () => pick(['SUM', 'min', 'max']))];
}

const commands: readonly WeightedCommand[] = [
  [15, () => ['ZADD', key(), ...pairs()]],
  [10, () => ['ZADD', key(), ...maybe(() => pick(options)), ...maybe(() => pick(options)), ...pairs()]],
  [10, () => ['ZADD', lexKey(), ...some(member).flatMap((name) => ['0', name])]],
  [8, () => ['ZINCRBY', key(), score(), member()]],
  [2, () => ['ZCARD', key()]],
  [2, () => ['ZSCORE', key(), member()]],
  [2, () => ['ZMSCORE', key(), ...some(member)]],
  [3, () => ['ZCOUNT', key(), end(), end()]],
  [3, () => ['ZRANK', key(), member()]],
  [3, () => ['ZREVRANK', key(), member()]],
  [5, () => ['ZRANGE', key(), rank(), rank(), ...maybe(word('REV')), ...maybe(word('WITHSCORES'))]],
  [5, () => ['ZREVRANGE', key(), rank(), rank(), ...maybe(word('WITHSCORES'))]],
  [
    5,
    () => ['ZRANGE', key(), end(), end(), 'BYSCORE', ...maybe(word('REV')), ...limit(), ...maybe(word('WITHSCORES'))],
  ],
  [3, () => ['ZRANGEBYSCORE', key(), end(), end(), ...limit(), ...maybe(word('withscores'))]],
  [3, () => ['ZREVRANGEBYSCORE', key(), end(), end(), ...maybe(word('withscores')), ...limit()]],
  [3, () => ['ZRANGE', lexKey(), lexEnd(), lexEnd(), 'BYLEX', ...maybe(word('REV')), ...limit()]],
  [3, () => ['ZRANGEBYLEX', lexKey(), lexEnd(), lexEnd(), ...limit()]],
  [3, () => ['ZREVRANGEBYLEX', lexKey(), lexEnd(), lexEnd(), ...limit()]],
  [2, () => ['ZLEXCOUNT', lexKey(), lexEnd(), lexEnd()]],
  [1, () => ['ZRANGE', key(), rank(), rank(), ...some(() => pick(['LIMIT', 'BYLEX', 'BYSCORE', 'REV', '1', 'x']), 3)]],
  [2, () => ['ZRANGESTORE', pick(keys), key(), rank(), rank(), ...maybe(word('REV'))]],
  [2, () => ['ZRANGESTORE', pick(keys), key(), end(), end(), 'BYSCORE', ...limit()]],
  [6, () => ['ZREM', key(), ...some(member)]],
  [2, () => ['ZREMRANGEBYRANK', key(), rank(), rank()]],
  [2, () => ['ZREMRANGEBYSCORE', key(), end(), end()]],
  [2, () => ['ZREMRANGEBYLEX', lexKey(), lexEnd(), lexEnd()]],
  [2, () => [pick(['ZPOPMIN', 'ZPOPMAX']), key(), ...maybe(() => pick(['0', '1', '2', '-1', 'x']))]],
  [
    3,
    () => [
      'ZMPOP',
      ...counted(some(key)),
      pick(['MIN', 'max', 'x']),
      ...maybe(word('COUNT'), () => pick(['1', '2', '0', '-1'])),
    ],
  ],
  [3, () => [pick(['ZUNION', 'ZINTER']), ...combined(), ...maybe(word('WITHSCORES'))]],
  [3, () => [pick(['ZUNIONSTORE', 'ZINTERSTORE']), pick(keys), ...combined()]],
  [2, () => ['ZDIFF', ...counted(some(input)), ...maybe(word('WITHSCORES'))]],
  [2, () => ['ZDIFFSTORE', pick(keys), ...counted(some(input))]],
  [2, () => ['ZINTERCARD', ...counted(some(input)), ...maybe(word('LIMIT'), () => pick(['0', '1', '-1', 'x']))]],
  [1, () => ['DEL', pick(keys)]],
  [1, () => ['TYPE', key()]],
];
const randomCommand = randomCommands(random, commands);

const batches = 100;
const batchCommands = 300;

for (const protocol of [2, 3] as const) {
  test(`random commands on sorted sets answer as Redis does in RESP${protocol}`, async (t) => {
    if (!hasReferenceRedis(t)) return;
    await using redis = await ReferenceRedis.start();
    await using opened = await openTestCommands();
    const { runner } = opened;
    runner.protocol = protocol;
    const setUp = [
      ['SET', 'string', 'value'],
      ['SADD', 'set', 'x', 'y', 'xx', 'other'],
    ];
    await redis.run([['HELLO', String(protocol)], ...setUp]);
    for (const args of setUp) runner.run(...args);
    for (let batch = 0; batch < batches; batch++) {
      const asked = Array.from({ length: batchCommands }, randomCommand);
      for (const name of [...keys, ...lexKeys]) asked.push(['ZRANGE', name, '0', '-1', 'WITHSCORES']);
      const expected = await redis.run(asked);
      asked.forEach((args, i) => {
        const before = asked.slice(Math.max(0, i - 5), i + 1).map((line) => JSON.stringify(line));
        const found = comparable(runner.run(...args));
        // Redis looks at keys before it has read all options, we after.
        if (!(found.startsWith('-ERR') && (expected[i] as string).startsWith('-WRONGTYPE'))) {
          assert.equal(found, comparable(expected[i] as string), before.join('\n'));
        }
        // Reads go through the open tick as well as through the database.
        if (randomBelow(random, 20) === 0) runner.commit();
      });
    }
  });
}
