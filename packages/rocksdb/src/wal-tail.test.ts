import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { open } from './index.ts';
import { batchBuilder, decodeBatches, openOptions, openScratch, scratchDirectory, writeNow } from './testing/index.ts';
import type { Database, WalTail } from './types.ts';

const archive = { WAL_ttl_seconds: '1000' };

/** Sequence and number of records of each batch. */
function drain(tail: WalTail, maxBytes = 1 << 20): string {
  const seen: string[] = [];
  for (;;) {
    const block = tail.next(maxBytes);
    if (block.count === 0) return seen.join(' ');
    for (const batch of decodeBatches(block.bytes)) seen.push(`${batch.readBigUInt64LE(0)}+${batch.readUInt32LE(8)}`);
  }
}

function put(database: Database, count = 1): void {
  const batch = batchBuilder();
  for (let i = 0; i < count; i++) batch.put(0, `key${i}`, 'value');
  writeNow(database, batch.bytes());
}

test('hands out batches as they were written, with their sequences', async (t) => {
  const database = await openScratch(t);
  const written = batchBuilder().logData('1').put(1, 'k', 'v').delete(0, 'x').logData('r 0123456789abcdef').bytes();
  writeNow(database, written);
  const [got] = decodeBatches(database.walTail(1).next(1).bytes);
  written.writeBigUInt64LE(1n, 0);
  assert.deepEqual(got, written);
});

test('starts only where a batch starts', async (t) => {
  const database = await openScratch(t);
  assert.equal(drain(database.walTail(1)), '', 'the next sequence of an empty database');
  put(database, 3);
  put(database, 2);
  assert.equal(drain(database.walTail(1)), '1+3 4+2');
  assert.equal(drain(database.walTail(4)), '4+2');
  assert.equal(drain(database.walTail(6)), '');
  for (const from of [0, 2, 3, 5, 7, 1e9, Number.MAX_SAFE_INTEGER])
    assert.throws(() => database.walTail(from), { name: 'RocksError', code: 'ROCKS_WAL_GONE' }, `from ${from}`);
});

test('picks up what is written after it reached the end, through flushes and file changes', async (t) => {
  const database = await openScratch(t, { options: archive });
  const tail = database.walTail(1);
  for (let i = 1; i <= 20; i++) {
    put(database);
    if (i % 3 === 0) await database.flush();
    if (i % 2 === 0) assert.equal(drain(tail), `${i - 1}+1 ${i}+1`);
  }
  assert.equal(drain(tail), '');
  assert.equal(drain(database.walTail(1)).split(' ').length, 20, 'archived files are read too');
});

test('blocks stop at about maxBytes but always hold a batch', async (t) => {
  const database = await openScratch(t);
  for (let i = 0; i < 10; i++) put(database, 10);
  const tail = database.walTail(1);
  assert.equal(tail.next(1).count, 1);
  const block = tail.next(500);
  assert.ok(block.count >= 2 && block.bytes.length <= 500);
  assert.equal(1 + block.count + decodeBatches(tail.next(1 << 20).bytes).length, 10);
});

test('says that the log is gone when it was deleted, and when it skips', async (t) => {
  const database = await openScratch(t);
  put(database);
  const tail = database.walTail(1);
  await database.flush();
  put(database);
  await database.flush();
  put(database);
  assert.throws(() => database.walTail(1), { code: 'ROCKS_WAL_GONE' }, 'deleted with its flush');
  const lagging = database.walTail(3);
  writeNow(database, batchBuilder().put(0, 'a', 'b').bytes(), { disableWal: true });
  put(database);
  assert.equal(lagging.next(1).count, 1);
  assert.throws(() => lagging.next(1), { code: 'ROCKS_WAL_GONE' }, 'written without the WAL');
  assert.throws(() => lagging.next(1), { code: 'ROCKS_WAL_GONE' }, 'and it stays so');
  tail.close();
});

test('a gap from an earlier run is found too', async (t) => {
  const path = join(scratchDirectory(t), 'db');
  const options = openOptions(path, { options: { ...archive, avoid_flush_during_recovery: 'true' } });
  const first = await open(options);
  put(first);
  writeNow(first, batchBuilder().put(0, 'a', 'b').bytes(), { disableWal: true });
  put(first);
  await first.flush();
  await first.close();
  const second = await open(options);
  put(second);
  const tail = second.walTail(1);
  assert.equal(tail.next(1).count, 1);
  assert.throws(() => tail.next(1), { code: 'ROCKS_WAL_GONE' });
  assert.equal(drain(second.walTail(3)), '3+1 4+1');
  await second.close();
});

