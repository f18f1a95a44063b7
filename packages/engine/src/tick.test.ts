import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvariantError, OperationError, seededRandom, randomBelow } from '@holdfast/base';
import { RocksError } from '@holdfast/rocksdb';
import { BatchReader, countOf, sequenceOf } from './batch-reader.ts';
import { Scratch, spanOf } from './bytes.ts';
import { family } from './families.ts';
import { openTestEngine } from './testing/index.ts';
import type { Engine } from './engine.ts';
import type { Commit } from './commit.ts';

function key(text: string): Scratch {
  const scratch = new Scratch();
  scratch.bytes(Buffer.from(text));
  return scratch;
}

function put(engine: Engine, of: number, name: string, value: string, group = 0): void {
  engine.tick.put(of, key(name), spanOf(value), spanOf(''), group);
}

function get(engine: Engine, of: number, name: string): string | undefined {
  return engine.get(of, key(name)) ? engine.value.view().toString() : undefined;
}

/** All entries of a family, as the tick sees them. */
function all(
  engine: Engine,
  of: number,
  range: { gte?: string; lt?: string; reverse?: boolean; group?: string } = {},
): string[] {
  const entries = engine.iterate(of, {
    ...(range.gte === undefined ? {} : { gte: Buffer.from(range.gte) }),
    ...(range.lt === undefined ? {} : { lt: Buffer.from(range.lt) }),
    ...(range.group === undefined ? {} : { group: Buffer.from(range.group) }),
    reverse: range.reverse ?? false,
  });
  const found: string[] = [];
  while (entries.next()) found.push(`${entries.key.view().toString()}=${entries.value.view().toString()}`);
  entries.close();
  return found;
}

/** Kinds, families and keys of the records of each batch. */
function batches(commit: Commit | undefined): string[][] {
  assert.ok(commit !== undefined);
  const found: string[][] = [];
  let at = 0;
  for (const length of commit.lengths) {
    const reader = new BatchReader(commit.packed, at, at + length);
    const records: string[] = [];
    while (reader.next()) records.push(`${reader.kind}${reader.family} ${reader.key.view().toString()}`);
    found.push(records);
    at += length;
  }
  return found;
}

test('reads see the writes of the open tick, and the database after its commit', async () => {
  await using test = await openTestEngine();
  const { engine } = test;
  put(engine, 1, 'a', '1');
  assert.equal(get(engine, 1, 'a'), '1');
  assert.equal(get(engine, 0, 'a'), undefined);
  put(engine, 1, 'a', '2');
  engine.tick.delete(1, key('b'));
  assert.equal(get(engine, 1, 'a'), '2');
  assert.deepEqual([engine.latestSequence(), engine.visibleSequence()], [0, 3]);
  const commit = engine.commit();
  assert.deepEqual([commit?.firstSequence, commit?.lastSequence, commit?.count], [1, 3, 1]);
  assert.deepEqual([engine.latestSequence(), engine.visibleSequence(), engine.openTickBytes], [3, 3, 0]);
  assert.equal(get(engine, 1, 'a'), '2');
  assert.equal(engine.database.latestSequence(), 3);
});

test('a tick that wrote nothing commits nothing', async () => {
  await using test = await openTestEngine();
  const { engine } = test;
  engine.beginCommand();
  engine.tick.logData(Buffer.from('1'));
  assert.equal(engine.commit(), undefined);
  assert.equal(engine.openTickBytes, 0);
});

test('a command that is rolled back leaves no trace, range deletes and closed batches included', async () => {
  await using test = await openTestEngine();
  const { engine } = test;
  put(engine, 1, 'kept', 'old');
  engine.commit();
  engine.beginCommand();
  put(engine, 1, 'a', '1');
  engine.beginCommand();
  put(engine, 1, 'a', '2');
  put(engine, 1, 'b', '1');
  engine.putPropagate(Buffer.from('p'), Buffer.from('1'));
  engine.putPropagate(Buffer.from('p'), Buffer.from('2'));
  engine.tick.deleteRange(1, Buffer.from('a'), Buffer.from('z'));
  assert.deepEqual(all(engine, 1), []);
  engine.rollbackCommand();
  assert.deepEqual(all(engine, 1), ['a=1', 'kept=old']);
  assert.equal(get(engine, 1, 'b'), undefined);
  assert.equal(engine.getPropagate(Buffer.from('p')), undefined);
  assert.deepEqual(batches(engine.commit()), [['put1 a']]);
  assert.deepEqual(all(engine, 1), ['a=1', 'kept=old']);
});

