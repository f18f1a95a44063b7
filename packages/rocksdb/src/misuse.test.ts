/** Everything a caller can do wrong ends in a RocksError; a process that dies fails the whole file. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBelow, seededRandom } from '@holdfast/base';
import { copyWithout, open, RocksError } from './index.ts';
import {
  batchBuilder,
  openOptions,
  openScratch,
  scratchDirectory,
  writeNow,
  type BatchBuilder,
} from './testing/index.ts';
import type { Database, RangeOptions, RocksErrorCode, WriteOptions } from './types.ts';

const plain: WriteOptions = { sync: false, noSlowdown: false };
/** Another seed, another run: HOLDFAST_SEED. The failures name it. */
const seed = Number(process.env['HOLDFAST_SEED'] ?? 1);
const key = Buffer.from('key');
const into = Buffer.alloc(16);

/** A value of a type that the signature forbids. */
function wrong<T>(value: unknown): T {
  return value as T;
}

function detached(): Uint8Array {
  const bytes = new Uint8Array(16);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}

function write(database: Database, build: (batch: BatchBuilder) => BatchBuilder): () => unknown {
  return () => writeNow(database, build(batchBuilder()).bytes());
}

async function codeOf(act: () => unknown): Promise<string> {
  try {
    await act();
  } catch (error) {
    assert.ok(error instanceof RocksError, `not a RocksError: ${String(error)}`);
    assert.ok(error.message.length > 10);
    return error.code;
  }
  return 'nothing thrown';
}

