import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchBuilder, openScratch, writeNow } from './testing/index.ts';

test('consecutiveFrames reads keys whose numbers follow each other, as bulk strings, as far as there is room', async (t) => {
  const database = await openScratch(t);
  const keyOf = (prefix: string, number: bigint): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(number);
    return Buffer.concat([Buffer.from(prefix), bytes]);
  };
  const batch = batchBuilder();
  const values = ['', 'a', 'b'.repeat(10), 'c'.repeat(1234)];
  for (const [i, value] of values.entries()) batch.put(1, keyOf('l', 254n + BigInt(i)), value);
  batch.put(1, keyOf('l', 259n), 'behind a gap').put(1, keyOf('m', 258n), 'another');
  writeNow(database, batch.bytes());
  const read = (number: bigint, count: number, room = 4096): string[] | number => {
    const into = Buffer.alloc(room);
    const found = database.consecutiveFrames(1, keyOf('l', number), count, into, true);
    if (found <= 0) return found;
    const at = (i: number): number => into.readUInt32LE(4 * i);
    assert.equal(at(0), 4 * (count + 1));
    return Array.from({ length: found }, (_, i) => into.latin1Slice(at(i), at(i + 1)));
  };
  const frames = values.map((value) => `$${value.length}\r\n${value}\r\n`);
  assert.deepEqual(read(254n, 4), frames);
  assert.deepEqual(read(254n, 2), frames.slice(0, 2));
  assert.deepEqual(read(255n, 100), frames.slice(1), 'up to the gap');
  assert.equal(read(258n, 2), 0, 'nothing at the first');
  assert.deepEqual(read(254n, 4, 600), frames.slice(0, 3), 'what has no room is left');
  await database.flush();
  assert.deepEqual(read(254n, 4), frames);
  database.flushBlockCache();
  const into = Buffer.alloc(4096);
  assert.ok([4, -2].includes(database.consecutiveFrames(1, keyOf('l', 254n), 4, into, false)));
  assert.deepEqual(read(254n, 4), frames);
  assert.equal(
    database.consecutiveFrames(1, keyOf('l', 254n), 4, into, false),
    4,
    'what is in memory needs no waiting',
  );
  const refused = { code: 'ROCKS_ARGUMENT' };
  assert.throws(() => database.consecutiveFrames(1, Buffer.from('short'), 4, into, true), refused);
  assert.throws(() => database.consecutiveFrames(1, keyOf('l', 1n), 4, Buffer.alloc(19), true), refused);
  assert.throws(() => database.consecutiveFrames(1, keyOf('l', 1n), 0, into, true), refused);
  assert.throws(() => database.consecutiveFrames(99, keyOf('l', 1n), 1, into, true), refused);
});
