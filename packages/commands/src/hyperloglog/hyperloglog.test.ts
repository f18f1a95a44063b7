import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBelow, seededRandom } from '@holdfast/base';
import { openTestCommands } from '../data/testing/command-runner.ts';
import { ReferenceRedis, hasReferenceRedis } from '../data/testing/reference-redis.ts';
import { short, transcript } from '../data/testing/transcript.ts';

test('members are counted once, merged, and only what is new changes anything', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['PFADD h a b c', ':1'],
    ['PFADD h a c', ':0'],
    ["PFADD h ''", ':1'],
    ['PFCOUNT h', ':4'],
    ['PFADD g c d', ':1'],
    ['PFCOUNT h g none', ':5'],
    ['PFCOUNT none', ':0'],
    ['PFMERGE m h g', '+OK'],
    ['PFCOUNT m', ':5'],
    ['PFMERGE m', '+OK'],
    ['PFMERGE m none', '+OK'],
    ['PFCOUNT m', ':5'],
    ['TYPE m', '+hyperloglog'],
    ['PFADD empty', ':0'],
    ['EXISTS empty', ':1'],
    ['PFCOUNT empty', ':0'],
    ['PFMERGE new none', '+OK'],
    ['EXISTS new', ':1'],
    ['EXPIRE h 100', ':1'],
    ['PFADD h x', ':1'],
    ['TTL h', ':100'],
  ]);
});

test('what is no HyperLogLog is refused and stays as it was', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const notOne = '-WRONGTYPE Key is not a valid HyperLogLog string value.';
  const wrongType = '-WRONGTYPE Operation against a key holding the wrong kind of value';
  transcript(runner, [
    ['SET s text', '+OK'],
    ['RPUSH l x', ':1'],
    ['PFADD h a', ':1'],
    ['PFADD s a', notOne],
    ['PFCOUNT h s', notOne],
    ['PFMERGE s h', notOne],
    ['PFMERGE new h l', wrongType],
    ['PFADD l a', wrongType],
    ['EXISTS new', ':0'],
    ['GET s', '$text'],
    ['GET h', wrongType],
  ]);
});

test('HyperLogLog commands say what they did', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  runner.events = [];
  for (const line of ['PFADD h a', 'PFADD h a', 'PFADD new', 'PFADD new', 'PFMERGE m h', 'PFCOUNT m'])
    runner.line(line);
  assert.deepEqual(runner.events, ['$ pfadd h', '$ pfadd new', '$ pfadd m']);
});

const random = seededRandom(41);
const keys = ['a', 'b', 'c', 'd', 'e', 'f'];
const key = (): string => keys[randomBelow(random, keys.length)] as string;

/** Members of all lengths, most of them of a population that grows with `scale`. */
function member(scale: number): string {
  const number = String(randomBelow(random, scale));
  const kind = randomBelow(random, 10);
  if (kind === 0) return number.repeat(1 + randomBelow(random, 12));
  return kind === 1 ? `\xff${number}é` : `member:${number}`;
}

function randomCommand(scale: number): string[] {
  const some = (most: number, make: () => string): string[] =>
    Array.from({ length: 1 + randomBelow(random, most) }, make);
  const kind = randomBelow(random, 10);
  if (kind < 5) return ['PFADD', key(), ...some(Math.min(scale, 200), () => member(scale))];
  if (kind < 8) return ['PFCOUNT', ...some(4, key)];
  if (kind === 8) return ['PFMERGE', key(), ...some(4, key)];
  return randomBelow(random, 5) === 0 ? ['DEL', key()] : ['PFCOUNT', key()];
}

test('random HyperLogLogs count what Redis counts, whatever is merged into what', async (t) => {
  if (!hasReferenceRedis(t)) return;
  await using redis = await ReferenceRedis.start();
  await using opened = await openTestCommands();
  const { runner } = opened;
  for (const scale of [20, 1000, 30_000, 10_000_000]) {
    for (let batch = 0; batch < 5; batch++) {
      const asked = Array.from({ length: 120 }, () => randomCommand(scale));
      const expected = await redis.run(asked);
      asked.forEach((args, i) => {
        assert.equal(runner.run(...args), expected[i], `${args.slice(0, 8).join(' ')} of ${args.length}`);
        if (randomBelow(random, 10) === 0) runner.commit();
      });
    }
    // Sets of other sizes begin anew.
    const emptied = ['DEL', ...keys];
    await redis.run([emptied]);
    runner.run(...emptied);
  }
});

test('a count is within three standard errors of the truth, from few members to many', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  let added = 0;
  for (const size of [10, 100, 1000, 10_000, 50_000]) {
    for (; added < size; added += 10) {
      runner.run('PFADD', 'h', ...Array.from({ length: 10 }, (_, i) => `number ${added + i}`));
    }
    const counted = Number(short(runner.line('PFCOUNT h')).slice(1));
    // 1.04 / sqrt(16384) is one standard error.
    assert.ok(Math.abs(counted - size) <= Math.max(1, 3 * 0.0081 * size), `${counted} of ${size}`);
    runner.commit();
  }
});
