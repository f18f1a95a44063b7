import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { defaultNamespace, namespaceOf, Sets, spanOf, Zsets } from '@holdfast/engine';
import { openTestEngine, type TestEngine } from '@holdfast/engine/testing';
import { applyBatch } from './applied-batch.ts';
import { diskBytes, keyBytes } from './key-bytes.ts';
import { pollUpdates } from './log-updates.ts';

const nowMs = 1_700_000_000_000;

function userKey(name: string, namespace = defaultNamespace) {
  const buffer = Buffer.from(name);
  return { namespace, buffer, start: 0, end: buffer.length };
}

function set({ types }: TestEngine, name: string, value: string): void {
  types.strings.set(userKey(name), spanOf(value), 0);
}

function addMembers({ types }: TestEngine, name: string, members: readonly string[]): void {
  const set = new Sets(types.records);
  set.openOrCreate(userKey(name), nowMs);
  for (const member of members) set.add(spanOf(member));
  set.save(userKey(name));
}

/** Bytes of the metadata record. */
function headBytes({ types: { records } }: TestEngine, name: string): number {
  assert.ok(records.load(userKey(name), nowMs));
  return records.engine.key.view().length + records.engine.value.length;
}

/** What a string has, once everything is committed. */
function get({ types }: TestEngine, name: string): string | undefined {
  return types.strings.get(userKey(name), nowMs) === 'found' ? types.strings.value.copy().toString() : undefined;
}

/** Ends the tick: its writes become one batch of the log. */
function commit(world: TestEngine): void {
  world.engine.commit();
}

async function batchesOf(world: TestEngine, sequence: number, max = 16): Promise<readonly Buffer[]> {
  const updates = await pollUpdates(world.engine.database, { sequence, max, strict: false });
  assert.ok(typeof updates !== 'string', String(updates));
  return updates.batches;
}

describe('POLLUPDATES', () => {
  test('returns batches behind a sequence, and where to go on', async () => {
    await using world = await openTestEngine();
    for (const name of ['a', 'b', 'c']) {
      set(world, name, name);
      commit(world);
    }
    const { database } = world.engine;
    const first = await pollUpdates(database, { sequence: 0, max: 2, strict: true });
    assert.ok(typeof first !== 'string');
    assert.deepEqual([first.latestSequence, first.nextSequence, first.batches.length], [3, 2, 2]);
    const rest = await pollUpdates(database, { sequence: 2, max: 16, strict: true });
    assert.ok(typeof rest !== 'string');
    assert.deepEqual([rest.nextSequence, rest.batches.length], [3, 1]);
    const nothing = await pollUpdates(database, { sequence: 3, max: 16, strict: true });
    assert.deepEqual(nothing, { latestSequence: 3, nextSequence: 3, batches: [] });
    assert.equal(
      await pollUpdates(database, { sequence: 4, max: 1, strict: false }),
      'ERR next sequence is out of range',
    );
  });

  test('within a batch is refused when strict, else the whole batch comes', async () => {
    await using world = await openTestEngine();
    set(world, 'a', '1');
    set(world, 'b', '2');
    commit(world);
    set(world, 'c', '3');
    commit(world);
    const { database } = world.engine;
    assert.equal(await pollUpdates(database, { sequence: 1, max: 1, strict: true }), 'ERR mismatched sequence number');
    const loose = await pollUpdates(database, { sequence: 1, max: 1, strict: false });
    assert.ok(typeof loose !== 'string');
    assert.deepEqual([loose.nextSequence, loose.batches.length], [2, 1]);
  });
});

