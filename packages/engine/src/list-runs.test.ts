import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBelow, seededRandom, type Random } from '@holdfast/base';
import { spanOf, type Span } from './bytes.ts';
import type { Commit } from './commit.ts';
import { family } from './families.ts';
import { insertBeside, removeMatches, trimTo } from './lists-edit.ts';
import { Lists, type ListSide } from './lists.ts';
import { defaultNamespace } from './namespace.ts';
import type { UserKey } from './stored-key.ts';
import { openTestEngine, type TestEngine } from './testing/index.ts';

const nowMs = 1_700_000_000_000;
/** The least with which there are runs: some lists fill it. */
const rowCacheBytes = 4 << 20;

function keyOf(name: string): UserKey {
  return { ...spanOf(name), namespace: defaultNamespace };
}

function framed(values: readonly string[]): string {
  return values.map((value) => `$${value.length}\r\n${value}\r\n`).join('');
}

const textOf = ({ buffer, start, end }: Span): string => buffer.latin1Slice(start, end);

function walked(list: Lists, from: number, to: number): string {
  const entries = list.elements(from, to);
  const found: string[] = [];
  while (entries.next()) found.push(textOf(entries.value));
  entries.close();
  return framed(found);
}

function opened(test: TestEngine, name: string): Lists {
  const list = new Lists(test.types.records);
  list.openOrCreate(keyOf(name), nowMs);
  return list;
}

function change(test: TestEngine, name: string, edit: (list: Lists) => void): void {
  test.engine.beginCommand();
  const list = opened(test, name);
  edit(list);
  list.save(keyOf(name));
}

function pushAll(test: TestEngine, name: string, values: readonly string[], side: ListSide = 'right'): void {
  change(test, name, (list) => {
    for (const value of values) list.push(side, spanOf(value));
  });
}

function pop(test: TestEngine, name: string, side: ListSide): string {
  let value = '';
  change(test, name, (list) => {
    list.peek(side);
    value = textOf(list.value);
    list.pop(side);
  });
  return value;
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => `element ${i}`);

/** Lookups and iterations of the database that `act` needs. */
function readsOf({ engine }: TestEngine, act: () => void): { gets: number; seeks: number } {
  const { gets, seeks } = engine.work;
  const misses = engine.rowCache.figures.misses;
  act();
  return {
    gets: Math.min(engine.work.gets - gets, engine.rowCache.figures.misses - misses),
    seeks: engine.work.seeks - seeks,
  };
}

test('a range that was read is there the next time, and any part of it, in its own framing', async () => {
  await using test = await openTestEngine();
  const values = [0, 1, 9, 10, 11, 99, 100, 101, 999, 1000, 1001].map((length) => 'x'.repeat(length));
  pushAll(test, 'l', values);
  test.engine.commit();
  const list = opened(test, 'l');
  assert.equal(readsOf(test, () => assert.equal(textOf(list.frames(0, 11) as Span), framed(values))).seeks, 1);
  const again = readsOf(test, () => {
    for (let from = 0; from < 11; from++)
      for (let to = from + 1; to <= 11; to++)
        assert.equal(textOf(list.frames(from, to) as Span), framed(values.slice(from, to)));
  });
  assert.equal(again.seeks, 0);
});

test('elements that are popped in order are read together, from either end', async () => {
  for (const side of ['left', 'right'] as const) {
    await using test = await openTestEngine();
    const values = numbers(1000);
    pushAll(test, 'l', values);
    test.engine.commit();
    const expected = side === 'left' ? values : values.toReversed();
    const reads = readsOf(test, () => {
      for (const [i, value] of expected.entries()) {
        assert.equal(pop(test, 'l', side), value);
        if (i % 37 === 0) test.engine.commit();
      }
    });
    assert.ok(reads.seeks < 20, `${reads.seeks} reads`);
    assert.ok(reads.gets < 50, `${reads.gets} lookups`);
  }
});

test('what the open tick and the one under commit have put is seen, and what a failed command put is not', async () => {
  await using test = await openTestEngine();
  const { engine } = test;
  const values = numbers(20);
  pushAll(test, 'l', values);
  engine.commit();
  const read = (from: number, to: number): string => {
    const list = opened(test, 'l');
    const frames = list.frames(list.first + from, list.first + to);
    return frames === undefined ? walked(list, list.first + from, list.first + to) : textOf(frames);
  };
  assert.equal(read(0, 20), framed(values));
  change(test, 'l', (list) => list.set(3, spanOf('changed')));
  const changed = values.with(3, 'changed');
  assert.equal(read(0, 20), framed(changed));
  assert.equal(read(4, 20), framed(values.slice(4)));
  const ended = Promise.withResolvers<Commit | undefined>();
  engine.commitOnWorker(ended.resolve);
  assert.equal(read(0, 20), framed(changed));
  change(test, 'l', (list) => list.set(5, spanOf('taken back')));
  engine.rollbackCommand();
  assert.equal(read(0, 20), framed(changed));
  await ended.promise;
  assert.equal(read(0, 20), framed(changed));
});

test('what a batch of no collection puts under a list is read, too', async () => {
  await using test = await openTestEngine();
  const { engine } = test;
  pushAll(test, 'l', numbers(20));
  engine.commit();
  const list = opened(test, 'l');
  assert.notEqual(list.frames(0, 20), undefined);
  engine.beginCommand();
  engine.tick.put(family.subkey, list.keyAt(7), spanOf('applied'));
  engine.commit();
  assert.equal(textOf(list.frames(7, 8) as Span), framed(['applied']));
});

