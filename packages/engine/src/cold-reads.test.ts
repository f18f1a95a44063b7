import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Scratch, spanOf } from './bytes.ts';
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

function shown(value: string | undefined): string | undefined {
  return value?.replaceAll('.', '');
}

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
    noted,
    keys.map((key) => `\u0001${key}`),
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
  assert.deepEqual(engine.cold.take(), ['\u0001a']);
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

test('only what is on disk alone is noted ahead: not what a tick or the row cache has', async () => {
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
  const isCold = (key: string): boolean => engine.noteIfCold(of, keyOf(key));
  assert.deepEqual(['cold', 'cached', 'deleted', 'closed'].map(isCold), [true, false, false, false]);
  assert.deepEqual(engine.cold.take(), ['\u0001cold']);
  await ended.promise;
});
