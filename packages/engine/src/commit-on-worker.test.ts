import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBelow, seededRandom, type Random } from '@holdfast/base';
import { Scratch, spanOf } from './bytes.ts';
import type { Commit } from './commit.ts';
import type { Engine } from './engine.ts';
import { family } from './families.ts';
import { openTestEngine } from './testing/index.ts';

const of = family.metadata;

function keyOf(text: string): Scratch {
  const key = new Scratch();
  key.reset();
  key.bytes(Buffer.from(text));
  return key;
}

function put(engine: Engine, key: string, value: string): void {
  engine.beginCommand();
  engine.tick.put(of, keyOf(key), spanOf(Buffer.from(value)));
}

function remove(engine: Engine, key: string): void {
  engine.beginCommand();
  engine.tick.delete(of, keyOf(key));
}

function read(engine: Engine, key: string): string | undefined {
  return engine.get(of, keyOf(key)) ? engine.value.copy().toString() : undefined;
}

/** Key=value in order, of the keys between two. */
function list(engine: Engine, gte: string, lt: string, reverse = false): string[] {
  const entries = engine.iterate(of, { gte: Buffer.from(gte), lt: Buffer.from(lt), reverse });
  const found: string[] = [];
  while (entries.next()) found.push(`${entries.key.view().toString()}=${entries.value.view().toString()}`);
  entries.close();
  return found;
}

test('the tick after a commit that is under way reads what that wrote', async () => {
  await using opened = await openTestEngine();
  const { engine } = opened;
  put(engine, 'a', '1');
  put(engine, 'b', '1');
  engine.commit();
  put(engine, 'a', '2');
  remove(engine, 'b');
  const ended = Promise.withResolvers<Commit | undefined>();
  engine.commitOnWorker(ended.resolve);
  assert.equal(engine.isCommitting, true);
  assert.deepEqual([engine.latestSequence(), engine.visibleSequence()], [2, 4]);
  assert.deepEqual([read(engine, 'a'), read(engine, 'b')], ['2', undefined]);
  put(engine, 'c', '3');
  assert.deepEqual([read(engine, 'a'), read(engine, 'c'), engine.visibleSequence()], ['2', '3', 5]);
  const commit = await ended.promise;
  assert.deepEqual([commit?.firstSequence, commit?.lastSequence], [3, 4]);
  assert.deepEqual([engine.latestSequence(), engine.visibleSequence(), engine.isCommitting], [4, 5, false]);
  assert.deepEqual([read(engine, 'a'), read(engine, 'b'), read(engine, 'c')], ['2', undefined, '3']);
});

test('an iteration shows the commit under way and the open tick over it, in both directions', async () => {
  await using opened = await openTestEngine();
  const { engine } = opened;
  for (const key of ['a', 'b', 'c', 'd']) put(engine, key, '1');
  engine.commit();
  put(engine, 'b', '2');
  remove(engine, 'c');
  put(engine, 'e', '2');
  engine.commitOnWorker(() => undefined);
  put(engine, 'a', '3');
  remove(engine, 'e');
  assert.deepEqual(list(engine, 'a', 'z'), ['a=3', 'b=2', 'd=1']);
  assert.deepEqual(list(engine, 'a', 'z', true), ['d=1', 'b=2', 'a=3']);
  engine.settle();
  assert.deepEqual(list(engine, 'a', 'z'), ['a=3', 'b=2', 'd=1']);
});

test('a range deleted by the commit under way is gone for the tick after it', async () => {
  await using opened = await openTestEngine();
  const { engine } = opened;
  for (const key of ['a', 'b', 'c']) put(engine, key, '1');
  engine.commit();
  engine.beginCommand();
  engine.tick.deleteRange(of, Buffer.from('a'), Buffer.from('c'));
  engine.commitOnWorker(() => undefined);
  put(engine, 'b', '2');
  assert.deepEqual([read(engine, 'a'), read(engine, 'b'), read(engine, 'c')], [undefined, '2', '1']);
  assert.deepEqual(list(engine, 'a', 'z'), ['b=2', 'c=1']);
});