test('wrong arguments are refused with their name', async (t) => {
  const database = await openScratch(t);
  const lone = batchBuilder().put(0, 'k', 'v').bytes();
  const lengths = Uint32Array.of(lone.length);
  const cases: [string, () => unknown][] = [
    ['family too large', () => database.get(2, key, into)],
    ['family negative', () => database.get(-1, key, into)],
    ['family fractional', () => database.get(0.5, key, into)],
    ['family 2^32', () => database.get(2 ** 32, key, into)],
    ['family NaN', () => database.get(NaN, key, into)],
    ['family text', () => database.get(wrong('0'), key, into)],
    ['key text', () => database.get(0, wrong('key'), into)],
    ['key Uint16Array', () => database.get(0, wrong(new Uint16Array(4)), into)],
    ['key ArrayBuffer', () => database.get(0, wrong(new ArrayBuffer(4)), into)],
    ['key DataView', () => database.get(0, wrong(new DataView(new ArrayBuffer(4))), into)],
    ['key proxy', () => database.get(0, new Proxy(key, {}), into)],
    ['key detached', () => database.get(0, detached(), into)],
    ['into absent', () => database.get(0, key, wrong(undefined))],
    ['into detached', () => database.getCached(0, key, detached())],
    ['no arguments', () => wrong<() => void>(database.get.bind(database))()],
    ['snapshot of another kind', () => database.get(0, key, into, wrong(database.iterate(0, {})))],
    ['snapshot plain object', () => database.get(0, key, into, wrong({ sequence: 1 }))],
    ['snapshot null', () => database.get(0, key, into, wrong(null))],
    ['packed short', () => database.multiGet(Buffer.alloc(7), 1)],
    ['count huge', () => database.multiGet(Buffer.alloc(8), 2 ** 31 - 1)],
    ['count negative', () => database.multiGet(Buffer.alloc(8), -1)],
    ['multiGet family', () => database.multiGet(Buffer.of(9, 0, 0, 0, 0, 0, 0, 0), 1)],
    ['multiGet length', () => database.multiGet(Buffer.of(0, 0, 0, 0, 255, 255, 255, 255), 1)],
    ['multiGetAsync length', () => database.multiGetAsync(Buffer.of(0, 0, 0, 0, 1, 0, 0, 0), 1)],
    ['fetchAsync short', () => database.fetchAsync(Buffer.alloc(7), 1)],
    ['fetchAsync family', () => database.fetchAsync(Buffer.of(9, 0, 0, 0, 0, 0, 0, 0), 1)],
    ['options absent', () => database.write(lone, lengths, 1, wrong(undefined))],
    ['options.sync absent', () => database.write(lone, lengths, 1, wrong({ noSlowdown: true }))],
    ['options.sync number', () => database.write(lone, lengths, 1, wrong({ sync: 1, noSlowdown: true }))],
    ['sync without WAL', () => database.write(lone, lengths, 1, { sync: true, noSlowdown: true, disableWal: true })],
    ['lengths Int32Array', () => database.write(lone, wrong(Int32Array.of(lone.length)), 1, plain)],
    ['lengths short', () => database.write(lone, lengths, 2, plain)],
    ['length beyond packed', () => database.write(lone, Uint32Array.of(lone.length + 1), 1, plain)],
    ['length 2^32-1', () => database.write(lone, Uint32Array.of(2 ** 32 - 1), 1, plain)],
    ['packed detached', () => database.write(detached(), lengths, 1, plain)],
    ['writeAsync detached', () => database.writeAsync(detached(), lengths, 1, plain)],
    ['range absent', () => database.iterate(0, wrong(undefined))],
    ['range.gte text', () => database.iterate(0, wrong({ gte: 'a' }))],
    ['range.lt detached', () => database.iterate(0, { lt: detached() })],
    ['range.reverse text', () => database.iterate(0, wrong({ reverse: 'yes' }))],
    ['next without limits', () => wrong<{ next(): void }>(database.iterate(0, {})).next()],
    ['next of no entries', () => database.iterate(0, {}).next(0, 10)],
    ['next of infinite entries', () => database.iterate(0, {}).next(Infinity, 10)],
    ['seek text', () => database.iterate(0, {}).seek(wrong('a'))],
    ['tail from a fraction', () => database.walTail(0.5)],
    ['tail from beyond 2^53', () => database.walTail(2 ** 53)],
    ['tail from a bigint', () => database.walTail(wrong(1n))],
    ['tail.next negative', () => database.walTail(1).next(-1)],
    ['async tail from a fraction', () => database.walTailAsync(0.5)],
    ['async tail from nothing', () => database.walTailAsync(wrong(undefined))],
    ['tail.nextAsync NaN', () => database.walTail(1).nextAsync(NaN)],
    ['checkpoint path empty', () => database.checkpoint('')],
    ['checkpoint path with NUL', () => database.checkpoint('/tmp/a\0b')],
    ['checkpoint path too long', () => database.checkpoint(`/tmp/${'a'.repeat(5000)}`)],
    ['checkpoint over the database', () => database.checkpoint(database.path)],
    ['compact family', () => database.compact(5)],
    ['compact range', () => database.compact(0, wrong('all'))],
    ['compact gte', () => database.compact(0, wrong({ gte: 5 }))],
    ['property family', () => database.property(wrong(undefined), 'rocksdb.stats')],
    ['property name', () => database.property(0, wrong(7))],
    ['mapProperty family', () => database.mapProperty(wrong(undefined), 'rocksdb.cfstats')],
    ['mapProperty name', () => database.mapProperty(0, wrong(7))],
    ['open without options', () => open(wrong(undefined))],
    ['open without families', () => open(wrong({ path: '/tmp/x', createIfMissing: true }))],
    ['open with families as object', () => open(openOptions('/tmp/x', wrong({ columnFamilies: { length: 1 } })))],
    [
      'open with 300 families',
      () =>
        open(
          openOptions('/tmp/x', {
            columnFamilies: Array.from({ length: 300 }, (_, i) => ({ name: `f${i}`, filter: 'none' })),
          }),
        ),
    ],
    ['open with cache NaN', () => open(openOptions('/tmp/x', { blockCacheBytes: NaN }))],
    ['open with io rate', () => open(openOptions('/tmp/x', { ioBytesPerSecondMax: -1 }))],
    ['setIoBytesPerSecond', () => database.setIoBytesPerSecond(1.5)],
    ['open with number option', () => open(openOptions('/tmp/x', wrong({ options: { WAL_ttl_seconds: 5 } })))],
    [
      'open with filter',
      () => open(openOptions('/tmp/x', wrong({ columnFamilies: [{ name: 'default', filter: 'lru' }] }))),
    ],
  ];
  for (const [name, act] of cases) assert.equal(await codeOf(act), 'ROCKS_ARGUMENT', name);
  assert.equal(database.latestSequence(), 0);
});