test('a put to propagate or pubsub ends its batch, but never inside a transaction', async () => {
  await using test = await openTestEngine();
  const { engine } = test;
  for (const id of [family.stream, 1, 1, family.pubsub]) {
    engine.beginCommand();
    put(engine, id, 'x', '1');
  }
  engine.putPropagate(Buffer.from('p1'), Buffer.from('1'));
  engine.putPropagate(Buffer.from('p2'), Buffer.from('1'));
  assert.deepEqual(batches(engine.commit()), [['put5 x', 'put1 x', 'put1 x', 'put3 x'], ['put4 p1'], ['put4 p2']]);
  engine.beginAtomic();
  for (const id of [family.stream, 1]) {
    engine.beginCommand();
    put(engine, id, 'x', '1');
  }
  engine.putPropagate(Buffer.from('p'), Buffer.from('1'));
  engine.endAtomic();
  engine.beginCommand();
  put(engine, 1, 'y', '1');
  assert.deepEqual(batches(engine.commit()), [['put5 x', 'put1 x', 'put4 p'], ['put1 y']]);
});

test('every batch ends with the replication id while one is set', async () => {
  await using test = await openTestEngine();
  const { engine } = test;
  engine.replicationId = '0ED7FLH3RHHJC27J';
  engine.putPropagate(Buffer.from('replication_id_'), Buffer.from('0ED7FLH3RHHJC27J'));
  engine.beginCommand();
  put(engine, 1, 'a', '1');
  const commit = engine.commit();
  assert.deepEqual(batches(commit), [
    ['put4 replication_id_', 'log-data0 r 0ED7FLH3RHHJC27J'],
    ['put1 a', 'log-data0 r 0ED7FLH3RHHJC27J'],
  ]);
  // The same bytes, sequence for sequence, stand in the log.
  const tail = engine.database.walTail(1);
  const { bytes } = tail.next(1 << 20);
  const second = (commit as Commit).lengths[0] as number;
  assert.deepEqual(bytes.subarray(4, 4 + second), (commit as Commit).packed.subarray(0, second));
  tail.close();
  assert.throws(() => (engine.replicationId = 'short'), InvariantError);
});

test('a transaction is one batch, can be rolled back whole, and its commands one by one', async () => {
  await using test = await openTestEngine({ batchBytesMax: 64 });
  const { engine } = test;
  put(engine, 1, 'before', 'x'.repeat(100));
  engine.beginAtomic();
  for (const name of ['a', 'b', 'c']) {
    engine.beginCommand();
    put(engine, 1, name, 'x'.repeat(100));
    if (name === 'b') engine.rollbackCommand();
  }
  assert.throws(() => engine.commit(), InvariantError);
  engine.endAtomic();
  assert.deepEqual(batches(engine.commit()), [['put1 before'], ['put1 a', 'put1 c']]);
  put(engine, 1, 'kept', '1');
  engine.beginAtomic();
  engine.beginCommand();
  put(engine, 1, 'd', '1');
  engine.beginCommand();
  engine.rollbackAtomic();
  engine.rollbackCommand();
  assert.deepEqual(batches(engine.commit()), [['put1 kept']]);
});

test('a batch is closed once it is large, and the commands after it stand in the next', async () => {
  await using test = await openTestEngine({ batchBytesMax: 200 });
  const { engine } = test;
  for (const name of ['a', 'b', 'c', 'd', 'e']) {
    engine.beginCommand();
    put(engine, 1, name, 'x'.repeat(100));
  }
  const commit = engine.commit() as Commit;
  assert.deepEqual(batches(commit), [['put1 a', 'put1 b'], ['put1 c', 'put1 d'], ['put1 e']]);
  assert.deepEqual([commit.firstSequence, commit.lastSequence], [1, 5]);
});

test('what a commit hands out stays as it was while the next tick is written', async () => {
  await using test = await openTestEngine();
  const { engine } = test;
  put(engine, 1, 'a', '1');
  const commit = engine.commit() as Commit;
  const before = Buffer.from(commit.packed);
  for (let i = 0; i < 100; i++) put(engine, 1, `key${i}`, 'other');
  engine.commit();
  assert.deepEqual(commit.packed, before);
});

