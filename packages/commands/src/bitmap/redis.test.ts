// Random bit commands against a real redis-server: the replies must be the same, bytes for bytes, whether a value is a
// bitmap here or a string.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBelow, seededRandom } from '@holdfast/base';
import { openTestCommands } from '../data/testing/command-runner.ts';
import { randomCommands, type WeightedCommand } from '../data/testing/random-commands.ts';
import { ReferenceRedis, hasReferenceRedis } from '../data/testing/reference-redis.ts';

const random = seededRandom(31);

function pick<T>(from: readonly T[]): T {
  return from[randomBelow(random, from.length)] as T;
}

const keys = ['a', 'b', 'c', 'd', 'e'];
const key = (): string => (randomBelow(random, 60) === 0 ? 'list' : pick(keys));
const some = (make: () => string): string[] => Array.from({ length: 1 + randomBelow(random, 3) }, make);
const bit = (): string => pick(['0', '1']);

/** Mostly near the beginning and the borders of fragments of 1024 bytes; now and then far away. */
function bitOffset(): number {
  const kind = randomBelow(random, 20);
  if (kind === 0) return randomBelow(random, 300_000);
  if (kind < 8) return 8192 * (1 + randomBelow(random, 3)) - 20 + randomBelow(random, 40);
  return randomBelow(random, 200);
}

const edge = (): string => pick([...['0', '1', '-1', '-2', '5', '-9', '1023', '1024', '-1024'], String(bitOffset())]);

function range(mayEndMiss: boolean): string[] {
  const form = randomBelow(random, 4);
  if (form === 0) return mayEndMiss ? [edge()] : [];
  if (form === 1) return [edge(), edge()];
  return [edge(), edge(), pick(['BIT', 'BIT', 'byte'])];
}

function fieldType(): string {
  return randomBelow(random, 2) === 0 ? `i${1 + randomBelow(random, 64)}` : `u${1 + randomBelow(random, 63)}`;
}

const fieldOffset = (): string => (randomBelow(random, 3) === 0 ? `#${randomBelow(random, 40)}` : String(bitOffset()));

const values = ['0', '1', '-1', '100', '-100', '65535', '9223372036854775807', '-4611686018427387904', '123456789012'];
/** Not for SET: what lies below the smallest field by nearly 2^63 Redis takes for too large, and saturates at the wrong end. */
const farBelow = '-9223372036854775808';

function fieldSteps(isReadOnly: boolean): string[] {
  const steps: string[] = [];
  for (let i = randomBelow(random, 4); i >= 0; i--) {
    const kind = isReadOnly ? 0 : randomBelow(random, 4);
    if (kind === 0) steps.push('GET', fieldType(), fieldOffset());
    if (kind === 1) steps.push('SET', fieldType(), fieldOffset(), pick(values));
    if (kind === 2) steps.push('INCRBY', fieldType(), fieldOffset(), pick([...values, farBelow]));
    if (kind === 3) steps.push('OVERFLOW', pick(['WRAP', 'SAT', 'FAIL']));
  }
  return steps;
}

function setString(): string[] {
  return ['SET', pick(keys), pick(['', 'foobar', 'x'.repeat(1500), '\x7f'.repeat(40), '\x00'.repeat(2000)])];
}

const commands: readonly WeightedCommand[] = [
  [14, () => ['SETBIT', key(), String(bitOffset()), bit()]],
  [4, () => ['GETBIT', key(), String(bitOffset())]],
  [6, () => ['BITCOUNT', key(), ...range(false)]],
  [8, () => ['BITPOS', key(), bit(), ...range(true)]],
  [4, () => ['BITOP', pick(['AND', 'or', 'XOR']), pick(keys), ...some(key)]],
  [2, () => ['BITOP', 'NOT', pick(keys), key()]],
  [6, () => ['BITFIELD', key(), ...fieldSteps(false)]],
  [2, () => ['BITFIELD_RO', key(), ...fieldSteps(true)]],
  [2, () => ['GET', key()]],
  [1, setString],
  [1, () => ['DEL', pick(keys)]],
];
const randomCommand = randomCommands(random, commands);

test('random bit commands answer as Redis does, on bitmaps and on strings', async (t) => {
  if (!hasReferenceRedis(t)) return;
  await using redis = await ReferenceRedis.start();
  await using opened = await openTestCommands();
  const { runner } = opened;
  await redis.run([['RPUSH', 'list', 'x']]);
  runner.run('RPUSH', 'list', 'x');
  for (let batch = 0; batch < 40; batch++) {
    const asked = Array.from({ length: 400 }, randomCommand);
    for (const name of keys) asked.push(['GET', name]);
    const expected = await redis.run(asked);
    asked.forEach((args, i) => {
      const before = asked.slice(Math.max(0, i - 8), i + 1).map((line) => line.join(' ').slice(0, 300));
      assert.equal(runner.run(...args), expected[i], before.join('\n'));
      // Reads go through the open tick as well as through the database.
      if (randomBelow(random, 20) === 0) runner.commit();
    });
  }
});