test('malformed batches are refused before RocksDB sees them', async (t) => {
  const database = await openScratch(t);
  const header = (count: number): Buffer => {
    const bytes = Buffer.alloc(12);
    bytes.writeUInt32LE(count, 8);
    return bytes;
  };
  const cases: [string, () => unknown][] = [
    ['empty', () => writeNow(database, Buffer.alloc(0))],
    ['11 bytes', () => writeNow(database, Buffer.alloc(11))],
    ['count too high', () => writeNow(database, header(1))],
    ['count too low', write(database, (b) => b.put(0, 'a', 'b').raw(Buffer.alloc(0), -1))],
    ['count 2^32-1', () => writeNow(database, Buffer.concat([Buffer.alloc(8), Buffer.of(255, 255, 255, 255)]))],
    ['unknown family', write(database, (b) => b.put(2, 'a', 'b'))],
    ['family 2^32-1', write(database, (b) => b.put(0xffffffff, 'a', 'b'))],
    [
      'family without end',
      write(database, (b) => b.raw(Buffer.of(5, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1, 97, 1, 97), 1)),
    ],
    ['family over 32 bits', write(database, (b) => b.raw(Buffer.of(5, 0x80, 0x80, 0x80, 0x80, 0x10, 1, 97, 1, 97), 1))],
    ['tag alone', write(database, (b) => b.raw(Buffer.of(5), 1))],
    ['family alone', write(database, (b) => b.raw(Buffer.of(5, 0), 1))],
    ['key beyond the end', write(database, (b) => b.raw(Buffer.of(5, 0, 9, 97), 1))],
    ['key of 4 GiB', write(database, (b) => b.raw(Buffer.of(5, 0, 0xff, 0xff, 0xff, 0xff, 0x0f), 1))],
    ['value missing', write(database, (b) => b.raw(Buffer.of(5, 0, 1, 97), 1))],
    ['log data beyond the end', write(database, (b) => b.raw(Buffer.of(3, 5, 97), 0))],
    ['range backwards', write(database, (b) => b.deleteRange(0, 'b', 'a'))],
    ['range empty', write(database, (b) => b.deleteRange(0, 'a', 'a'))],
    ['garbage behind', write(database, (b) => b.put(0, 'a', 'b').raw(Buffer.of(0xee), 0))],
    ...[0x02, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x10, 0x11, 0x12, 0x13, 0x15, 0x16, 0x17, 0x7f, 0xff].map(
      (tag): [string, () => unknown] => [
        `tag ${tag}`,
        write(database, (b) => b.raw(Buffer.of(tag, 0, 1, 97, 1, 97), 1)),
      ],
    ),
  ];
  for (const [name, act] of cases) assert.equal(await codeOf(act), 'ROCKS_CORRUPTION', name);
  assert.equal(database.latestSequence(), 0);
  writeNow(
    database,
    batchBuilder()
      .raw(Buffer.of(1, 1, 97, 1, 98, 0, 1, 97, 0x0f, 1, 97, 1, 98), 3)
      .bytes(),
  );
  assert.equal(database.latestSequence(), 3, 'the short forms of the default family are fine');
});

test('mutated batches are refused or applied, and the database opens again', async (t) => {
  const path = `${scratchDirectory(t)}/db`;
  const random = seededRandom(seed);
  const below = (limit: number): number => randomBelow(random, limit);
  const database = await open(openOptions(path));
  const original = batchBuilder()
    .logData('1')
    .put(1, 'key', 'value')
    .delete(0, 'key')
    .deleteRange(1, 'a', 'b')
    .put(0, 'x', '')
    .bytes();
  let applied = 0;
  for (let i = 0; i < 5000; i++) {
    const batch = Buffer.from(original.subarray(0, below(10) < 3 ? below(original.length) : undefined));
    for (let n = below(3); n >= 0 && batch.length > 0; n--) batch[below(batch.length)] = below(256);
    try {
      writeNow(database, batch);
      applied++;
    } catch (error) {
      assert.ok(error instanceof RocksError && error.code === 'ROCKS_CORRUPTION', `seed ${seed}: ${String(error)}`);
    }
  }
  assert.ok(applied > 0, `seed ${seed}`);
  const sequence = database.latestSequence();
  await database.close();
  const again = await open(openOptions(path));
  assert.equal(again.latestSequence(), sequence, `seed ${seed}`);
  await again.close();
});