describe('APPLYBATCH', () => {
  test('writes what another database logged', async () => {
    await using from = await openTestEngine();
    await using to = await openTestEngine();
    set(from, 'a', 'one');
    addMembers(from, 's', ['x', 'y']);
    commit(from);
    set(from, 'b', 'two');
    from.types.keyspace.delete(userKey('a'), nowMs);
    commit(from);
    set(to, 'a', 'mine');
    commit(to);
    for (const batch of await batchesOf(from, 0)) {
      to.engine.beginCommand();
      assert.equal(applyBatch(to.engine, batch, defaultNamespace), undefined);
    }
    assert.deepEqual([get(to, 'a'), get(to, 'b')], [undefined, 'two'], 'seen in the open tick');
    commit(to);
    assert.deepEqual([get(to, 'a'), get(to, 'b')], [undefined, 'two']);
    assert.equal(to.types.keyspace.type(userKey('s'), nowMs), 'set');
  });

  test('refuses what is no batch, what holds no keys, and keys of others; then nothing was written', async () => {
    await using from = await openTestEngine();
    await using to = await openTestEngine();
    set(from, 'a', 'one');
    commit(from);
    from.engine.putPropagate(Buffer.from('lua_x'), Buffer.from('code'));
    commit(from);
    from.types.keyspace.flush(defaultNamespace);
    commit(from);
    const [good, propagate, flush] = await batchesOf(from, 0);
    assert.ok(good !== undefined && propagate !== undefined && flush !== undefined);
    const app = namespaceOf('app');
    const apply = (batch: Buffer, namespace = defaultNamespace): string =>
      applyBatch(to.engine, batch, namespace) ?? 'applied';
    assert.match(apply(propagate), /family 4, which holds no keys/);
    assert.match(apply(good, app), /keys outside of namespace 'app'/);
    assert.match(apply(flush, app), /keys outside of namespace 'app'/);
    assert.match(apply(good.subarray(0, 5)), /^ERR write batch of 5 bytes/);
    assert.match(apply(good.subarray(0, good.length - 1)), /^ERR .*cut off/);
    const miscounted = Buffer.from(good);
    miscounted.writeUInt32LE(7, 8);
    assert.match(apply(miscounted), /counts 7 records and holds 1/);
    assert.equal(to.engine.tick.records, 0);
    assert.equal(apply(flush), 'applied');
  });
});

describe('the size of a key', () => {
  test('is that of its records, from a sample or from all', async () => {
    await using world = await openTestEngine();
    assert.equal(keyBytes(world.types, userKey('nope'), nowMs, 0), undefined);
    set(world, 'str', 'x'.repeat(1000));
    const string = keyBytes(world.types, userKey('str'), nowMs, 5);
    assert.ok(string !== undefined && string > 1000 && string < 1040, `${string}`);
    addMembers(
      world,
      'set',
      Array.from({ length: 500 }, (_, i) => `member:${String(i).padStart(6, '0')}`),
    );
    commit(world);
    const all = keyBytes(world.types, userKey('set'), nowMs, 0) ?? 0;
    assert.ok(all > 500 * 13 && all < 500 * 60, `${all}`);
    const sampled = keyBytes(world.types, userKey('set'), nowMs, 10) ?? 0;
    assert.ok(Math.abs(sampled - all) < all / 100, `${sampled} of ${all}: members of one length`);
  });

  test('on disk has what is left of former values', async () => {
    await using world = await openTestEngine();
    addMembers(world, 'k', ['a', 'b', 'c']);
    commit(world);
    const before = keyBytes(world.types, userKey('k'), nowMs, 0) ?? 0;
    assert.equal(diskBytes(world.types, userKey('k'), nowMs, 0), before);
    const members = before - headBytes(world, 'k');
    set(world, 'k', 'text');
    commit(world);
    const string = keyBytes(world.types, userKey('k'), nowMs, 0) ?? 0;
    assert.equal(diskBytes(world.types, userKey('k'), nowMs, 0), string + members);
    world.types.keyspace.delete(userKey('k'), nowMs);
    addMembers(world, 'k', ['d']);
    commit(world);
    const again = keyBytes(world.types, userKey('k'), nowMs, 0) ?? 0;
    assert.equal(diskBytes(world.types, userKey('k'), nowMs, 0), again + members);
    assert.equal(diskBytes(world.types, userKey('nope'), nowMs, 0), undefined);
  });

  test('of a sorted set counts both of its families', async () => {
    await using world = await openTestEngine();
    addMembers(world, 'set', ['a', 'b']);
    const zset = new Zsets(world.types.records);
    zset.openOrCreate(userKey('zed'), nowMs);
    for (const member of ['a', 'b']) zset.add(spanOf(member), 1);
    zset.save(userKey('zed'));
    const bytes = (name: string): number => keyBytes(world.types, userKey(name), nowMs, 0) ?? 0;
    // Of each member the set has one record, the sorted set two, and 8 bytes of score in each of them.
    const recordBytes = (bytes('set') - headBytes(world, 'set')) / 2;
    assert.equal(bytes('zed') - headBytes(world, 'zed'), 2 * (2 * recordBytes + 2 * 8));
  });
});
