// Random set commands against a real redis-server: the replies must be the same, but for the order of members.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBelow, seededRandom } from '@holdfast/base';
import { openTestCommands } from '../data/testing/command-runner.ts';
import { randomCommands, type WeightedCommand } from '../data/testing/random-commands.ts';
import { ReferenceRedis, hasReferenceRedis } from '../data/testing/reference-redis.ts';
import { short } from '../data/testing/transcript.ts';

const random = seededRandom(21);

function pick<T>(from: readonly T[]): T {
  return from[randomBelow(random, from.length)] as T;
}

const keys = ['a', 'b', 'c', 'd'];
const members = ['', '0', '1', '2', '10', '-5', 'x', 'y', 'xy', 'x\r\n', 'long'.repeat(20), '9223372036854775808'];

const key = (): string => (randomBelow(random, 60) === 0 ? 'string' : pick(keys));
const member = (): string => pick(members);
const some = (make: () => string): string[] => Array.from({ length: 1 + randomBelow(random, 4) }, make);
const limit = (): string[] => (randomBelow(random, 3) === 0 ? ['LIMIT', String(randomBelow(random, 4))] : []);

function interCard(): string[] {
  const names = some(key);
  return ['SINTERCARD', String(names.length), ...names, ...limit()];
}

const commands: readonly WeightedCommand[] = [
  [10, () => ['SADD', key(), ...some(member)]],
  [6, () => ['SREM', key(), ...some(member)]],
  [4, () => ['SMOVE', key(), key(), member()]],
  [2, () => ['SCARD', key()]],
  [2, () => ['SISMEMBER', key(), member()]],
  [2, () => ['SMISMEMBER', key(), ...some(member)]],
  [2, () => ['SMEMBERS', key()]],
  [2, () => ['SINTER', ...some(key)]],
  [2, () => ['SUNION', ...some(key)]],
  [2, () => ['SDIFF', ...some(key)]],
  [2, () => ['SINTERSTORE', key(), ...some(key)]],
  [2, () => ['SUNIONSTORE', pick(keys), ...some(key)]],
  [2, () => ['SDIFFSTORE', pick(keys), ...some(key)]],
  [2, interCard],
  [1, () => ['SSCAN', key(), '0', 'COUNT', '1000']],
  [1, () => ['SPOP', key(), '1000']],
  [1, () => ['DEL', pick(keys)]],
  [1, () => ['TYPE', key()]],
];
const randomCommand = randomCommands(random, commands);

/** A reply whose members stand in a fixed order, where the order means nothing. */
function unordered([name]: readonly string[], reply: string): string {
  if (name === 'SMISMEMBER' || !reply.startsWith('*')) return reply;
  const text = short(reply);
  return [...text].sort().join('');
}

test('random set commands answer as Redis does', async (t) => {
  if (!hasReferenceRedis(t)) return;
  await using redis = await ReferenceRedis.start();
  await using opened = await openTestCommands();
  const { runner } = opened;
  await redis.run([['SET', 'string', 'value']]);
  for (let batch = 0; batch < 40; batch++) {
    const asked = Array.from({ length: 400 }, randomCommand);
    for (const name of keys) asked.push(['SMEMBERS', name]);
    // A STORE command may have replaced it.
    asked.push(['DEL', 'string'], ['SET', 'string', 'value']);
    if (batch === 0) runner.run('SET', 'string', 'value');
    const expected = await redis.run(asked);
    asked.forEach((args, i) => {
      const before = asked.slice(Math.max(0, i - 5), i + 1).map((line) => line.join(' '));
      assert.equal(unordered(args, runner.run(...args)), unordered(args, expected[i] as string), before.join('\n'));
      // Reads go through the open tick as well as through the database.
      if (randomBelow(random, 20) === 0) runner.commit();
    });
  }
});
