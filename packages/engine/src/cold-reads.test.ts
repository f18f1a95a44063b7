import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Scratch, spanOf } from './bytes.ts';
import type { ColdRecord } from './cold-record.ts';
import type { Engine } from './engine.ts';
import { family } from './families.ts';
import { openTestEngine } from './testing/index.ts';

const of = family.metadata;

function keyOf(text: string): Scratch {
  const key = new Scratch();
  key.reset();
  key.bytes(Buffer.from(text, 'latin1'));
  return key;
}

function put(engine: Engine, key: string, value: string): void {
  engine.beginCommand();
  engine.tick.put(of, keyOf(key), spanOf(Buffer.from(value)));
}

function read(engine: Engine, key: string): string | undefined {
  return engine.get(of, keyOf(key)) ? engine.value.copy().toString() : undefined;
}

/** Writes keys with values of a kilobyte into files, and lets the cache hold nothing of them. */
async function onDisk(engine: Engine, keys: readonly string[]): Promise<void> {
  for (const key of keys) put(engine, key, `${key}${'.'.repeat(1000)}`);
  engine.commit();
  await engine.database.flush();
  engine.database.flushBlockCache();
}

/** What was noted. */
function names(engine: Engine): string[] {
  return engine.cold.take().map(({ key }) => key.toString('latin1'));
}

/** Notes keys as a command that misses them does. */
function miss(engine: Engine, ...keys: string[]): ColdRecord[] {
  engine.cold.begin('feign');
  for (const key of keys) assert.equal(read(engine, key), undefined);
  assert.equal(engine.cold.end(), true);
  return engine.cold.take();
}

function shown(value: string | undefined): string | undefined {
  return value?.replaceAll('.', '');
}

test('a command may read so many records itself, as far as files are in memory', async (t) => {
  await using opened = await openTestEngine();
  const { engine } = opened;
  const keys = ['a', 'b', 'c'];
  for (const key of keys) await onDisk(engine, [key]); // each in a file, and so a block, of its own
  engine.cold.inPlaceMax = 2;
  engine.cold.begin('feign', true);
  const found = keys.map((key) => shown(read(engine, key)));
  if (found[0] === undefined) {
    t.skip('this file system may not tell what it has in memory');
    return;
  }
  assert.deepEqual(found, ['a', 'b', undefined]);
  assert.equal(engine.cold.end(), true);
  assert.deepEqual(names(engine), ['c']);
  engine.cold.begin('feign');
  engine.database.flushBlockCache();
  assert.equal(read(engine, 'c'), undefined);
});

test('a command that only reads goes on as if what is on disk were absent, and tells all that it missed', async () => {
  await using opened = await openTestEngine();
  const { engine } = opened;
  const keys = ['a', 'b\xff\u0000', 'c'];
  await onDisk(engine, keys);
  put(engine, 'open', 'tick');
  engine.cold.begin('feign');
  assert.deepEqual(
    ['a', 'open', 'b\xff\u0000', 'c'].map((key) => read(engine, key)),
    [undefined, 'tick', undefined, undefined],
  );
  assert.throws(() => engine.iterate(of, {}), /on disk only/, 'nothing more is read for nothing');
  assert.equal(engine.cold.end(), true);
  const noted = engine.cold.take();
  assert.deepEqual(
    noted.map(({ key }) => key.toString('latin1')),
    keys,
  );
  assert.deepEqual(engine.cold.take(), []);
  await engine.fetch(noted);
  engine.cold.begin('feign');
  assert.deepEqual(
    keys.map((key) => shown(read(engine, key))),
    keys,
  );
  assert.equal(engine.cold.end(), false);
});

test('what was taken as absent is not remembered as absent', async () => {
  await using opened = await openTestEngine({ rowCacheBytes: 1 << 20 });
  const { engine } = opened;
  await onDisk(engine, ['a']);
  engine.cold.begin('feign');
  assert.equal(read(engine, 'a'), undefined);
  engine.cold.end();
  assert.equal(shown(read(engine, 'a')), 'a');
  engine.database.flushBlockCache();
  engine.cold.begin('end');
  assert.equal(shown(read(engine, 'a')), 'a', 'the row cache has it, whatever the block cache lost');
  assert.equal(engine.cold.end(), false);
});

test('a command that writes ends with the first record that is on disk only', async () => {
  await using opened = await openTestEngine();
  const { engine } = opened;
  await onDisk(engine, ['a', 'b']);
  engine.cold.begin('end');
  engine.beginCommand();
  engine.tick.put(of, keyOf('other'), spanOf(Buffer.from('half')));
  assert.throws(() => read(engine, 'a'), /on disk only/);
  engine.rollbackCommand();
  assert.equal(engine.cold.end(), true);
  assert.deepEqual(names(engine), ['a']);
  assert.equal(read(engine, 'other'), undefined);
  assert.equal(shown(read(engine, 'a')), 'a', 'whoever is not told to go without waits for the disk');
});

