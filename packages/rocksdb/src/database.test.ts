import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildInfo, destroy, open, RocksError } from './index.ts';
import {
  batchBuilder,
  decodeValues,
  keysOf,
  letters,
  openOptions,
  openScratch,
  packKeys,
  scratchDirectory,
  writeNow,
} from './testing/index.ts';
import type { Database } from './types.ts';

const plain = { sync: false, noSlowdown: false };

function read(database: Database, family: number, key: string, room = 64): string | undefined {
  const into = Buffer.alloc(room);
  const length = database.get(family, Buffer.from(key), into);
  return length < 0 ? undefined : into.toString('utf8', 0, length);
}

test('says which RocksDB is loaded and whether it asserts', () => {
  const info = buildInfo();
  assert.match(info.version, /^\d+\.\d+\.\d+$/);
  assert.equal(typeof info.assertions, 'boolean');
});

test('creates families in the listed order, keeps their ids, and completes a list that grew', async (t) => {
  const path = join(scratchDirectory(t), 'db');
  const family = (name: string): { name: string; filter: 'none' } => ({ name, filter: 'none' });
  const names = async (...list: string[]): Promise<readonly string[]> => {
    const database = await open(openOptions(path, { columnFamilies: list.map(family) }));
    const result = database.columnFamilies;
    await database.close();
    return result;
  };
  assert.deepEqual(await names('default', 'metadata', 'zset_score'), ['default', 'metadata', 'zset_score']);
  assert.deepEqual(await names('default', 'metadata'), ['default', 'metadata', 'zset_score'], 'unlisted is opened too');
  assert.deepEqual(await names('default', 'metadata', 'zset_score', 'x'), ['default', 'metadata', 'zset_score', 'x']);
  await assert.rejects(names('default', 'zset_score', 'metadata'), {
    code: 'ROCKS_CORRUPTION',
    message: /zset_score .* has id 2 .* place 1/,
  });
  await assert.rejects(names('default', 'metadata', 'new', 'zset_score'), { code: 'ROCKS_CORRUPTION' });
  assert.deepEqual(await names('default', 'metadata', 'zset_score', 'x'), ['default', 'metadata', 'zset_score', 'x']);
});

test('refuses a database that is missing, locked, or below a missing directory', async (t) => {
  const dir = scratchDirectory(t);
  await assert.rejects(open(openOptions(join(dir, 'none'), { createIfMissing: false })), {
    code: 'ROCKS_ARGUMENT',
    message: /createIfMissing/,
  });
  assert.equal(existsSync(join(dir, 'none')), false);
  await assert.rejects(open(openOptions(join(dir, 'a', 'b'))), { name: 'RocksError', code: 'ROCKS_IO' });
  const database = await open(openOptions(join(dir, 'db')));
  await assert.rejects(open(openOptions(join(dir, 'db'))), { code: 'ROCKS_LOCKED' });
  await assert.rejects(destroy(join(dir, 'db')), { code: 'ROCKS_LOCKED' });
  await database.close();
  await destroy(join(dir, 'db'));
  assert.equal(existsSync(join(dir, 'db', 'CURRENT')), false);
});

