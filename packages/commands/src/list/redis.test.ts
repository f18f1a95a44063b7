// Random list commands against a real redis-server: the replies must be the same, bytes for bytes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBelow, seededRandom } from '@holdfast/base';
import { openTestCommands } from '../data/testing/command-runner.ts';
import { randomCommands, type WeightedCommand } from '../data/testing/random-commands.ts';
import { ReferenceRedis, hasReferenceRedis } from '../data/testing/reference-redis.ts';

const random = seededRandom(11);

function pick<T>(from: readonly T[]): T {
  return from[randomBelow(random, from.length)] as T;
}

const isRare = (): boolean => randomBelow(random, 100) === 0;

const keys = ['a', 'b', 'c', 'd'];
/** Few values, so that most searches find several; also what is not text. */
const values = ['x', 'y', 'z', '1', '2', '', 'x\r\n', 'long '.repeat(20)];
const numbers = ['0', '1', '2', '3', '-1', '-2', '-3', '7', '-7', '100', '-100', '9223372036854775807'];
const sides = ['LEFT', 'right'];

const key = (): string => (isRare() ? 'string' : pick(keys));
const value = (): string => pick(values);
const number = (): string => (isRare() ? pick(['x', '', '1.5', '9223372036854775808']) : pick(numbers));
const side = (): string => (isRare() ? 'middle' : pick(sides));
const some = (make: () => string): string[] => Array.from({ length: 1 + randomBelow(random, 4) }, make);
const maybe = (...make: (() => string)[]): string[] => (randomBelow(random, 5) < 2 ? make.map((one) => one()) : []);
const timeout = (): string => (isRare() ? pick(['-1', 'x', 'nan', '']) : pick(['0', '0.5', '10']));
const word = (text: string) => (): string => text;

/** The positive number of keys that follow, mostly. */
function counted(names: string[]): string[] {
  return [randomBelow(random, 50) === 0 ? pick(['0', '-1', '5', 'x']) : String(names.length), ...names];
}

const commands: readonly WeightedCommand[] = [
  [8, () => ['LPUSH', key(), ...some(value)]],
  [8, () => ['RPUSH', key(), ...some(value)]],
  [1, () => ['LPUSHX', key(), ...some(value)]],
  [1, () => ['RPUSHX', key(), ...some(value)]],
  [3, () => ['LPOP', key(), ...maybe(number)]],
  [3, () => ['RPOP', key(), ...maybe(number)]],
  [3, () => ['LMPOP', ...counted(some(key)), side(), ...maybe(word('COUNT'), number)]],
  [1, () => ['LLEN', key()]],
  [2, () => ['LINDEX', key(), pick(numbers)]],
  [3, () => ['LRANGE', key(), number(), number()]],
  [3, () => ['LPOS', key(), value(), ...maybe(word('RANK'), number), ...maybe(word('COUNT'), number)]],
  [2, () => ['LPOS', key(), value(), ...maybe(word('maxlen'), number), ...maybe(word('rank'), number)]],
  [3, () => ['LSET', key(), pick(numbers), value()]],
  [6, () => ['LINSERT', key(), pick(['BEFORE', 'after', 'after', 'beside']), value(), value()]],
  [6, () => ['LREM', key(), pick(numbers.slice(0, -1)), value()]],
  [2, () => ['LTRIM', key(), number(), number()]],
  [4, () => ['LMOVE', key(), key(), side(), side()]],
  [2, () => ['RPOPLPUSH', key(), key()]],
  [1, () => ['BLPOP', ...some(key), timeout()]],
  [1, () => ['BRPOP', ...some(key), timeout()]],
  [1, () => ['BLMPOP', timeout(), ...counted(some(key)), side(), ...maybe(word('COUNT'), number)]],
  [1, () => ['BLMOVE', key(), key(), side(), side(), timeout()]],
  [1, () => ['BRPOPLPUSH', key(), key(), timeout()]],
  [1, () => ['DEL', pick(keys)]],
  [1, () => ['TYPE', key()]],
];
const randomCommand = randomCommands(random, commands);

const batches = 60;
const batchCommands = 400;

test('random list commands answer as Redis does', async (t) => {
  if (!hasReferenceRedis(t)) return;
  await using redis = await ReferenceRedis.start();
  await using opened = await openTestCommands();
  const { runner } = opened;
  const setUp = ['SET', 'string', 'value'];
  await redis.run([setUp]);
  runner.run(...setUp);
  for (let batch = 0; batch < batches; batch++) {
    const asked = Array.from({ length: batchCommands }, randomCommand);
    for (const name of keys) asked.push(['LRANGE', name, '0', '-1']);
    // Blocking ones within a transaction: there nothing waits.
    const isBlocking = ([name]: string[]): boolean => (name as string).startsWith('B');
    const sent = asked.flatMap((args) => (isBlocking(args) ? [['MULTI'], args, ['EXEC']] : [args]));
    const replies = await redis.run(sent);
    const expected = replies.filter((_, i) => sent[i]?.[0] !== 'MULTI' && sent[i + 1]?.[0] !== 'EXEC');
    asked.forEach((args, i) => {
      const before = asked.slice(Math.max(0, i - 5), i + 1).map((line) => line.join(' '));
      runner.mayWait = !isBlocking(args);
      const reply = runner.run(...args);
      assert.equal(runner.mayWait ? reply : `*1\r\n${reply}`, expected[i], before.join('\n'));
      // Reads go through the open tick as well as through the database.
      if (randomBelow(random, 20) === 0) runner.commit();
    });
  }
});