test('a command that misses very much is ended', async () => {
  await using opened = await openTestEngine({ rowCacheBytes: 0 });
  const { engine } = opened;
  const keys = Array.from({ length: 600 }, (_, i) => `k${i}`);
  await onDisk(engine, keys);
  engine.cold.begin('feign');
  assert.throws(() => keys.forEach((key) => read(engine, key)), /on disk only/);
  engine.cold.end();
  assert.equal(engine.cold.take().length, 512);
});

test('ahead nothing is noted that a tick, the row cache or a worker has', async () => {
  await using opened = await openTestEngine();
  const { engine } = opened;
  await onDisk(engine, ['cold', 'cached', 'deleted', 'closed']);
  read(engine, 'cached');
  put(engine, 'closed', 'newer');
  const ended = Promise.withResolvers<void>();
  engine.commitOnWorker(() => ended.resolve());
  engine.beginCommand();
  engine.tick.delete(of, keyOf('deleted'));
  engine.database.flushBlockCache();
  const isCold = (key: string): boolean => engine.noteAhead(of, keyOf(key));
  assert.deepEqual(['cold', 'cached', 'deleted', 'closed'].map(isCold), [true, false, false, false]);
  assert.deepEqual(names(engine), ['cold']);
  await ended.promise;
});

test('what a worker has read is found without the block cache, and in no cache afterwards', async () => {
  await using opened = await openTestEngine({ rowCacheBytes: 0 });
  const { engine } = opened;
  await onDisk(engine, ['a', 'b', 'large']);
  put(engine, 'huge', '.'.repeat(70_000));
  engine.commit();
  await engine.database.flush();
  engine.database.flushBlockCache();
  const records = miss(engine, 'a', 'huge', 'none\u0000');
  await engine.fetch(records);
  engine.database.flushBlockCache();
  engine.cold.begin('feign');
  assert.equal(shown(read(engine, 'a')), 'a');
  assert.equal(engine.cold.misses, 0);
  read(engine, 'huge');
  assert.equal(engine.cold.misses, 1, 'so large a value is left to the block cache');
  engine.cold.end();
  engine.cold.forget(records, true);
  assert.equal(engine.cold.arrived, 0);
  engine.cold.take();
  miss(engine, 'a');
});

test('a record that is written while a worker reads it is not taken from that worker', async () => {
  for (const how of ['commit', 'worker', 'range', 'master'] as const) {
    await using opened = await openTestEngine({ rowCacheBytes: 0 });
    const { engine } = opened;
    await onDisk(engine, ['a', 'b', 'c']);
    const records = miss(engine, 'a', 'b', 'c');
    const reading = engine.database.multiGetAsync(Buffer.alloc(0), 0);
    if (how === 'master') {
      put(engine, 'a', 'new');
      engine.tick.close();
      const { packed, lengths, count } = engine.tick.builder.take(engine.latestSequence() + 1);
      const copy = Buffer.from(packed);
      engine.dropTick();
      engine.applyReplicated(copy, lengths, count);
    } else {
      put(engine, 'a', 'new');
      if (how === 'range') engine.tick.deleteRange(of, Buffer.from('b'), Buffer.from('bb'));
      const ended = Promise.withResolvers<void>();
      if (how === 'worker') engine.commitOnWorker(() => ended.resolve());
      else ended.resolve(void engine.commit());
      await ended.promise;
    }
    await reading;
    // As if it had been read before the write: what it brings is older.
    const old = Buffer.alloc(3 * 7);
    for (let i = 0; i < 3; i++) old.writeInt32LE(3, 7 * i);
    for (let i = 0; i < 3; i++) old.write('old', 7 * i + 4);
    engine.cold.arrive(records, old);
    assert.equal(read(engine, 'a'), 'new', how);
    if (how === 'range') assert.equal(read(engine, 'b'), undefined);
    assert.equal(shown(read(engine, 'c')), how === 'range' ? 'c' : 'old', how);
    engine.cold.forget(records, true);
  }
});

test('a record that was written is awaited anew by whoever misses it after that', async () => {
  await using opened = await openTestEngine({ rowCacheBytes: 0 });
  const { engine } = opened;
  await onDisk(engine, ['a']);
  const [first] = miss(engine, 'a');
  const [same] = miss(engine, 'a');
  assert.equal(same, first, 'it is on its way');
  await onDisk(engine, ['a']);
  const [second] = miss(engine, 'a');
  assert.ok(first !== undefined && second !== undefined && second !== first);
  await engine.fetch([first]);
  engine.cold.forget([first], true);
  await engine.fetch([second]);
  engine.database.flushBlockCache();
  engine.cold.begin('feign');
  assert.equal(shown(read(engine, 'a')), 'a');
  assert.equal(engine.cold.end(), false);
});