test('settle tells how the commit ended before it returns, and once only', async () => {
  await using opened = await openTestEngine();
  const { engine } = opened;
  put(engine, 'a', '1');
  const told: (number | undefined)[] = [];
  engine.commitOnWorker((commit) => told.push(commit?.lastSequence));
  engine.settle();
  assert.deepEqual([told, engine.latestSequence(), read(engine, 'a')], [[1], 1, '1']);
  put(engine, 'b', '1');
  const next = Promise.withResolvers<unknown>();
  engine.commitOnWorker((commit) => next.resolve(told.push(commit?.lastSequence)));
  await next.promise;
  assert.deepEqual(told, [1, 2]);
});

test('a tick that wrote nothing ends at once', async () => {
  await using opened = await openTestEngine();
  const told: (Commit | undefined)[] = [];
  opened.engine.commitOnWorker((commit) => told.push(commit));
  assert.deepEqual([told, opened.engine.isCommitting], [[undefined], false]);
});

test('a dropped tick takes nothing of the commit under way with it', async () => {
  await using opened = await openTestEngine();
  const { engine } = opened;
  put(engine, 'a', '1');
  engine.commitOnWorker(() => undefined);
  put(engine, 'a', '2');
  engine.dropTick();
  assert.equal(read(engine, 'a'), '1');
  engine.settle();
  assert.deepEqual([read(engine, 'a'), engine.latestSequence()], ['1', 1]);
});

test('closing waits for the commit under way, which is there when the database is opened again', async () => {
  await using opened = await openTestEngine();
  const { engine } = opened;
  put(engine, 'a', '1');
  const told: (number | undefined)[] = [];
  engine.commitOnWorker((commit) => told.push(commit?.lastSequence));
  await engine.close();
  assert.deepEqual(told, [1]);
  await engine.reopen();
  assert.equal(read(engine, 'a'), '1');
});

test('a commit that the worker cannot write is told as an error, and none of it is seen afterwards', async () => {
  await using opened = await openTestEngine();
  const { engine } = opened;
  put(engine, 'a', '1');
  engine.commit();
  const { database } = engine;
  Object.defineProperty(database, 'writeAsync', { value: () => Promise.reject(new Error('disk')), configurable: true });
  put(engine, 'a', '2');
  const ended = Promise.withResolvers<unknown>();
  engine.commitOnWorker((commit, error) => ended.resolve([commit, error?.code, error?.outcome]));
  assert.equal(read(engine, 'a'), '2');
  assert.deepEqual(await ended.promise, [undefined, 'ENGINE_WRITE_FAILED', 'unknown']);
  assert.deepEqual([read(engine, 'a'), engine.latestSequence()], ['1', 1]);
  Reflect.deleteProperty(database, 'writeAsync');
});

/** Random puts, deletes and range deletes in ticks; what is read at any time is what a map says. */
async function agreesWithModel(random: Random): Promise<void> {
  await using opened = await openTestEngine();
  const { engine } = opened;
  const below = (limit: number): number => randomBelow(random, limit);
  const model = new Map<string, string>();
  const name = (): string => `k${String(below(40)).padStart(2, '0')}`;
  for (let step = 0; step < 1500; step++) {
    const dice = below(20);
    if (dice < 9) {
      const key = name();
      put(engine, key, String(step));
      model.set(key, String(step));
    } else if (dice < 11) {
      const key = name();
      remove(engine, key);
      model.delete(key);
    } else if (dice === 11) {
      const [from, to] = [name(), name()].sort() as [string, string];
      engine.beginCommand();
      engine.tick.deleteRange(of, Buffer.from(from), Buffer.from(to));
      for (const key of [...model.keys()]) if (key >= from && key < to) model.delete(key);
    } else if (dice < 15) {
      const key = name();
      assert.equal(read(engine, key), model.get(key), `${key} at step ${step}`);
    } else if (dice === 15) {
      const [from, to] = [name(), name()].sort() as [string, string];
      const expected = [...model.entries()].filter(([key]) => key >= from && key < to).sort();
      assert.deepEqual(
        list(engine, from, to),
        expected.map(([key, value]) => `${key}=${value}`),
      );
    } else if (dice < 18) {
      if (!engine.isCommitting) engine.commitOnWorker((_commit, error) => assert.equal(error, undefined));
    } else if (dice === 18) engine.settle();
    else await new Promise((resolve) => setImmediate(resolve));
  }
}

test('whatever is under way, reads and iterations agree with a model', async () => {
  for (let seed = 1; seed <= 6; seed++) await agreesWithModel(seededRandom(seed));
});
