import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchBuilder, decodeBlock, keysOf, letters, openScratch, writeNow } from './testing/index.ts';
import type { RangeOptions } from './types.ts';

test('iterates ranges in both directions, in blocks, by unsigned bytes', async (t) => {
  const database = await openScratch(t);
  letters(database, 'acegi');
  writeNow(
    database,
    batchBuilder().put(0, Buffer.of(0xff), '').put(0, Buffer.of(0x00), '').delete(0, Buffer.of(0xff)).bytes(),
  );
  const b = (text: string): Buffer => Buffer.from(text);
  assert.equal(keysOf(database, {}), '\0 a c e g i');
  assert.equal(keysOf(database, { gte: b('c'), lt: b('i') }), 'c e g');
  assert.equal(keysOf(database, { gte: b('b'), lt: b('h') }), 'c e g');
  assert.equal(keysOf(database, { gte: b('c'), lt: b('i'), reverse: true }), 'g e c');
  assert.equal(keysOf(database, { gte: b('b'), reverse: true }), 'i g e c');
  assert.equal(keysOf(database, { gte: b('c'), lt: b('c') }), '');
  assert.equal(keysOf(database, { gte: b('h'), lt: b('b') }), '', 'bounds in the wrong order are an empty range');
  assert.equal(keysOf(database, { gte: b('z') }), '');
});

test('blocks hold at least one entry and stop at their limits', async (t) => {
  const database = await openScratch(t);
  writeNow(
    database,
    batchBuilder().put(0, 'a', Buffer.alloc(500)).put(0, 'b', Buffer.alloc(500)).put(0, 'c', '').bytes(),
  );
  const iterator = database.iterate(0, {});
  const first = iterator.next(10, 0);
  assert.deepEqual([first.count, first.done, first.bytes.length], [1, false, 509]);
  assert.deepEqual(iterator.next(10, 510).count, 2);
  assert.deepEqual(iterator.next(10, 510), { bytes: Buffer.alloc(0), count: 0, done: true });
  const keys = database.iterate(0, { keysOnly: true, fillCache: false }).next(10, 1000);
  assert.deepEqual([keys.bytes.length, keys.count, keys.done], [27, 3, true]);
});

test('seek moves within the range only', async (t) => {
  const database = await openScratch(t);
  letters(database, 'acegi');
  const at = (range: RangeOptions, key: string): string => {
    const iterator = database.iterate(0, range);
    iterator.next(1, 1);
    iterator.seek(Buffer.from(key));
    return decodeBlock(iterator.next(1, 1).bytes).join();
  };
  const range = { gte: Buffer.from('c'), lt: Buffer.from('i') };
  const back = { ...range, reverse: true };
  for (const [key, forward, backward] of [
    ['a', 'c,C', ''],
    ['d', 'e,E', 'c,C'],
    ['e', 'e,E', 'e,E'],
    ['h', '', 'g,G'],
    ['z', '', 'g,G'],
  ] as const) {
    assert.equal(at(range, key), forward, `forward to ${key}`);
    assert.equal(at(back, key), backward, `backward to ${key}`);
  }
  const iterator = database.iterate(0, range);
  iterator.seek(Buffer.from('z'));
  assert.equal(iterator.next(9, 9).done, true);
  iterator.seek(Buffer.from('e'));
  assert.equal(decodeBlock(iterator.next(1, 1).bytes).join(), 'e,E', 'the end is not final');
});

test('snapshots show their sequence until released', async (t) => {
  const database = await openScratch(t);
  letters(database, 'ab');
  const snapshot = database.snapshot();
  assert.equal(snapshot.sequence, 2);
  writeNow(database, batchBuilder().put(0, 'a', 'new').put(0, 'c', 'C').bytes());
  const into = Buffer.alloc(8);
  assert.equal(into.toString('utf8', 0, database.get(0, Buffer.from('a'), into, snapshot)), 'A');
  assert.equal(keysOf(database, { snapshot }), 'a b');
  const iterator = database.iterate(0, { snapshot });
  snapshot.release();
  snapshot.release();
  assert.equal(iterator.next(9, 999).count, 2, 'an iterator outlives its snapshot');
  assert.throws(() => database.get(0, Buffer.from('a'), into, snapshot), { code: 'ROCKS_CLOSED' });
});

test('scan reads the first entries of a range into memory it is given, and says whether there are more', async (t) => {
  const database = await openScratch(t);
  letters(database, 'acegi');
  const into = Buffer.alloc(1000);
  const scan = (
    gte: string,
    lt: string,
    most: number,
    reverse = false,
    keysOnly = false,
    room = 1000,
  ): [number, string] => {
    into.fill(0xff);
    const found = database.scan(0, Buffer.from(gte), Buffer.from(lt), most, reverse, keysOnly, into.subarray(0, room));
    const count = found < 0 ? -1 - found : found;
    let end = 0;
    for (let i = 0; i < count; i++) end += 8 + into.readUInt32LE(end) + into.readUInt32LE(end + 4);
    return [found, decodeBlock(into.subarray(0, end)).join(' ')];
  };
  assert.deepEqual(scan('c', 'i', 10), [3, 'c,C e,E g,G']);
  assert.deepEqual(scan('b', 'h', 10, true), [3, 'g,G e,E c,C']);
  assert.deepEqual(scan('a', 'z', 2), [-3, 'a,A c,C']);
  assert.deepEqual(scan('c', 'i', 3), [3, 'c,C e,E g,G']);
  assert.deepEqual(scan('c', 'i', 10, false, true), [3, 'c, e, g,']);
  assert.deepEqual(scan('a', 'z', 10, false, false, 29), [-3, 'a,A c,C'], 'as far as there is room');
  assert.deepEqual(scan('a', 'z', 10, true, false, 9), [-1, '']);
  assert.deepEqual(scan('j', 'z', 10), [0, '']);
  assert.deepEqual(scan('z', 'a', 10), [0, ''], 'bounds in the wrong order are an empty range');
});
