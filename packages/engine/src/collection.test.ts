import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BatchReader } from './batch-reader.ts';
import { spanOf } from './bytes.ts';
import { Collection, type SubkeyRange } from './collection.ts';
import { family } from './families.ts';
import { typeId } from './metadata-value.ts';
import { defaultNamespace } from './namespace.ts';
import type { UserKey } from './stored-key.ts';
import { openTestEngine, type TestEngine } from './testing/index.ts';

const nowMs = 1_700_000_000_000;

function keyOf(name: string): UserKey {
  return { ...spanOf(name), namespace: defaultNamespace };
}

const key = keyOf('k');

function setOf({ types }: TestEngine): Collection {
  return new Collection(types.records, typeId.set);
}

/** Adds sub keys with themselves as values. */
function add(collection: Collection, of: UserKey, ...names: string[]): void {
  for (const name of names) {
    collection.subkeyOf(spanOf(name));
    if (!collection.fetch()) collection.size++;
    collection.store(spanOf('='), spanOf(name));
  }
  collection.save(of);
}

function namesOf(collection: Collection, range?: SubkeyRange): string[] {
  const names: string[] = [];
  const entries = collection.iterate(range);
  try {
    while (entries.next()) names.push(entries.key.view().toString('latin1', collection.prefixLength));
  } finally {
    entries.close();
  }
  return names;
}

function kindsWritten({ engine }: TestEngine): string[] {
  const rows: string[] = [];
  const reader = new BatchReader(engine.commit()?.packed as Buffer);
  while (reader.next()) rows.push(`${reader.kind} ${reader.family}`);
  return rows;
}

test('a collection exists once it is saved, under its type and until it dies', async () => {
  await using test = await openTestEngine();
  const set = setOf(test);
  assert.equal(set.openOrCreate(key, nowMs), 'absent');
  assert.equal(set.size, 0);
  const reader = setOf(test);
  assert.equal(reader.open(key, nowMs), 'absent');
  set.expireMs = nowMs + 10;
  add(set, key, 'a', 'b');
  assert.equal(reader.open(key, nowMs), 'found');
  assert.deepEqual([reader.size, reader.expireMs], [2, nowMs + 10]);
  assert.equal(new Collection(test.types.records, typeId.hash).open(key, nowMs), 'wrong-type');
  assert.equal(reader.open(key, nowMs + 10), 'found');
  assert.equal(reader.open(key, nowMs + 11), 'absent');
  assert.equal(reader.size, 0);
});

test('records of one opening follow one log text; the metadata record is the last, and only when something changed', async () => {
  await using test = await openTestEngine();
  const set = setOf(test);
  set.openOrCreate(key, nowMs);
  add(set, key, 'a', 'b');
  assert.deepEqual(kindsWritten(test), ['log-data 0', 'put 0', 'put 0', 'put 1']);
  set.open(key, nowMs);
  add(set, key, 'a');
  assert.deepEqual(kindsWritten(test), ['log-data 0', 'put 0']);
  set.open(key, nowMs);
  set.subkeyOf(spanOf('a'));
  set.erase();
  set.size--;
  set.save(key);
  set.save(key);
  assert.deepEqual(kindsWritten(test), ['log-data 0', 'delete 0', 'put 1']);
  set.open(key, nowMs);
  set.save(key);
  assert.equal(test.engine.commit(), undefined);
  set.save(key, true);
  assert.deepEqual(kindsWritten(test), ['log-data 0', 'put 1']);
});

test('a collection that lost its last element is absent, and begun anew it has none of its former ones', async () => {
  await using test = await openTestEngine();
  const set = setOf(test);
  for (const isCommitted of [false, true]) {
    set.openOrCreate(key, nowMs);
    add(set, key, 'a', 'b');
    set.size = 0;
    set.save(key);
    if (isCommitted) test.engine.commit();
    assert.equal(set.openOrCreate(key, nowMs), 'absent');
    assert.deepEqual(namesOf(set), []);
    assert.equal((set.subkeyOf(spanOf('a')), set.fetch()), false);
    add(set, key, 'c');
    set.open(key, nowMs);
    assert.deepEqual(namesOf(set), ['c']);
  }
});

