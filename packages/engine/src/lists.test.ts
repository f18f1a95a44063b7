import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperationError, randomBelow, seededRandom } from '@holdfast/base';
import { BatchReader } from './batch-reader.ts';
import { spanOf } from './bytes.ts';
import { family } from './families.ts';
import { insertBeside, moveElement, removeMatches, rotateElement, trimTo } from './lists-edit.ts';
import { Lists, type ListSide } from './lists.ts';
import { typeId } from './metadata-value.ts';
import { defaultNamespace } from './namespace.ts';
import type { Records } from './records.ts';
import type { UserKey } from './stored-key.ts';
import { openTestEngine, type TestEngine } from './testing/index.ts';

const nowMs = 1_700_000_000_000;

function keyOf(name: string): UserKey {
  return { ...spanOf(name), namespace: defaultNamespace };
}

const key = keyOf('l');
/** The position of the first element that is pushed. */
const middle = 2n ** 63n - 1n;

function elementsOf(list: Lists): string[] {
  const found: string[] = [];
  const entries = list.elements(list.first, list.end);
  try {
    for (let position = list.first; entries.next(); position++) {
      assert.equal(list.positionOf(entries), position);
      found.push(entries.value.view().toString('latin1'));
    }
  } finally {
    entries.close();
  }
  return found;
}

/** The elements of a key, looked up one by one and walked; and that nothing else stands under it. */
function contentOf(test: TestEngine, of: UserKey = key): string[] {
  const list = new Lists(test.types.records);
  if (list.open(of, nowMs) !== 'found') return [];
  const walked = elementsOf(list);
  for (let index = 0; index < list.size; index++) {
    list.read(index);
    assert.equal(list.value.view().toString('latin1'), walked[index]);
  }
  const all = list.iterate();
  let count = 0;
  while (all.next()) count++;
  all.close();
  assert.deepEqual([walked.length, count, list.end - list.first], [list.size, list.size, list.size]);
  return walked;
}

/** Opens, changes and saves. */
function change(test: TestEngine, edit: (list: Lists) => void, of: UserKey = key): void {
  const list = new Lists(test.types.records);
  test.engine.beginCommand();
  list.openOrCreate(of, nowMs);
  edit(list);
  list.save(of);
}

function pushAll(test: TestEngine, text: string, side: ListSide = 'right', of: UserKey = key): void {
  change(test, (list) => [...text].forEach((one) => list.push(side, spanOf(one))), of);
}

/** What the open tick writes: log texts, elements as `<places from the middle> <value>`, metadata as `meta`. */
function written({ engine }: TestEngine): string[] {
  const rows: string[] = [];
  const reader = new BatchReader(engine.commit()?.packed as Buffer);
  while (reader.next()) {
    const text = reader.value.view().toString('latin1');
    const position = reader.kind === 'log-data' ? 0n : reader.key.view().subarray(-8).readBigUInt64BE() - middle;
    if (reader.kind === 'log-data') rows.push(`log ${reader.key.view().toString('latin1')}${text}`);
    else if (reader.family === family.metadata) rows.push(`${reader.kind} meta`);
    else rows.push(`${reader.kind} ${position} ${text}`.trim());
  }
  return rows;
}

test('a list begins in the middle of 64 bits and grows both ways', async () => {
  await using test = await openTestEngine();
  pushAll(test, 'ab');
  assert.deepEqual(written(test), ['log 3 7', 'put 0 a', 'put 1 b', 'put meta']);
  pushAll(test, 'yz', 'left');
  assert.deepEqual(written(test), ['log 3 6', 'put -1 y', 'put -2 z', 'put meta']);
  assert.deepEqual(contentOf(test), ['z', 'y', 'a', 'b']);
});

/** Makes `of` a list of one element at a position, as somebody else's data may have it. */
function listAt(records: Records, position: bigint, of: UserKey = key): void {
  const tail = Buffer.alloc(16);
  tail.writeBigUInt64BE(position, 0);
  tail.writeBigUInt64BE(position + 1n, 8);
  const { meta, engine } = records;
  meta.create(typeId.list, { high: 1, low: 1 });
  meta.size = 1;
  records.store(of, spanOf(tail));
  const list = new Lists(records);
  list.open(of, nowMs);
  const subkey = list.subkey();
  subkey.u64Halves(Number(position >> 32n), Number(position & 0xffffffffn));
  list.store(spanOf(''), spanOf('m'));
  engine.commit();
}