test('junk in every place of every method ends in an answer or a RocksError', async (t) => {
  const database = await openScratch(t);
  const random = seededRandom(seed);
  const below = (limit: number): number => randomBelow(random, limit);
  const junk = (): unknown => {
    const values: unknown[] = [
      undefined,
      null,
      true,
      0,
      1,
      -1,
      2 ** 40,
      NaN,
      Infinity,
      '',
      'default',
      5n,
      Symbol('s'),
      {},
      [],
      () => 1,
      key,
      into,
      detached(),
      new Uint32Array(3),
      new Float64Array(2),
      new ArrayBuffer(8),
      new SharedArrayBuffer(8),
      new Uint8Array(new SharedArrayBuffer(8)),
      plain,
      { gte: key },
      database,
      database.snapshot(),
      database.iterate(0, {}),
      database.walTail(database.latestSequence() + 1),
      new Proxy({}, {}),
      Object.create(database),
      new Date(0),
      /x/,
    ];
    return values[below(values.length)];
  };
  const targets = (): object[] => [database, database.iterate(0, {}), database.walTail(1), database.snapshot()];
  for (let i = 0; i < 4000; i++) {
    const target = targets()[below(4)] as Record<string, (...args: unknown[]) => unknown>;
    const names = Object.getOwnPropertyNames(Object.getPrototypeOf(target)).filter(
      (name) => name !== 'constructor' && name !== 'close' && name !== 'checkpoint',
    );
    const name = names[below(names.length)] as string;
    const args = Array.from({ length: below(6) }, junk);
    const self = below(10) < 2 ? junk() : target;
    try {
      await target[name]?.apply(self, args);
    } catch (error) {
      assert.ok(error instanceof RocksError, `seed ${seed}: ${name} threw ${String(error)}`);
    }
    assert.ok(database.latestSequence() >= 0);
  }
});

test('a handle of another class, or none at all, is refused as this', async (t) => {
  const database = await openScratch(t);
  const iterator = database.iterate(0, {});
  const tail = database.walTail(1);
  const selves: unknown[] = [
    undefined,
    null,
    5,
    'x',
    {},
    Object.create(database),
    new Proxy(database, {}),
    iterator,
    tail,
    database.snapshot(),
  ];
  for (const self of selves) {
    assert.equal(await codeOf(() => database.latestSequence.call(self as Database)), 'ROCKS_ARGUMENT');
    assert.equal(await codeOf(() => database.flush.call(self as Database)), 'ROCKS_ARGUMENT');
    assert.equal(await codeOf(() => database.close.call(self as Database)), 'ROCKS_ARGUMENT');
  }
  assert.equal(await codeOf(() => iterator.next.call(wrong(tail), 1, 1)), 'ROCKS_ARGUMENT');
  assert.equal(await codeOf(() => tail.next.call(wrong(iterator), 1)), 'ROCKS_ARGUMENT');
  assert.equal(await codeOf(() => tail.nextAsync.call(wrong(iterator), 1)), 'ROCKS_ARGUMENT');
  for (const handle of [database, iterator, tail, database.snapshot()]) {
    const Class = handle.constructor as new () => Database;
    assert.equal(await codeOf(() => new Class()), 'ROCKS_ARGUMENT');
    assert.equal(await codeOf(() => (handle.constructor as () => unknown)()), 'ROCKS_ARGUMENT');
    class Sub extends Class {}
    assert.equal(await codeOf(() => new Sub()), 'ROCKS_ARGUMENT');
  }
});