test('of a collection that a command begins only what it has put itself is looked for, not in the database', async () => {
  await using test = await openTestEngine();
  const set = setOf(test);
  test.engine.beginCommand();
  set.openOrCreate(key, nowMs);
  const { gets } = test.engine.work;
  add(set, key, 'a', 'b');
  assert.deepEqual(
    ['a', 'c'].map((name) => (set.subkeyOf(spanOf(name)), set.fetch())),
    [true, false],
  );
  assert.equal(test.engine.work.gets, gets);
  set.open(key, nowMs);
  test.engine.commit();
  assert.equal((set.subkeyOf(spanOf('a')), set.fetch()), true);
});

test('what a collection begun in place of another one replaces is out of reach', async () => {
  await using test = await openTestEngine();
  const set = setOf(test);
  set.openOrCreate(key, nowMs);
  set.expireMs = nowMs + 1000;
  set.tail = Buffer.from('tail');
  add(set, key, 'a');
  set.create(key);
  assert.deepEqual([set.size, set.expireMs, set.tail.length], [0, 0, 0]);
  add(set, key, 'b');
  set.open(key, nowMs);
  assert.deepEqual([namesOf(set), set.expireMs], [['b'], 0]);
});

test('tail and form of a record are kept by those that do not change them', async () => {
  await using test = await openTestEngine();
  const { records } = test.types;
  records.meta.create(typeId.set, { high: 7, low: 9 });
  records.meta.is64 = false;
  records.meta.size = 1;
  records.store(key, spanOf('tail'));
  test.engine.commit();
  const set = setOf(test);
  set.open(key, nowMs);
  assert.deepEqual([set.size, String(set.tail)], [1, 'tail']);
  add(set, key, 'a');
  test.engine.commit();
  records.load(key, nowMs);
  const { meta } = records;
  assert.deepEqual([meta.is64, meta.high, meta.low, meta.size], [false, 7, 9, 2]);
  set.open(key, nowMs);
  assert.equal(String(set.tail), 'tail');
  set.tail = Buffer.from('longer tail');
  set.save(key, true);
  set.open(key, nowMs);
  assert.equal(String(set.tail), 'longer tail');
});

test('ranges are walked in byte order, forwards and backwards, in this tick and from the database', async () => {
  await using test = await openTestEngine();
  const set = setOf(test);
  set.openOrCreate(key, nowMs);
  add(set, key, 'a', 'c', '\xff'.repeat(3), '');
  test.engine.commit();
  set.open(key, nowMs);
  add(set, key, 'b');
  // Neighbours that share the beginning of the key.
  const other = setOf(test);
  for (const name of ['j', 'ka', 'l']) {
    other.openOrCreate(keyOf(name), nowMs);
    add(other, keyOf(name), 'x');
  }
  const high = spanOf('\xff'.repeat(3)).buffer.toString('latin1');
  assert.deepEqual(namesOf(set), ['', 'a', 'b', 'c', high]);
  assert.deepEqual(namesOf(set, { reverse: true, keysOnly: true }), [high, 'c', 'b', 'a', '']);
  assert.deepEqual(namesOf(set, { from: spanOf('a'), to: spanOf('c') }), ['a', 'b']);
  assert.deepEqual(namesOf(set, { from: spanOf('aa') }), ['b', 'c', high]);
  assert.deepEqual(namesOf(set, { to: spanOf('b'), reverse: true }), ['a', '']);
  assert.deepEqual(namesOf(set, { of: family.zsetScore }), []);
});

test('a detached walk goes on while others write, and shows what was there when it began', async () => {
  await using test = await openTestEngine();
  const set = setOf(test);
  set.openOrCreate(key, nowMs);
  add(set, key, 'a', 'b');
  test.engine.commit();
  set.open(key, nowMs);
  add(set, key, 'c');
  const entries = set.iterate({ detached: true });
  try {
    test.engine.commit();
    set.open(key, nowMs);
    set.subkeyOf(spanOf('b'));
    set.erase();
    add(set, key, 'd');
    test.engine.commit();
    const names: string[] = [];
    while (entries.next()) names.push(String(entries.key.view().subarray(set.prefixLength)));
    assert.deepEqual(names, ['a', 'b', 'c']);
  } finally {
    entries.close();
  }
});

test('a command sees which sub keys it has put itself', async () => {
  await using test = await openTestEngine();
  const set = setOf(test);
  const isWritten = (name: string): boolean => (set.subkeyOf(spanOf(name)), set.isWrittenByCommand());
  test.engine.beginCommand();
  set.openOrCreate(key, nowMs);
  add(set, key, 'a');
  assert.deepEqual([isWritten('a'), isWritten('b')], [true, false]);
  test.engine.beginCommand();
  set.open(key, nowMs);
  assert.equal(isWritten('a'), false);
});