test('refuses options it does not know and values RocksDB cannot read, naming them', async (t) => {
  const path = join(scratchDirectory(t), 'db');
  const cases: [RegExp, Parameters<typeof openOptions>[1]][] = [
    [/no_such_option=1/, { options: { no_such_option: '1' } }],
    [/WAL_ttl_seconds=abc/, { options: { WAL_ttl_seconds: 'abc' } }],
    [/max_open_files=\{/, { options: { max_open_files: '{' } }],
    [/unordered_write=true/, { options: { unordered_write: 'true' } }],
    [/wal_recovery_mode=/, { options: { wal_recovery_mode: 'kSkipAnyCorruptedRecords' } }],
    [/wal_dir=/, { options: { wal_dir: '/tmp' } }],
    [/track_and_verify_wals_in_manifest=/, { options: { track_and_verify_wals_in_manifest: 'true' } }],
    // These end the process when RocksDB gets them.
    [/max_file_opening_threads=/, { options: { max_file_opening_threads: '2147483647' } }],
    [/table_cache_numshardbits=/, { options: { table_cache_numshardbits: '255' } }],
    [/manifest_preallocation_size=/, { options: { manifest_preallocation_size: '-1' } }],
    [
      /kDisableCompressionOption/,
      { columnFamilies: [{ name: 'default', filter: 'none', options: { compression: 'kDisableCompressionOption' } }] },
    ],
    [
      /kDisableCompressionOption/,
      {
        columnFamilies: [
          { name: 'default', filter: 'none', options: { compression_per_level: 'kZSTD:kDisableCompressionOption' } },
        ],
      },
    ],
    [
      /metadata: option nope=x/,
      {
        columnFamilies: [
          { name: 'default', filter: 'none' },
          { name: 'metadata', filter: 'none', options: { nope: 'x' } },
        ],
      },
    ],
    [
      /comparator=/,
      {
        columnFamilies: [
          { name: 'default', filter: 'none', options: { comparator: 'rocksdb.ReverseBytewiseComparator' } },
        ],
      },
    ],
    [
      /compression_per_level=kNo:kWhat/,
      { columnFamilies: [{ name: 'default', filter: 'none', options: { compression_per_level: 'kNo:kWhat' } }] },
    ],
    [
      /table option block_sizes=1/,
      { columnFamilies: [{ name: 'default', filter: 'none', table: { block_sizes: '1' } }] },
    ],
    [
      /table option block_cache=1M/,
      { columnFamilies: [{ name: 'default', filter: 'none', table: { block_cache: '1M' } }] },
    ],
    [
      /table option filter_policy=\{\{/,
      { columnFamilies: [{ name: 'default', filter: 'none', table: { filter_policy: '{{' } }] },
    ],
    [
      /arena_block_size/,
      { columnFamilies: [{ name: 'default', filter: 'none', options: { arena_block_size: '1G' } }] },
    ],
    [/num_levels/, { columnFamilies: [{ name: 'default', filter: 'none', options: { num_levels: '-1' } }] }],
    [
      /different and not empty/,
      {
        columnFamilies: [
          { name: 'default', filter: 'none' },
          { name: 'default', filter: 'none' },
        ],
      },
    ],
    [/first column family must be default/, { columnFamilies: [{ name: 'metadata', filter: 'none' }] }],
    [
      /needs a family with filter expired-metadata/,
      { columnFamilies: [{ name: 'default', filter: 'orphaned-subkeys' }] },
    ],
  ];
  for (const [message, overrides] of cases)
    await assert.rejects(open(openOptions(path, overrides)), { name: 'RocksError', code: 'ROCKS_ARGUMENT', message });
  assert.equal(existsSync(join(path, 'CURRENT')), false, 'nothing was created');
});

test('takes options through RocksDB names', async (t) => {
  const database = await openScratch(t, {
    options: { WAL_ttl_seconds: '10800', max_background_jobs: '2', avoid_flush_during_recovery: 'true' },
    columnFamilies: [
      {
        name: 'default',
        filter: 'none',
        options: { write_buffer_size: '8388608', compression_per_level: 'kNoCompression:kNoCompression' },
        table: {
          block_size: '16384',
          index_type: 'kTwoLevelIndexSearch',
          filter_policy: 'bloomfilter:10:false',
          partition_filters: 'true',
          data_block_index_type: 'kDataBlockBinaryAndHash',
          format_version: '5',
        },
      },
    ],
    blockCacheBytes: 1 << 20,
  });
  writeNow(database, batchBuilder().put(0, 'k', 'v').bytes());
  await database.flush();
  assert.equal(read(database, 0, 'k'), 'v');
  assert.equal(database.property(0, 'rocksdb.block-cache-capacity'), String(1 << 20));
});

test('a flush writes no faster than allowed, and as fast as it can once the limit is taken away', async (t) => {
  for (const ioRateTuned of [false, true]) {
    const database = await openScratch(t, { ioBytesPerSecondMax: 2000, ioRateTuned });
    for (let i = 0; i < 1000; i++) writeNow(database, batchBuilder().put(0, `k${i}`, 'v'.repeat(1000)).bytes());
    let isOver = false;
    const flush = database.flush().then(() => (isOver = true));
    while (database.property(0, 'rocksdb.num-running-flushes') !== '1') await new Promise((turn) => setImmediate(turn));
    // It needs minutes.
    await new Promise((later) => setTimeout(later, 50));
    assert.equal(isOver, false);
    database.setIoBytesPerSecond(0);
    await flush;
    assert.equal(read(database, 0, 'k7', 1000)?.length, 1000);
    database.setIoBytesPerSecond(1 << 30);
    await database.compact(0);
  }
});

test('closing does not wait for what is held back by the limit', async (t) => {
  const database = await openScratch(t, { ioBytesPerSecondMax: 2000 });
  for (let i = 0; i < 1000; i++) writeNow(database, batchBuilder().put(0, `k${i}`, 'v'.repeat(1000)).bytes());
  const flush = database.flush().catch(() => undefined);
  while (database.property(0, 'rocksdb.num-running-flushes') !== '1') await new Promise((turn) => setImmediate(turn));
  await database.close();
  await flush;
});

test('the block cache is emptied, but for what is being read', async (t) => {
  const database = await openScratch(t);
  for (let i = 0; i < 50; i++) writeNow(database, batchBuilder().put(0, `k${i}`, 'v'.repeat(1000)).bytes());
  await database.flush();
  const usedBytes = (): number => Number(database.property(0, 'rocksdb.block-cache-usage'));
  assert.equal(read(database, 0, 'k7', 1000)?.length, 1000);
  const before = usedBytes();
  assert.ok(before > 1000, `${before}`);
  database.flushBlockCache();
  assert.ok(usedBytes() < before - 1000, `${usedBytes()} after ${before}`);
  assert.equal(read(database, 0, 'k7', 1000)?.length, 1000);
});

test('get copies into the given view, tells the length when there is too little room, and -1 when absent', async (t) => {
  const database = await openScratch(t);
  writeNow(database, batchBuilder().put(1, 'key', 'value').put(1, 'empty', '').put(0, '', 'at the empty key').bytes());
  const memory = Buffer.from('................');
  const key = Buffer.from('--key--').subarray(2, 5);
  assert.equal(database.get(1, key, memory.subarray(4, 12)), 5);
  assert.equal(memory.toString(), '....value.......');
  const small = Buffer.from('....');
  assert.equal(database.get(1, key, small), 5);
  assert.equal(small.toString(), '....');
  assert.equal(database.get(1, key, new Uint8Array(0)), 5);
  assert.equal(database.get(0, key, memory), -1);
  assert.equal(database.get(1, Buffer.from('empty'), memory), 0);
  assert.equal(read(database, 0, ''), 'at the empty key');
});

test('getCached answers from memory and never from the disk', async (t) => {
  const database = await openScratch(t);
  const into = Buffer.alloc(8);
  const key = Buffer.from('k');
  writeNow(database, batchBuilder().put(0, 'k', 'v').bytes());
  assert.equal(database.getCached(0, key, into), 1);
  await database.flush();
  assert.equal(database.getCached(0, key, into), -2);
  assert.equal(database.get(0, key, into), 1);
  assert.equal(database.getCached(0, key, into), 1);
});

test('getWithoutWaiting reads what the kernel has of a file in memory, and nothing from the disk', async (t) => {
  const path = join(scratchDirectory(t), 'db');
  const database = await open(openOptions(path));
  t.after(() => database.close());
  if (!tellsWhatIsInMemory(path)) {
    t.skip('this file system may not tell what it has in memory');
    return;
  }
  const into = Buffer.alloc(40_000);
  const key = Buffer.from('k');
  const value = 'v'.repeat(into.length); // of several pages
  writeNow(database, batchBuilder().put(0, 'k', value).bytes());
  await database.flush();
  const forget = (): void => {
    database.flushBlockCache();
    for (const { name } of database.liveFiles())
      spawnSync('dd', [`if=${join(path, name)}`, 'iflag=nocache', 'count=0', 'status=none']);
  };
  database.flushBlockCache();
  assert.equal(database.getCached(0, key, into), -2);
  assert.equal(database.getWithoutWaiting(0, key, into), value.length);
  assert.equal(into.toString(), value);
  forget();
  assert.equal(database.getWithoutWaiting(0, key, into), -2);
  assert.equal(read(database, 0, 'k', into.length), value);
  assert.equal(database.getWithoutWaiting(0, key, into), value.length);
});

/** ext4, XFS and Btrfs do. */
function tellsWhatIsInMemory(path: string): boolean {
  return [0xef53, 0x58465342, 0x9123683e].includes(statfsSync(path).type);
}

test('reads that wait find records that lie across the pieces in which files are read, and at their ends', async (t) => {
  const path = join(scratchDirectory(t), 'db');
  const database = await open(openOptions(path));
  t.after(() => database.close());
  const batch = batchBuilder();
  const value = (i: number): string => `${i} `.repeat(1 + ((i * 37) % 900));
  for (let i = 0; i < 500; i++) batch.put(0, `k${i}`, value(i));
  writeNow(database, batch.bytes());
  await database.flush();
  for (const { name } of database.liveFiles())
    spawnSync('dd', [`if=${join(path, name)}`, 'iflag=nocache', 'count=0', 'status=none']);
  for (let i = 499; i >= 0; i--) assert.equal(read(database, 0, `k${i}`, 8192), value(i));
});

test('lookups that do not wait say of a key whose file is not open that it is not in memory', async (t) => {
  const path = join(scratchDirectory(t), 'db');
  const columnFamilies = [{ name: 'default', filter: 'none' as const, options: { disable_auto_compactions: 'true' } }];
  // RocksDB opens 16 files with the database, and keeps ten open.
  const options = openOptions(path, { columnFamilies, options: { max_open_files: '20' } });
  const first = await open(options);
  const keys = Array.from({ length: 40 }, (_, i) => Buffer.from(`k${i}`));
  for (const [i, key] of keys.entries()) {
    writeNow(first, batchBuilder().put(0, key, `v${i}`).bytes());
    await first.flush();
  }
  await first.close();
  const database = await open(options);
  t.after(() => database.close());
  const into = Buffer.alloc(8);
  for (const how of ['getCached', 'getWithoutWaiting'] as const) {
    const lengths = keys.map((key) => database[how](0, key, into));
    assert.ok(!lengths.includes(0) && !lengths.includes(-1), `${how}: values of ${lengths.join(' ')} bytes`);
    assert.ok(lengths.includes(-2), `${how}: all files are open`);
  }
  for (const [i, key] of keys.entries()) assert.equal(read(database, 0, key.toString()), `v${i}`);
});

test('what fetchAsync has read getCached finds; values of more than 64 KiB are not handed over', async (t) => {
  const database = await openScratch(t);
  const [most, larger] = ['x'.repeat(65_536), 'x'.repeat(65_537)];
  writeNow(database, batchBuilder().put(0, 'a', 'v').put(1, 'b', larger).put(0, 'm', most).put(0, 'z', '').bytes());
  await database.flush();
  database.flushBlockCache();
  const into = Buffer.alloc(larger.length);
  const keys: [number, string][] = [...'amno'].map((key) => [0, key] as [number, string]);
  keys.push([1, 'b'], [0, 'z']);
  const cached = (): number[] => keys.map(([of, key]) => database.getCached(of, Buffer.from(key), into));
  assert.equal(cached()[0], -2);
  const bytes = await database.fetchAsync(packKeys(keys), keys.length);
  const lengths: number[] = [];
  for (let at = 0; at < bytes.length; at += 4 + Math.max(0, lengths.at(-1) ?? 0)) lengths.push(bytes.readInt32LE(at));
  assert.deepEqual(lengths, [1, most.length, -1, -1, -2, 0]);
  assert.equal(bytes.subarray(4, 5).toString(), 'v');
  assert.deepEqual(cached(), [1, most.length, -1, -1, larger.length, 0]);
  assert.equal((await database.fetchAsync(Buffer.alloc(0), 0)).length, 0);
});

test('multiGet answers many keys of several families, on both threads alike', async (t) => {
  const database = await openScratch(t);
  const batch = batchBuilder();
  for (let i = 0; i < 200; i++) batch.put(i % 2, `k${i}`, `v${i}`);
  writeNow(database, batch.bytes());
  await database.flush();
  const keys = Array.from({ length: 300 }, (_, i): [number, string] => [i % 2, `k${i}`]);
  const expected = keys.map(([, key], i) => (i < 200 ? `v${key.slice(1)}` : undefined));
  assert.deepEqual(decodeValues(database.multiGet(packKeys(keys), keys.length)), expected);
  assert.deepEqual(decodeValues(await database.multiGetAsync(packKeys(keys), keys.length)), expected);
  const twice = packKeys([
    [0, 'k0'],
    [1, 'k0'],
    [0, 'k0'],
  ]);
  assert.deepEqual(decodeValues(database.multiGet(twice, 3)), ['v0', undefined, 'v0']);
  assert.equal(database.multiGet(Buffer.alloc(0), 0).length, 0);
});

test('write applies batches in order, counts sequences and ignores those in the headers', async (t) => {
  const database = await openScratch(t);
  assert.equal(database.latestSequence(), 0);
  const first = batchBuilder().logData('note').put(0, 'a', '1').put(0, 'b', '2').bytes();
  first.writeBigUInt64LE(77n, 0);
  const second = batchBuilder().put(0, 'a', 'one').delete(0, 'b').deleteRange(0, 'x', 'z').bytes();
  const packed = Buffer.concat([first, second, Buffer.from('left over')]);
  assert.equal(database.write(packed, Uint32Array.of(first.length, second.length, 99), 2, plain), 5);
  assert.equal(database.latestSequence(), 5);
  assert.equal(read(database, 0, 'a'), 'one');
  assert.equal(read(database, 0, 'b'), undefined);
  assert.equal(database.write(packed, Uint32Array.of(), 0, plain), 5, 'no batch writes nothing');
  assert.equal(writeNow(database, batchBuilder().logData('only').bytes()), 5, 'log data is not counted');
});

test('a refused batch means that none of the call was written', async (t) => {
  const database = await openScratch(t);
  const good = batchBuilder().put(0, 'a', '1').bytes();
  const bad = batchBuilder().put(7, 'a', '1').bytes();
  assert.throws(
    () => database.write(Buffer.concat([good, bad]), Uint32Array.of(good.length, bad.length), 2, plain),
    (error: RocksError) => error instanceof RocksError && error.code === 'ROCKS_CORRUPTION' && error.written === 0,
  );
  assert.equal(database.latestSequence(), 0);
});

test('writeAsync and write keep the order of the calls', async (t) => {
  const database = await openScratch(t);
  const pending: Promise<number>[] = [];
  for (let i = 1; i <= 60; i++) {
    const batch = batchBuilder().put(0, 'last', String(i)).bytes();
    if (i % 7 === 0) assert.equal(writeNow(database, batch), i);
    else pending.push(database.writeAsync(batch, Uint32Array.of(batch.length), 1, plain));
    batch.fill(0); // the call owns its bytes
  }
  const sequences = await Promise.all(pending);
  assert.deepEqual(
    sequences,
    [...sequences].sort((a, b) => a - b),
  );
  assert.equal(read(database, 0, 'last'), '60');
  const tail = database.walTail(1);
  assert.equal(tail.next(1 << 20).count, 60, 'one WAL record for each batch');
});

test('a write that may not wait says so in a write stall, and how much of it was written', async (t) => {
  const database = await openScratch(t, {
    // Two small memtables, and a flush that cannot keep up.
    ioBytesPerSecondMax: 300_000,
    columnFamilies: [
      { name: 'default', filter: 'none', options: { write_buffer_size: '65536', max_write_buffer_number: '2' } },
    ],
  });
  const batches = Array.from({ length: 200 }, (_, i) => batchBuilder().put(0, `k${i}`, Buffer.alloc(4000, i)).bytes());
  const lengths = Uint32Array.from(batches, (batch) => batch.length);
  let failure: unknown;
  try {
    database.write(Buffer.concat(batches), lengths, batches.length, { sync: false, noSlowdown: true });
  } catch (error) {
    failure = error;
  }
  assert.ok(failure instanceof RocksError);
  assert.equal(failure.code, 'ROCKS_INCOMPLETE');
  assert.equal(failure.written, database.latestSequence());
  assert.ok(failure.written > 10 && failure.written < 200);
});

test('a checkpoint opens by itself and holds the sequence it says', async (t) => {
  const database = await openScratch(t);
  letters(database, 'abc');
  await database.flush();
  letters(database, 'de');
  const path = `${database.path}-copy`;
  const sequence = await database.checkpoint(path);
  assert.equal(sequence, 5);
  letters(database, 'f');
  const copy = await open(openOptions(path));
  assert.equal(copy.latestSequence(), 5);
  assert.equal(keysOf(copy, {}), 'a b c d e');
  await copy.close();
  await assert.rejects(database.checkpoint(path), { code: 'ROCKS_ARGUMENT' });
});

test('a checkpoint under writes holds a prefix of them', async (t) => {
  const database = await openScratch(t);
  const path = `${database.path}-copy`;
  let settled = false;
  const checkpoint = database.checkpoint(path).finally(() => (settled = true));
  for (let i = 0; !settled; i++) {
    const batch = batchBuilder().put(0, `k${i}`, 'v').bytes();
    await database.writeAsync(batch, Uint32Array.of(batch.length), 1, plain);
  }
  const sequence = await checkpoint;
  const copy = await open(openOptions(path));
  assert.equal(copy.latestSequence(), sequence);
  if (sequence > 0) assert.equal(read(copy, 0, `k${sequence - 1}`), 'v');
  assert.equal(read(copy, 0, `k${sequence}`), undefined);
  await copy.close();
});

test('says what lies in files', async (t) => {
  const database = await openScratch(t);
  assert.deepEqual(database.liveFiles(), []);
  assert.equal(database.largestFlushedSequence(), 0);
  letters(database, 'abc');
  await database.flush();
  letters(database, 'd');
  const [file] = database.liveFiles();
  assert.match(file?.name ?? '', /^\d+\.sst$/);
  assert.deepEqual([file?.level, file?.smallestSequence, file?.largestSequence], [0, 1, 3]);
  assert.equal(database.largestFlushedSequence(), 3);
  assert.equal(database.property(0, 'rocksdb.num-files-at-level0'), '1');
  assert.equal(database.property(0, 'rocksdb.no-such-property'), undefined);
  await database.compact(0);
  assert.equal(database.property(0, 'rocksdb.num-files-at-level0'), '0');
  assert.equal(keysOf(database, {}), 'a b c d');
});

test('close and reopen keep data and sequence', async (t) => {
  const path = join(scratchDirectory(t), 'db');
  const first = await open(openOptions(path));
  letters(first, 'abc');
  first.syncWal();
  await first.syncWalAsync();
  await first.close();
  const second = await open(openOptions(path));
  assert.equal(second.latestSequence(), 3);
  assert.equal(keysOf(second, {}), 'a b c');
  await second.close();
});