test('an empty range deletes, and writes, nothing', async () => {
  await using test = await openTestEngine();
  const { engine } = test;
  engine.tick.deleteRange(1, Buffer.from('b'), Buffer.from('b'));
  engine.tick.deleteRange(1, Buffer.from('b'), Buffer.from('a'));
  assert.equal(engine.commit(), undefined);
});

test('a dropped tick is forgotten, an open transaction included', async () => {
  await using test = await openTestEngine();
  const { engine } = test;
  engine.beginAtomic();
  put(engine, 1, 'a', '1');
  engine.dropTick();
  assert.equal(get(engine, 1, 'a'), undefined);
  assert.equal(engine.commit(), undefined);
});

test('a replica applies the raw batches of its master and reaches the same sequence', async () => {
  await using master = await openTestEngine();
  await using replica = await openTestEngine();
  for (let round = 0; round < 3; round++) {
    put(master.engine, 1, `k${round}`, 'v');
    master.engine.beginCommand();
    master.engine.putPropagate(Buffer.from('p'), Buffer.from(String(round)));
    const { packed, lengths, count, lastSequence } = master.engine.commit() as Commit;
    assert.equal(replica.engine.applyReplicated(packed, lengths, count), lastSequence);
  }
  assert.deepEqual(all(replica.engine, 1), ['k0=v', 'k1=v', 'k2=v']);
  assert.equal(replica.engine.getPropagate(Buffer.from('p'))?.toString(), '2');
  put(replica.engine, 1, 'own', '1');
  assert.throws(() => replica.engine.applyReplicated(Buffer.alloc(12), Uint32Array.of(12), 1), InvariantError);
});

test('a batch the database refuses fails the tick with an operation error and leaves the engine usable', async () => {
  await using test = await openTestEngine();
  const { engine } = test;
  put(engine, 1, 'a', '1');
  engine.commit();
  const broken = Buffer.alloc(20, 0x7f);
  assert.throws(
    () => engine.applyReplicated(broken, Uint32Array.of(20), 1),
    (error) => error instanceof OperationError && error.code === 'ENGINE_WRITE_FAILED',
  );
  assert.equal(engine.latestSequence(), 1);
  put(engine, 1, 'b', '1');
  assert.equal(engine.commit()?.lastSequence, 2);
});

test('a write stall leaves the tick unwritten and known to be, any other failure leaves it unknown', async () => {
  await using test = await openTestEngine();
  const { engine } = test;
  const rows = [
    { error: new RocksError('ROCKS_INCOMPLETE', 'Write stall', 0), outcome: 'not-applied' },
    { error: new RocksError('ROCKS_INCOMPLETE', 'Write stall', 1), outcome: 'unknown' },
    { error: new RocksError('ROCKS_IO', 'No space left on device', 0), outcome: 'unknown' },
  ];
  for (const { error, outcome } of rows) {
    put(engine, 1, 'a', '1');
    Object.defineProperty(engine.database, 'write', {
      configurable: true,
      value: () => {
        throw error;
      },
    });
    assert.throws(
      () => engine.commit(),
      (thrown) => thrown instanceof OperationError && thrown.outcome === outcome && thrown.cause === error,
    );
    Reflect.deleteProperty(engine.database, 'write');
    assert.deepEqual([get(engine, 1, 'a'), engine.openTickBytes, engine.visibleSequence()], [undefined, 0, 0]);
  }
  put(engine, 1, 'a', '1');
  assert.equal(engine.commit()?.lastSequence, 1);
});

test('closing drops the open tick; reopening shows what stands in the directory', async () => {
  await using test = await openTestEngine();
  const { engine } = test;
  put(engine, 1, 'a', '1');
  engine.commit();
  put(engine, 1, 'b', '1');
  await engine.close();
  await engine.close();
  assert.throws(() => get(engine, 1, 'a'), InvariantError);
  await engine.reopen();
  assert.deepEqual(all(engine, 1), ['a=1']);
  assert.equal(engine.latestSequence(), 1);
});

/** What the engine should hold: committed, and before the running command. */
type Model = Map<string, string>;