test('elements too large to be kept together are not tried again, and fewer of them are', async () => {
  await using test = await openTestEngine();
  pushAll(test, 'l', Array<string>(40).fill('x'.repeat(4000)));
  test.engine.commit();
  const list = opened(test, 'l');
  assert.equal(list.frames(0, 40), undefined);
  assert.equal(readsOf(test, () => assert.equal(list.frames(0, 40), undefined)).seeks, 0);
  assert.equal(list.frames(0, 10)?.end, (list.frames(0, 10) as Span).start + 10 * (4000 + 9));
});

const lengths = [0, 1, 9, 10, 64, 99, 100, 101, 1000];

function valueOf(random: Random): string {
  const length = randomBelow(random, 40) === 0 ? 20_000 : (lengths[randomBelow(random, lengths.length)] as number);
  return String.fromCharCode(97 + randomBelow(random, 26)).repeat(length);
}

/** Changes one list and its model in the same way. */
function changeBoth(random: Random, test: TestEngine, name: string, model: string[]): void {
  const what = randomBelow(random, 10);
  const side = randomBelow(random, 2) === 0 ? 'left' : 'right';
  const index = randomBelow(random, Math.max(1, model.length));
  if (model.length === 0 || what < 3) {
    const values = Array.from({ length: 1 + randomBelow(random, 60) }, () => valueOf(random));
    pushAll(test, name, values, side);
    if (side === 'left') model.unshift(...values.toReversed());
    else model.push(...values);
  } else if (what < 7) {
    for (let left = Math.min(model.length, randomBelow(random, 100)); left > 0; left--)
      assert.equal(pop(test, name, side), side === 'left' ? model.shift() : model.pop());
  } else if (what === 7) {
    const value = valueOf(random);
    change(test, name, (list) => list.set(index, spanOf(value)));
    model[index] = value;
  } else if (what === 8) {
    const pivot = model[index] as string;
    change(test, name, (list) => insertBeside(list, spanOf(pivot), spanOf('beside'), 'before'));
    model.splice(model.indexOf(pivot), 0, 'beside');
  } else if (randomBelow(random, 4) === 0) {
    const stop = Math.min(model.length - 1, index + 30);
    change(test, name, (list) => trimTo(list, index, stop));
    model.splice(0, model.length, ...model.slice(index, stop + 1));
  } else {
    const value = model[index] as string;
    change(test, name, (list) => removeMatches(list, 0, spanOf(value)));
    model.splice(0, model.length, ...model.filter((one) => one !== value));
  }
}

/** Some ranges of a list, as runs where there are such, and in any case as iterations. @returns how many were runs. */
function compare(random: Random, test: TestEngine, name: string, model: readonly string[]): number {
  const list = opened(test, name);
  assert.equal(list.size, model.length);
  let runs = 0;
  for (let i = 0; i < 3 && model.length > 0; i++) {
    const from = i === 0 ? 0 : randomBelow(random, model.length);
    const to = Math.min(model.length, from + 1 + randomBelow(random, 120));
    const expected = framed(model.slice(from, to));
    const frames = list.frames(list.first + from, list.first + to);
    if (frames !== undefined) {
      runs++;
      assert.equal(textOf(frames), expected);
    }
    assert.equal(walked(list, list.first + from, list.first + to), expected);
  }
  return runs;
}

test('random changes, rollbacks and commits on workers: runs show what a model has, on a replica too', async () => {
  for (let seed = 1; seed <= 4; seed++) {
    const random = seededRandom(seed);
    await using test = await openTestEngine({ rowCacheBytes });
    await using replica = await openTestEngine({ rowCacheBytes });
    const { engine } = test;
    const models = new Map<string, string[]>(['a', 'bb', 'ccc', 'dddd', 'e'].map((name) => [name, []]));
    const names = [...models.keys()];
    let runs = 0;
    let onReplica = 0;
    const apply = (commit: Commit | undefined, error?: Error): void => {
      assert.equal(error, undefined);
      if (commit !== undefined)
        replica.engine.applyReplicated(Buffer.from(commit.packed), commit.lengths, commit.count);
    };
    for (let round = 0; round < 150; round++) {
      for (let i = randomBelow(random, 4); i >= 0; i--) {
        const name = names[randomBelow(random, names.length)] as string;
        const model = models.get(name) as string[];
        if (randomBelow(random, 8) === 0) {
          engine.beginAtomic();
          changeBoth(random, test, name, [...model]);
          compare(random, test, name === 'a' ? 'bb' : 'a', models.get(name === 'a' ? 'bb' : 'a') as string[]);
          engine.rollbackAtomic();
        } else changeBoth(random, test, name, model);
        runs += compare(random, test, name, model);
      }
      engine.settle();
      if (randomBelow(random, 3) === 0) engine.commitOnWorker(apply);
      else apply(engine.commit());
      for (const [name, model] of models) {
        runs += compare(random, test, name, model);
        if (!engine.isCommitting) onReplica += compare(random, replica, name, model);
      }
      if (randomBelow(random, 40) === 0) engine.rowCache.clear();
    }
    engine.settle();
    assert.ok(runs > 500 && onReplica > 500, `${runs} and ${onReplica} ranges were read as runs`);
    assert.ok(engine.rowCache.figures.bytes <= rowCacheBytes);
  }
});