test('continues over a restart where the log is kept', async (t) => {
  const path = join(scratchDirectory(t), 'db');
  const options = openOptions(path, { options: archive });
  for (let run = 1; run <= 4; run++) {
    const database = await open(options);
    put(database, run);
    await database.close();
  }
  const database = await open(options);
  assert.equal(drain(database.walTail(1)), '1+1 2+2 4+3 7+4');
  await database.close();
});

test('follows a writer on another thread without losing or repeating a sequence', async (t) => {
  const database = await openScratch(t, {
    options: archive,
    columnFamilies: [{ name: 'default', filter: 'none', options: { write_buffer_size: '65536' } }],
  });
  const tail = database.walTail(1);
  const pending: Promise<number>[] = [];
  let expected = 1;
  const follow = (): void => {
    for (const batch of decodeBatches(tail.next(10000).bytes)) {
      assert.equal(Number(batch.readBigUInt64LE(0)), expected);
      expected += batch.readUInt32LE(8);
    }
  };
  for (let i = 0; i < 300; i++) {
    const batch = batchBuilder().put(0, `k${i}`, Buffer.alloc(1000)).put(0, `l${i}`, Buffer.alloc(500)).bytes();
    pending.push(database.writeAsync(batch, Uint32Array.of(batch.length), 1, { sync: false, noSlowdown: false }));
    if (i % 10 === 0) await pending[i - 5];
    follow();
  }
  await Promise.all(pending);
  while (expected <= database.latestSequence()) follow();
  assert.equal(expected, 601);
});

test('on a worker thread a tail opens and reads the same', async (t) => {
  const database = await openScratch(t, { options: archive });
  for (let i = 0; i < 30; i++) {
    put(database, 3);
    if (i % 10 === 0) await database.flush();
  }
  for (const from of [1, 46, 91]) {
    const [sync, async] = [database.walTail(from), await database.walTailAsync(from)];
    for (let done = false; !done;) {
      const expected = sync.next(300);
      const got = await async.nextAsync(300);
      assert.deepEqual(got, expected);
      done = got.count === 0;
    }
  }
  for (const from of [0, 2, 92, 1e9]) {
    await assert.rejects(database.walTailAsync(from), { name: 'RocksError', code: 'ROCKS_WAL_GONE' }, `from ${from}`);
  }
  const tail = await database.walTailAsync(91);
  put(database, 2);
  assert.equal((await tail.nextAsync(100)).count, 1, 'both ways may be mixed');
  put(database, 1);
  assert.equal(drain(tail), '93+1');
});

test('a tail that is being read refuses a second reader, and may be closed', async (t) => {
  const database = await openScratch(t);
  for (let i = 0; i < 1000; i++) put(database, 2);
  const tail = await database.walTailAsync(1);
  const first = tail.nextAsync(1 << 20);
  assert.throws(() => tail.next(1), { name: 'RocksError', code: 'ROCKS_BUSY' });
  await assert.rejects(tail.nextAsync(1), { code: 'ROCKS_BUSY' });
  assert.equal((await first).count, 1000);
  assert.equal((await tail.nextAsync(1)).count, 0);
  const other = await database.walTailAsync(1);
  const last = other.nextAsync(1 << 20);
  other.close();
  other.close();
  assert.throws(() => other.next(1), { code: 'ROCKS_CLOSED' });
  assert.equal((await last).count, 1000, 'what was asked before is answered');
});

test('a tail that fails on a worker thread says so, and keeps saying it', async (t) => {
  const database = await openScratch(t);
  put(database);
  const tail = await database.walTailAsync(1);
  writeNow(database, batchBuilder().put(0, 'a', 'b').bytes(), { disableWal: true });
  put(database);
  assert.equal((await tail.nextAsync(1)).count, 1);
  await assert.rejects(tail.nextAsync(1), { code: 'ROCKS_WAL_GONE' });
  await assert.rejects(tail.nextAsync(1), { code: 'ROCKS_WAL_GONE' });
  assert.throws(() => tail.next(1), { code: 'ROCKS_WAL_GONE' });
});

test('lists the files of the log with their first sequences, archived ones first', async (t) => {
  const database = await openScratch(t, { options: archive });
  assert.deepEqual(await database.walFiles(), []);
  put(database, 3);
  await database.flush();
  put(database, 2);
  await database.flush();
  put(database, 4);
  const files = await database.walFiles();
  assert.deepEqual(
    files.map(({ archived, startSequence }) => [archived, startSequence]),
    [
      [true, 1],
      [true, 4],
      [false, 6],
    ],
  );
  for (const { name, archived, sizeBytes } of files)
    assert.equal(statSync(join(database.path, archived ? 'archive' : '', name)).size, sizeBytes);
});