test('random writes, range deletes, rollbacks and commits agree with a model, by key and by range', async () => {
  await using test = await openTestEngine();
  const { engine } = test;
  const random = seededRandom(7);
  const pick = (limit: number): number => randomBelow(random, limit);
  // Keys of four collections, so that groups, shared buckets and neighbouring ranges all occur.
  const name = (): string => `g${pick(4)}:${String.fromCharCode(97 + pick(26))}${pick(3)}`;
  let model: Model = new Map();
  for (let step = 0; step < 3000; step++) {
    engine.beginCommand();
    const saved = new Map(model);
    for (let i = pick(4); i >= 0; i--) {
      const kind = pick(10);
      const at = name();
      if (kind < 6) {
        put(engine, 0, at, `v${step}.${i}`, 3);
        model.set(at, `v${step}.${i}`);
      } else if (kind < 9) {
        engine.tick.delete(0, key(at), 3);
        model.delete(at);
      } else if (pick(4) === 0) {
        const [from, to] = [name(), name()].sort() as [string, string];
        engine.tick.deleteRange(0, Buffer.from(from), Buffer.from(to));
        for (const known of model.keys()) if (known >= from && known < to) model.delete(known);
      }
    }
    if (pick(5) === 0) {
      engine.rollbackCommand();
      model = saved;
    }
    const at = name();
    assert.equal(get(engine, 0, at), model.get(at), `step ${step}: ${at}`);
    if (step % 10 === 0) compareRanges(engine, model, `g${pick(4)}:`, step);
    if (pick(40) === 0) engine.commit();
  }
});

test('a collection that is read between many writes to it stays in order, through rollbacks and range deletes', async () => {
  await using test = await openTestEngine();
  const { engine } = test;
  const random = seededRandom(11);
  const pick = (limit: number): number => randomBelow(random, limit);
  const name = (): string => `g${pick(2)}:${String(pick(400)).padStart(3, '0')}`;
  let model: Model = new Map();
  for (let step = 0; step < 1500; step++) {
    engine.beginCommand();
    const saved = new Map(model);
    // Few new entries between two reads mostly, sometimes many.
    for (let i = pick(30) === 0 ? 60 : pick(4); i >= 0; i--) {
      const at = name();
      if (pick(3) > 0) {
        put(engine, 0, at, `v${step}`, 3);
        model.set(at, `v${step}`);
      } else {
        engine.tick.delete(0, key(at), 3);
        model.delete(at);
      }
    }
    if (pick(100) === 0) {
      const [from, to] = [name(), name()].sort() as [string, string];
      engine.tick.deleteRange(0, Buffer.from(from), Buffer.from(to));
      for (const known of model.keys()) if (known >= from && known < to) model.delete(known);
    }
    const range = { group: `g${pick(2)}:` };
    const [from, to] = [String(pick(400)).padStart(3, '0'), String(pick(400)).padStart(3, '0')].sort();
    const [gte, lt] = [`${range.group}${from}`, `${range.group}${to}`];
    const inRange = (): string[] =>
      [...model.keys()].filter((at) => at >= gte && at < lt).map((at) => `${at}=${model.get(at)}`);
    assert.deepEqual(all(engine, 0, { gte, lt, ...range }), inRange().sort(), `step ${step}`);
    if (pick(20) === 0) {
      engine.rollbackCommand();
      model = saved;
      assert.deepEqual(all(engine, 0, { gte, lt, ...range }), inRange().sort(), `step ${step}, taken back`);
    }
    assert.deepEqual(all(engine, 0, { gte, lt, reverse: true, ...range }), inRange().sort().reverse(), `step ${step}`);
    if (pick(300) === 0) engine.commit();
  }
});