test('after close everything throws, closing twice is fine, and children are closed too', async (t) => {
  const database = await openScratch(t);
  writeNow(database, batchBuilder().put(0, 'a', 'b').bytes());
  const iterator = database.iterate(0, {});
  const tail = database.walTail(1);
  const snapshot = database.snapshot();
  const [first, second] = [database.close(), database.close()];
  const calls: [string, () => unknown][] = [
    ['latestSequence', () => database.latestSequence()],
    ['get', () => database.get(0, key, into)],
    ['getCached', () => database.getCached(0, key, into)],
    ['getWithoutWaiting', () => database.getWithoutWaiting(0, key, into)],
    ['consecutiveFrames', () => database.consecutiveFrames(0, Buffer.alloc(8), 1, into, true)],
    ['multiGet', () => database.multiGet(Buffer.alloc(0), 0)],
    ['multiGetAsync', () => database.multiGetAsync(Buffer.alloc(0), 0)],
    ['fetchAsync', () => database.fetchAsync(Buffer.alloc(0), 0)],
    ['setIoBytesPerSecond', () => database.setIoBytesPerSecond(0)],
    ['write', () => writeNow(database, batchBuilder().bytes())],
    ['writeAsync', () => database.writeAsync(batchBuilder().bytes(), Uint32Array.of(12), 1, plain)],
    ['iterate', () => database.iterate(0, {})],
    ['scan', () => database.scan(0, key, Buffer.from('z'), 1, false, false, into)],
    ['snapshot', () => database.snapshot()],
    ['walTail', () => database.walTail(1)],
    ['walTailAsync', () => database.walTailAsync(1)],
    ['walFiles', () => database.walFiles()],
    ['syncWal', () => database.syncWal()],
    ['syncWalAsync', () => database.syncWalAsync()],
    ['checkpoint', () => database.checkpoint('/nowhere')],
    ['flush', () => database.flush()],
    ['compact', () => database.compact(0)],
    ['fileStatistics', () => database.fileStatistics(0)],
    ['property', () => database.property(0, 'rocksdb.stats')],
    ['mapProperty', () => database.mapProperty(0, 'rocksdb.cfstats')],
    ['endedWork', () => database.endedWork()],
    ['largestFlushedSequence', () => database.largestFlushedSequence()],
    ['liveFiles', () => database.liveFiles()],
    ['iterator.next', () => iterator.next(1, 1)],
    ['iterator.seek', () => iterator.seek(key)],
    ['tail.next', () => tail.next(1)],
    ['tail.nextAsync', () => tail.nextAsync(1)],
  ];
  const closed: RocksErrorCode = 'ROCKS_CLOSED';
  for (const [name, act] of calls) assert.equal(await codeOf(act), closed, `${name} while closing`);
  await Promise.all([first, second]);
  for (const [name, act] of calls) assert.equal(await codeOf(act), closed, `${name} when closed`);
  iterator.close();
  iterator.close();
  tail.close();
  snapshot.release();
  await database.close();
});

test('closed iterators and tails throw, and belong to one database', async (t) => {
  const database = await openScratch(t);
  const other = await openScratch(t);
  const iterator = database.iterate(0, {});
  iterator.close();
  iterator.close();
  assert.equal(await codeOf(() => iterator.next(1, 1)), 'ROCKS_CLOSED');
  const tail = database.walTail(1);
  tail.close();
  tail.close();
  assert.equal(await codeOf(() => tail.next(1)), 'ROCKS_CLOSED');
  assert.equal(await codeOf(() => tail.nextAsync(1)), 'ROCKS_CLOSED');
  const foreign = other.snapshot();
  assert.equal(await codeOf(() => database.get(0, key, into, foreign)), 'ROCKS_ARGUMENT');
  assert.equal(await codeOf(() => database.iterate(0, { snapshot: foreign })), 'ROCKS_ARGUMENT');
});

