// Random geographic commands against a real redis-server: the replies must be the same, unsorted results in the same order.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBelow, seededRandom } from '@holdfast/base';
import { openTestCommands } from '../data/testing/command-runner.ts';
import { ReferenceRedis, hasReferenceRedis } from '../data/testing/reference-redis.ts';
import { comparable } from '../zset/testing/comparable.ts';

const random = seededRandom(52);

function pick<T>(from: readonly T[]): T {
  return from[randomBelow(random, from.length)] as T;
}

const unit01 = (): number => random.u32() / 2 ** 32;
const isRare = (): boolean => randomBelow(random, 60) === 0;

const keys = ['world', 'town'];
const key = (): string => (isRare() ? pick(['string', 'none']) : pick(keys));
const member = (): string => (isRare() ? 'nobody' : `m${randomBelow(random, 400)}`);

/** Anywhere, at the edges, or close together. */
function position(of: string): string[] {
  if (isRare()) return [pick(['181', '-180', '180', 'x', '0', '']), pick(['86', '-85.05112878', '85.05112878', '0'])];
  if (of === 'town') return [(13.3 + unit01() / 10).toFixed(6), (38.1 + unit01() / 10).toFixed(6)];
  return [((unit01() - 0.5) * 360).toFixed(randomBelow(random, 12)), ((unit01() - 0.5) * 170).toFixed(6)];
}

const unit = (): string => (isRare() ? 'yd' : pick(['m', 'km', 'KM', 'ft', 'mi']));
const some = (make: () => string[], most = 3): string[] =>
  Array.from({ length: 1 + randomBelow(random, most) }, make).flat();
const maybe = (make: () => string[]): string[] => (randomBelow(random, 5) < 2 ? make() : []);
/** From next to nothing to more than the earth. */
const length = (): string => (isRare() ? pick(['-1', 'x', '0']) : String(Math.round(10 ** (unit01() * 5) * 100) / 100));

const count = (): string[] => maybe(() => ['COUNT', pick(['1', '3', '10', '1000']), ...maybe(() => ['ANY'])]);
const order = (): string[] => maybe(() => [pick(['ASC', 'desc'])]);
const shown = (): string[] => [
  ...maybe(() => ['WITHDIST']),
  ...maybe(() => ['WITHHASH']),
  ...maybe(() => ['withcoord']),
];
const center = (of: string): string[] =>
  randomBelow(random, 2) === 0 ? ['FROMMEMBER', member()] : ['FROMLONLAT', ...position(of)];
const shape = (): string[] =>
  randomBelow(random, 2) === 0 ? ['BYRADIUS', length(), unit()] : ['BYBOX', length(), length(), unit()];
const junk = (): string[] =>
  isRare() ? [pick(['ANY', 'x', 'STORE', 'STOREDIST', 'COUNT', 'BYBOX', 'FROMLONLAT'])] : [];

const commands: readonly ((of: string) => string[])[] = [
  (of) => ['GEOADD', of, ...maybe(() => [pick(['NX', 'XX', 'CH'])]), ...some(() => [...position(of), member()], 20)],
  (of) => ['GEOADD', of, ...some(() => [...position(of), member()], 20)],
  (of) => ['GEOPOS', of, ...some(() => [member()])],
  (of) => ['GEOHASH', of, ...some(() => [member()])],
  (of) => ['GEODIST', of, member(), member(), ...maybe(() => [unit()])],
  (of) => ['GEOSEARCH', of, ...center(of), ...shape(), ...count(), ...order(), ...shown(), ...junk()],
  (of) => ['GEOSEARCH', of, ...shape(), ...order(), ...center(of), ...count(), ...shown(), ...junk()],
  (of) => [
    'GEOSEARCHSTORE',
    'to',
    of,
    ...center(of),
    ...shape(),
    ...count(),
    ...order(),
    ...maybe(() => ['STOREDIST']),
  ],
  (of) => [
    pick(['GEORADIUS', 'GEORADIUS_RO']),
    of,
    ...position(of),
    length(),
    unit(),
    ...count(),
    ...order(),
    ...shown(),
  ],
  (of) => [pick(['GEORADIUSBYMEMBER', 'GEORADIUSBYMEMBER_RO']), of, member(), length(), unit(), ...count(), ...shown()],
  (of) => ['GEORADIUS', of, ...position(of), length(), unit(), ...count(), ...shown(), 'STORE', 'to', ...junk()],
  () => ['ZRANGE', 'to', '0', '-1', 'WITHSCORES'],
  (of) => ['ZREM', of, ...some(() => [member()])],
];

/** A key of another type, one that does not exist, a member that does not. */
const lookedFirst = /^(-WRONGTYPE|\*0|-ERR could not decode)/;

const batches = 12;
const batchCommands = 200;

for (const protocol of [2, 3] as const) {
  test(`random geographic commands answer as Redis does in RESP${protocol}`, async (t) => {
    if (!hasReferenceRedis(t)) return;
    await using redis = await ReferenceRedis.start();
    await using opened = await openTestCommands();
    const { runner } = opened;
    runner.protocol = protocol;
    await redis.run([
      ['HELLO', String(protocol)],
      ['SET', 'string', 'value'],
    ]);
    runner.run('SET', 'string', 'value');
    for (let batch = 0; batch < batches; batch++) {
      const asked = Array.from({ length: batchCommands }, () => pick(commands)(key()));
      const expected = await redis.run(asked);
      asked.forEach((args, i) => {
        const found = comparable(runner.run(...args));
        // Redis looks at keys and members before it has read all options, we after.
        if (found.startsWith('-ERR') && lookedFirst.test(expected[i] as string)) return;
        assert.equal(found, comparable(expected[i] as string), args.join(' '));
        if (randomBelow(random, 20) === 0) runner.commit();
      });
    }
  });
}
