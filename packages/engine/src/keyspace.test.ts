import assert from 'node:assert/strict';
import { test } from 'node:test';
import { slotOf } from '@holdfast/topology';
import { OperationError } from '@holdfast/base';
import { Scratch, spanOf } from './bytes.ts';
import { family } from './families.ts';
import { defaultNamespace, namespaceOf, type Namespace } from './namespace.ts';
import { writeMetadataKey, type UserKey } from './stored-key.ts';
import { openTestEngine, type TestEngine } from './testing/index.ts';

const nowMs = 1_700_000_000_000;

function keyOf(name: string, namespace: Namespace = defaultNamespace): UserKey {
  return { ...spanOf(name), namespace };
}

function set({ types }: TestEngine, name: string, expireMs = 0, namespace?: Namespace): void {
  types.strings.set(keyOf(name, namespace), spanOf('v'), expireMs);
}

function keys({ types }: TestEngine, namespace = defaultNamespace): string[] {
  const found: string[] = [];
  types.scan.forEach(namespace, { nowMs }, ({ buffer, start, end }) => {
    found.push(buffer.toString('latin1', start, end));
  });
  return found;
}

test('a flush deletes the keys of one namespace, or all, written in this tick or before', async () => {
  await using test = await openTestEngine();
  const other = namespaceOf('other');
  const fill = (): void => {
    set(test, 'committed');
    set(test, 'x', 0, other);
    test.engine.commit();
    set(test, 'open');
    set(test, 'y', 0, other);
  };
  fill();
  test.types.keyspace.flush(other);
  assert.deepEqual([keys(test), keys(test, other)], [['committed', 'open'], []]);
  set(test, 'again', 0, other);
  assert.deepEqual(keys(test, other), ['again']);
  test.engine.commit();
  assert.deepEqual([keys(test), keys(test, other)], [['committed', 'open'], ['again']]);
  fill();
  test.types.keyspace.flush();
  assert.deepEqual([keys(test), keys(test, other)], [[], []]);
  test.engine.commit();
  assert.deepEqual([keys(test), keys(test, other)], [[], []]);
  test.types.keyspace.flush();
  assert.equal(test.engine.commit(), undefined, 'nothing is written when there is nothing');
});

test('a flush leaves node-wide state alone', async () => {
  await using test = await openTestEngine();
  test.engine.putPropagate(Buffer.from('replication_id_'), Buffer.from('x'));
  set(test, 'a');
  test.engine.commit();
  test.types.keyspace.flush();
  test.engine.commit();
  assert.equal(test.engine.getPropagate(Buffer.from('replication_id_'))?.toString(), 'x');
});

for (const slotPrefixed of [true, false]) {
  test(`keys of a slot are counted and listed${slotPrefixed ? '' : ', also without slots in keys'}`, async () => {
    await using test = await openTestEngine({ slotPrefixed });
    const slot = slotOf(Buffer.from('{tag}'));
    for (let i = 0; i < 20; i++) {
      set(test, `{tag}${i}`);
      set(test, `other${i}`);
      if (i === 10) test.engine.commit();
    }
    set(test, '{tag}dead', nowMs - 1);
    const { scan } = test.types;
    assert.equal(scan.countInSlot(defaultNamespace, slot, nowMs), 20);
    assert.equal(scan.countInSlot(defaultNamespace, (slot + 1) % 16384, nowMs), 0);
    const some = scan.keysInSlot(defaultNamespace, slot, 5, nowMs).map(String);
    assert.equal(some.length, 5);
    for (const key of some) assert.match(key, /^\{tag\}\d+$/);
    assert.equal(scan.keysInSlot(defaultNamespace, slot, 100, nowMs).length, 20);
    assert.deepEqual(scan.keysInSlot(defaultNamespace, slot, 0, nowMs), []);
  });
}

test('deleting slots deletes exactly their keys', async () => {
  await using test = await openTestEngine({ slotPrefixed: true });
  const names = Array.from({ length: 200 }, (_, i) => `key${i}`);
  for (const name of names) set(test, name);
  test.engine.commit();
  const inside = (name: string): boolean => {
    const slot = slotOf(Buffer.from(name));
    return slot >= 5000 && slot <= 12_000;
  };
  test.types.keyspace.deleteSlots(defaultNamespace, 5000, 12_000);
  test.engine.commit();
  assert.deepEqual(keys(test).sort(), names.filter((name) => !inside(name)).sort());
  test.types.keyspace.deleteSlots(defaultNamespace, 0, 16383);
  assert.deepEqual(keys(test), []);
});

test('a count is exact, goes step by step, and tells expiring and dead keys apart', async () => {
  await using test = await openTestEngine();
  for (let i = 0; i < 25; i++) set(test, `k${i}`, i < 5 ? nowMs + 1000 : i < 8 ? nowMs - 1 : 0);
  set(test, 'x', 0, namespaceOf('other'));
  test.engine.commit();
  const counter = test.types.scan.counter(defaultNamespace);
  let steps = 1;
  while (!counter.step(4, nowMs)) steps++;
  assert.deepEqual([counter.keys, counter.expires, counter.expired, counter.ttlSumMs], [22, 5, 3, 5000]);
  assert.equal(steps, 7);
  assert.ok(test.types.scan.estimateKeys() >= 22);
});

test('every key can be drawn at random', async () => {
  await using test = await openTestEngine();
  const names = ['a', 'aa', 'b', 'long-key-1', 'long-key-2', 'zzz', '\xff'];
  for (const name of names) set(test, name);
  const drawn = new Set<string>();
  for (let i = 0; i < 500; i++) drawn.add(String(test.types.scan.random(defaultNamespace, nowMs)));
  assert.deepEqual([...drawn].sort(), names.toSorted());
  assert.equal(test.types.scan.random(namespaceOf('other'), nowMs), undefined);
});

test('a record that is none is an operation error, not a missing key', async () => {
  await using test = await openTestEngine();
  const key = new Scratch();
  writeMetadataKey(key, keyOf('k'), false);
  test.engine.tick.put(family.metadata, key, spanOf(Buffer.of(0x82, 0)));
  assert.throws(
    () => test.types.keyspace.exists(keyOf('k'), nowMs),
    (error) => error instanceof OperationError && error.code === 'ENGINE_RECORD_CORRUPT',
  );
  assert.deepEqual(keys(test), []);
});

test('an expired key is removed by compaction, and its hash fields with it', async () => {
  await using test = await openTestEngine();
  const { types, engine } = test;
  types.hashes.openOrCreate(keyOf('h'), nowMs);
  types.hashes.put(spanOf('f'), spanOf('v'), true);
  types.hashes.expireMs = 1;
  types.hashes.save(keyOf('h'));
  set(test, 'kept');
  engine.commit();
  const stored = (of: number): number => {
    const entries = engine.iterate(of, {});
    let count = 0;
    while (entries.next()) count++;
    entries.close();
    return count;
  };
  assert.deepEqual([stored(family.metadata), stored(family.subkey)], [2, 1]);
  await engine.database.flush();
  await engine.database.compact(family.subkey);
  await engine.database.compact(family.metadata);
  assert.deepEqual([stored(family.metadata), stored(family.subkey)], [1, 0]);
});