test('positions are exact on both sides of every carry, far from the middle too', async () => {
  await using test = await openTestEngine();
  for (const distance of [
    0n,
    1n,
    -1n,
    2n ** 32n,
    -(2n ** 32n),
    2n ** 32n - 1n,
    1n - 2n ** 32n,
    2n ** 51n,
    -(2n ** 51n),
  ]) {
    const of = keyOf(`l${distance}`);
    listAt(test.types.records, middle + distance, of);
    pushAll(test, 'abc', 'right', of);
    pushAll(test, 'xyz', 'left', of);
    test.engine.commit();
    assert.deepEqual(contentOf(test, of), ['z', 'y', 'x', 'm', 'a', 'b', 'c'], String(distance));
    const list = new Lists(test.types.records);
    list.open(of, nowMs);
    const positions = [list.tail.readBigUInt64BE(0), list.tail.readBigUInt64BE(8)];
    assert.deepEqual(positions, [middle + distance - 3n, middle + distance + 4n]);
  }
});

test('damaged lists are told, not guessed at', async () => {
  await using test = await openTestEngine();
  const { records } = test.types;
  const list = new Lists(records);
  const isCorrupt = (error: unknown): boolean =>
    error instanceof OperationError && error.code === 'ENGINE_RECORD_CORRUPT';
  assert.throws(() => listAt(records, 5n), isCorrupt);
  records.meta.create(typeId.list, { high: 1, low: 1 });
  records.meta.size = 1;
  records.store(key, spanOf('short'));
  assert.throws(() => list.open(key, nowMs), isCorrupt);
  change(test, (made) => made.push('left', spanOf('x')), keyOf('m'));
  list.open(keyOf('m'), nowMs);
  list.eraseAt(list.first);
  assert.throws(() => list.peek('left'), isCorrupt);
});

// The orders are those of Kvrocks types/redis_list.cc: the side with fewer elements is shifted, from the gap outwards.
test('an element put in shifts the shorter side, and so do elements taken out', async () => {
  await using test = await openTestEngine();
  pushAll(test, 'abcde');
  test.engine.commit();
  change(test, (list) => insertBeside(list, spanOf('b'), spanOf('N'), 'before'));
  assert.deepEqual(written(test), ['log 3 1 1 b N', 'put -1 a', 'put 0 N', 'put meta']);
  change(test, (list) => insertBeside(list, spanOf('d'), spanOf('M'), 'after'));
  assert.deepEqual(written(test), ['log 3 1 0 d M', 'put 5 e', 'put 4 M', 'put meta']);
  assert.deepEqual(contentOf(test).join(''), 'aNbcdMe');
  change(test, (list) => assert.equal(removeMatches(list, 1, spanOf('M')), 1));
  assert.deepEqual(written(test), ['log 3 5 1 M', 'put 4 e', 'delete 5', 'put meta']);
  pushAll(test, 'xaxbx');
  test.engine.commit();
  change(test, (list) => assert.equal(removeMatches(list, -2, spanOf('x')), 2));
  assert.deepEqual(contentOf(test).join(''), 'aNbcdexab');
  assert.deepEqual(written(test), ['log 3 5 -2 x', 'put 7 b', 'delete 9', 'delete 8', 'put meta']);
});

test('of two sides that are equally long the left one is shifted', async () => {
  await using test = await openTestEngine();
  pushAll(test, 'ab');
  test.engine.commit();
  change(test, (list) => insertBeside(list, spanOf('b'), spanOf('x'), 'before'));
  assert.deepEqual(written(test), ['log 3 1 1 b x', 'put -1 a', 'put 0 x', 'put meta']);
  change(test, (list) => removeMatches(list, 0, spanOf('x')));
  assert.deepEqual(written(test), ['log 3 5 0 x', 'put 0 a', 'delete -1', 'put meta']);
});

test('a trimmed list loses its elements, one that keeps none its metadata record too', async () => {
  await using test = await openTestEngine();
  pushAll(test, 'abcde');
  test.engine.commit();
  change(test, (list) => trimTo(list, 1, 2));
  assert.deepEqual(written(test), ['log 3 2 1 2', 'delete 0', 'delete 3', 'delete 4', 'put meta']);
  change(test, (list) => trimTo(list, 2, 1));
  assert.deepEqual(written(test), ['log 3 2 2 1', 'delete meta']);
  assert.deepEqual(contentOf(test), []);
});

test('many elements are trimmed away with a few records, and their places can be taken again', async () => {
  await using test = await openTestEngine();
  const many = Array.from({ length: 5000 }, (_, i) => String(i));
  const push = (list: Lists): void => many.forEach((one) => list.push('right', spanOf(one)));
  for (const isCommitted of [true, false]) {
    change(test, push);
    if (isCommitted) test.engine.commit();
    const before = test.engine.putInTick;
    change(test, (list) => trimTo(list, 2000, 2001));
    assert.equal(test.engine.putInTick - before, 5);
    pushAll(test, 'yz', 'left');
    pushAll(test, 'ab', 'right');
    assert.deepEqual(contentOf(test), ['z', 'y', '2000', '2001', 'a', 'b']);
    test.engine.rollbackCommand();
    assert.deepEqual(contentOf(test), ['z', 'y', '2000', '2001']);
    test.engine.commit();
    assert.deepEqual(contentOf(test), ['z', 'y', '2000', '2001']);
    test.types.keyspace.delete(key, nowMs);
  }
  change(test, push);
  test.engine.commit();
  change(test, (list) => trimTo(list, 4998, 4999));
  test.engine.rollbackCommand();
  assert.deepEqual(contentOf(test), many);
});