test('entries that are taken off either end of a collection within one tick stay gone, and new ones before them are seen', async () => {
  await using test = await openTestEngine();
  const { engine } = test;
  const random = seededRandom(12);
  const pick = (limit: number): number => randomBelow(random, limit);
  const name = (): string => `g0:${String(pick(1000)).padStart(3, '0')}`;
  let model: Model = new Map();
  for (let step = 0; step < 4000; step++) {
    engine.beginCommand();
    const saved = new Map(model);
    if (pick(6) === 0) {
      const end = `g0:${pick(3)}`;
      engine.tick.deleteRange(0, Buffer.from('g0:'), Buffer.from(end));
      for (const known of model.keys()) if (known < end) model.delete(known);
    }
    const kind = pick(20);
    if (kind < 12) {
      const takes = pick(4) > 0;
      const from = pick(4) === 0 ? name() : 'g0:';
      const to = pick(4) === 0 ? name() : 'g0;';
      const reverse = kind < 5;
      const entries = engine.iterate(0, {
        gte: Buffer.from(from),
        lt: Buffer.from(to),
        reverse,
        group: Buffer.from('g0:'),
      });
      const expected = [...model.keys()].filter((at) => at >= from && at < to).sort();
      if (reverse) expected.reverse();
      for (let count = 1 + pick(3); count > 0; count--) {
        const first = expected.shift();
        assert.equal(entries.next(), first !== undefined, `step ${step}`);
        if (first === undefined) break;
        assert.equal(entries.key.view().toString(), first, `step ${step}`);
        if (!takes) continue;
        engine.tick.delete(0, key(first), 3);
        model.delete(first);
      }
      entries.close();
    } else {
      for (let count = kind < 19 ? 1 : 50; count > 0; count--) {
        const at = name();
        put(engine, 0, at, `v${step}`, 3);
        model.set(at, `v${step}`);
      }
    }
    if (pick(3) === 0) {
      engine.rollbackCommand();
      model = saved;
    }
    if (pick(400) === 0) engine.commit();
  }
});

test('a range delete that is taken back hides nothing from the next iteration', async () => {
  await using test = await openTestEngine();
  const { engine } = test;
  const rows = (letter: string): string[] => Array.from({ length: 50 }, (_, i) => `g0:${letter}${i + 10}`);
  for (const name of rows('a')) put(engine, 0, name, '1', 3);
  engine.commit();
  for (const name of rows('b')) put(engine, 0, name, '1', 3);
  const range = { gte: 'g0:', lt: 'g0;', group: 'g0:' };
  assert.equal(all(engine, 0, range).length, 100);
  engine.beginCommand();
  engine.tick.deleteRange(0, Buffer.from('g0:a'), Buffer.from('g0:a30'));
  assert.equal(all(engine, 0, range)[0], 'g0:a30=1');
  assert.equal(all(engine, 0, { ...range, reverse: true }).at(-1), 'g0:a30=1');
  engine.rollbackCommand();
  assert.equal(all(engine, 0, range)[0], 'g0:a10=1');
  assert.equal(all(engine, 0, { ...range, reverse: true }).length, 100);
});

function compareRanges(engine: Engine, model: Model, group: string, step: number): void {
  const rows = [...model].sort(([a], [b]) => (a < b ? -1 : 1)).map(([at, value]) => `${at}=${value}`);
  assert.deepEqual(all(engine, 0), rows, `step ${step}`);
  assert.deepEqual(all(engine, 0, { reverse: true }), rows.toReversed(), `step ${step}`);
  const members = rows.filter((row) => row.startsWith(group));
  const range = { gte: group, lt: `${group}~` };
  assert.deepEqual(all(engine, 0, range), members, `step ${step}`);
  assert.deepEqual(all(engine, 0, { ...range, group, reverse: true }), members.toReversed(), `step ${step}`);
}

test('an iteration over more entries than a block holds meets every one of them once', async () => {
  await using test = await openTestEngine();
  const { engine } = test;
  const expected: string[] = [];
  for (let i = 0; i < 2000; i++) {
    const name = `k${String(i).padStart(6, '0')}`;
    put(engine, 1, name, String(i));
    expected.push(`${name}=${i}`);
    if (i === 1500) engine.commit();
  }
  assert.deepEqual(all(engine, 1), expected);
});

test('a value larger than the kept buffer is read whole, and the one after it too', async () => {
  await using test = await openTestEngine();
  const { engine } = test;
  put(engine, 1, 'large', 'x'.repeat(3 << 20));
  put(engine, 1, 'middle', 'y'.repeat(100_000));
  put(engine, 1, 'small', 'z');
  engine.commit();
  for (const [name, length] of [
    ['large', 3 << 20],
    ['middle', 100_000],
    ['small', 1],
    ['large', 3 << 20],
  ] as const) {
    assert.equal(get(engine, 1, name)?.length, length);
  }
});

test('headers of a commit carry the sequences under which its records are stored', async () => {
  await using test = await openTestEngine();
  const { engine } = test;
  put(engine, 1, 'a', '1');
  engine.commit();
  put(engine, 1, 'b', '1');
  put(engine, 1, 'c', '1');
  const { packed } = engine.commit() as Commit;
  assert.deepEqual([sequenceOf(packed), countOf(packed)], [2, 2]);
});