test('getters that close the database or detach a buffer in the middle of a call do no harm', async (t) => {
  const database = await openScratch(t);
  const lone = batchBuilder().put(0, 'k', 'v').bytes();
  const mine = new Uint8Array(lone);
  const sabotage = (act: () => void): WriteOptions => ({
    noSlowdown: false,
    get sync(): boolean {
      act();
      return false;
    },
  });
  const detach = sabotage(() => void structuredClone(mine.buffer, { transfer: [mine.buffer] }));
  assert.equal(await codeOf(() => database.write(mine, Uint32Array.of(lone.length), 1, detach)), 'ROCKS_ARGUMENT');
  const failing = sabotage(() => assert.fail('from the getter'));
  assert.throws(() => database.write(lone, Uint32Array.of(lone.length), 1, failing), /from the getter/);
  await assert.rejects(database.writeAsync(lone, Uint32Array.of(lone.length), 1, failing), /from the getter/);
  const closing = sabotage(() => void database.close());
  assert.equal(await codeOf(() => database.write(lone, Uint32Array.of(lone.length), 1, closing)), 'ROCKS_CLOSED');
  const range: RangeOptions = {
    get gte(): Uint8Array {
      return key;
    },
  };
  assert.equal(await codeOf(() => database.iterate(0, range)), 'ROCKS_CLOSED');
});

test('the bytes of writeAsync may change or go away after the call', async (t) => {
  const database = await openScratch(t);
  for (let i = 0; i < 50; i++) {
    const batch = new Uint8Array(batchBuilder().put(0, `k${i}`, Buffer.alloc(5000, i)).bytes());
    const done = database.writeAsync(batch, Uint32Array.of(batch.length), 1, plain);
    structuredClone(batch.buffer, { transfer: [batch.buffer] });
    await done;
  }
  assert.equal(database.latestSequence(), 50);
});

test('large values and keys pass, and what is too large is refused', async (t) => {
  const database = await openScratch(t);
  const large = Buffer.alloc(70 << 20, 'x');
  writeNow(database, batchBuilder().put(0, 'large', large).bytes());
  const room = Buffer.alloc(large.length);
  assert.equal(database.get(0, Buffer.from('large'), into), large.length);
  assert.equal(database.get(0, Buffer.from('large'), room), large.length);
  assert.ok(room.equals(large));
  const longKey = Buffer.alloc(1 << 20, 'k');
  writeNow(database, batchBuilder().put(0, longKey, 'v').bytes());
  assert.equal(database.get(0, longKey, into), 1);
  const huge = new Uint8Array(2 ** 31); // never touched: no memory behind it
  assert.equal(await codeOf(() => database.get(0, huge, into)), 'ROCKS_ARGUMENT');
  assert.equal(await codeOf(() => database.write(huge, Uint32Array.of(2 ** 31), 1, plain)), 'ROCKS_ARGUMENT');
  assert.equal(await codeOf(() => database.multiGet(huge, 1)), 'ROCKS_ARGUMENT');
});

test('bytes are copied without the gaps, and gaps that are none are refused', async () => {
  const from = Buffer.from('0123456789');
  const copied = (...gaps: number[]): string => {
    const target = Buffer.alloc(12, '-');
    return target.latin1Slice(0, copyWithout(from, Uint32Array.from(gaps), target));
  };
  assert.equal(copied(), '0123456789');
  assert.equal(copied(2, 4), '01456789');
  assert.equal(copied(0, 1, 1, 1, 5, 9), '12349');
  assert.equal(copied(0, 10), '');
  const refused: [string, () => unknown][] = [
    ['half a pair', () => copied(2)],
    ['backwards', () => copied(4, 2)],
    ['overlapping', () => copied(2, 5, 4, 6)],
    ['past the end', () => copied(8, 11)],
    ['far past the end', () => copied(0xfffffff0, 0xffffffff)],
    ['into too short', () => copyWithout(from, new Uint32Array(), Buffer.alloc(9))],
    ['gaps of another type', () => copyWithout(from, wrong(new Int32Array(2)), Buffer.alloc(10))],
    ['from detached', () => copyWithout(detached(), new Uint32Array(), Buffer.alloc(16))],
  ];
  for (const [name, act] of refused) assert.equal(await codeOf(act), 'ROCKS_ARGUMENT', name);
});