test('a move is written under one log text, whatever is moved where', async () => {
  await using test = await openTestEngine();
  const { records } = test.types;
  const [from, to] = [new Lists(records), new Lists(records)];
  const other = keyOf('m');
  pushAll(test, 'ab');
  test.engine.commit();
  const move = (fromSide: ListSide, toSide: ListSide): string => {
    from.open(key, nowMs);
    to.openOrCreate(other, nowMs);
    moveElement({ list: from, key, side: fromSide }, { list: to, key: other, side: toSide });
    return from.value.view().toString();
  };
  assert.equal(move('right', 'left'), 'b');
  assert.deepEqual(written(test), ['log 3 12 l m right left', 'delete 1', 'put meta', 'put -1 b', 'put meta']);
  assert.equal(move('left', 'right'), 'a');
  assert.deepEqual(written(test), ['log 3 12 l m left right', 'delete 0', 'delete meta', 'put 0 a', 'put meta']);
  assert.deepEqual(contentOf(test, other), ['b', 'a']);
  to.open(other, nowMs);
  rotateElement({ list: to, key: other, side: 'left' }, 'right');
  assert.deepEqual(written(test), ['log 3 12 m m left right', 'delete -1', 'put 1 b', 'put meta']);
  to.open(other, nowMs);
  rotateElement({ list: to, key: other, side: 'left' }, 'left');
  assert.equal(test.engine.commit(), undefined);
});

/** One random change, done to the list and to an array. */
function randomChange(random: ReturnType<typeof seededRandom>, list: Lists, model: string[]): void {
  const below = (limit: number): number => randomBelow(random, limit);
  const text = (): string => 'abc'[below(3)] as string;
  const kind = model.length === 0 ? 0 : below(7);
  if (kind <= 1) {
    const value = text();
    list.push(kind === 0 ? 'left' : 'right', spanOf(value));
    if (kind === 0) model.unshift(value);
    else model.push(value);
  } else if (kind === 2) {
    const side = below(2) === 0 ? 'left' : 'right';
    list.peek(side);
    assert.equal(list.value.view().toString(), side === 'left' ? model.shift() : model.pop());
    list.pop(side);
  } else if (kind === 3) {
    const index = below(model.length);
    list.set(index, spanOf((model[index] = text())));
  } else if (kind === 4) {
    const [pivot, value, where] = [text(), text(), below(2) === 0 ? 'before' : 'after'] as const;
    const at = model.indexOf(pivot);
    assert.equal(insertBeside(list, spanOf(pivot), spanOf(value), where), at >= 0);
    if (at >= 0) model.splice(where === 'before' ? at : at + 1, 0, value);
  } else if (kind === 5) {
    const [count, value] = [below(7) - 3, text()];
    removeFrom(model, count, value);
    removeMatches(list, count, spanOf(value));
  } else if (below(8) === 0) {
    const start = below(model.length);
    const stop = start + below(model.length - start);
    trimTo(list, start, stop);
    model.splice(0, model.length, ...model.slice(start, stop + 1));
  }
  assert.equal(list.size, model.length);
}

function removeFrom(model: string[], count: number, value: string): void {
  const kept: string[] = [];
  let left = count === 0 ? Infinity : Math.abs(count);
  const ordered = count < 0 ? model.toReversed() : model;
  for (const one of ordered) if (one !== value || left-- <= 0) kept.push(one);
  model.splice(0, model.length, ...(count < 0 ? kept.reverse() : kept));
}

test('random changes leave what they leave in an array, and nothing else under the key', async () => {
  await using test = await openTestEngine();
  const random = seededRandom(7);
  const model: string[] = [];
  const list = new Lists(test.types.records);
  for (let round = 0; round < 4000; round++) {
    test.engine.beginCommand();
    const found = list.openOrCreate(key, nowMs);
    assert.equal(found, model.length === 0 ? 'absent' : 'found');
    const before = [...model];
    randomChange(random, list, model);
    if (model.length > 0 || found === 'found') list.save(key);
    if (randomBelow(random, 10) === 0) {
      test.engine.rollbackCommand();
      model.splice(0, model.length, ...before);
    }
    if (randomBelow(random, 20) === 0) test.engine.commit();
    if (round % 50 === 0) assert.deepEqual(contentOf(test), model);
  }
  assert.deepEqual(contentOf(test), model);
});
