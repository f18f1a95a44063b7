/** What outlives what: garbage collection, closing under work, the end of threads and processes, kill -9. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { open, RocksError } from './index.ts';
import { batchBuilder, kvrocksFamilies, openOptions, recordOf, scratchDirectory, writeNow } from './testing/index.ts';

interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
}

function child(script: string, ...args: string[]): Promise<Ended> {
  const path = join(import.meta.dirname, 'testing', 'children', script);
  const process_ = spawn(process.execPath, ['--expose-gc', '--max-old-space-size=64', path, ...args]);
  let output = '';
  process_.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  process_.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return new Promise((resolve) => process_.once('close', (status, signal) => resolve({ status, signal, output })));
}

test('handles of every kind may be forgotten while the collector runs', async (t) => {
  const ended = await child('under-load.ts', scratchDirectory(t));
  assert.deepEqual([ended.status, ended.signal], [0, null], ended.output);
  assert.match(ended.output, /^done \d+\n$/);
});

for (const [manner, status] of [
  ['end', 0],
  ['exit', 0],
  ['throw', 1],
  ['close', 0],
] as const) {
  test(`a process that leaves its database busy (${manner}) ends cleanly and loses nothing`, async (t) => {
    const directory = scratchDirectory(t);
    const ended = await child('leave.ts', manner, directory);
    assert.deepEqual([ended.status, ended.signal], [status, null], ended.output);
    assert.match(ended.output, /^done\n/);
    const database = await open(openOptions(join(directory, 'db')));
    assert.equal(database.get(0, Buffer.from('first'), Buffer.alloc(8)), 4);
    await database.close();
  });
}

test('worker threads may open databases and end in any way', async (t) => {
  const ended = await child('leave.ts', 'workers', scratchDirectory(t));
  assert.deepEqual([ended.status, ended.signal], [0, null], ended.output);
  assert.match(ended.output, /done\n$/);
});

test('close waits for work under way, and every promise is settled', async (t) => {
  const directory = scratchDirectory(t);
  for (let round = 0; round < 5; round++) {
    const path = join(directory, `db${round}`);
    mkdirSync(path);
    // The flush makes the log superfluous, and a tail may come to it after that: it is kept.
    const options = { WAL_ttl_seconds: '1000' };
    const database = await open(openOptions(path, { columnFamilies: kvrocksFamilies, options }));
    const settled: Promise<string>[] = [];
    const note = (name: string, promise: Promise<unknown>): void => {
      settled.push(
        promise.then(
          () => `${name} ok`,
          (error: unknown) => `${name} ${error instanceof RocksError ? error.code : String(error)}`,
        ),
      );
    };
    for (let i = 0; i < 100; i++) {
      // A sub key without metadata: the filter of a running compaction looks it up in the database that is closing.
      const subkey = Buffer.concat([Buffer.of(1, 97, 0, 0, 0, 1, i), Buffer.alloc(8), Buffer.of(i)]);
      const batch = batchBuilder().put(0, subkey, Buffer.alloc(3000)).bytes();
      note('write', database.writeAsync(batch, Uint32Array.of(batch.length), 1, { sync: false, noSlowdown: false }));
      note('multiGet', database.multiGetAsync(Buffer.alloc(8), 1));
      note('fetch', database.fetchAsync(Buffer.alloc(8), 1));
    }
    note('flush', database.flush());
    for (let i = 0; i < 4; i++) note('compact', database.compact(i % 2));
    note('checkpoint', database.checkpoint(`${path}-copy`));
    note('syncWal', database.syncWalAsync());
    note('walFiles', database.walFiles());
    const tail = database.walTail(1);
    note('next', tail.nextAsync(1 << 20));
    for (let i = 0; i < 4; i++) note('tail', database.walTailAsync(1));
    await database.close();
    const results = new Set(await Promise.all(settled));
    for (const result of results)
      assert.match(result, /^(\w+ ok|compact ROCKS_CLOSED|tail ROCKS_CLOSED)$/, `round ${round}: ${result}`);
    const again = await open(openOptions(path));
    assert.equal(again.latestSequence(), 100, 'what was queued before the close was written');
    await again.close();
  }
});

test('writes that were answered survive kill -9, in order and without a gap', async (t) => {
  const path = join(scratchDirectory(t), 'db');
  const script = join(import.meta.dirname, 'testing', 'children', 'writer.ts');
  let last = 0;
  for (let round = 1; round <= 3; round++) {
    const writer = spawn(process.execPath, [script, path]);
    let output = '';
    await new Promise<void>((resolve) => {
      writer.stdout.on('data', (chunk: Buffer) => {
        output += chunk.toString();
        if (output.split('\n').length > 150 * round) writer.kill('SIGKILL');
      });
      writer.once('close', () => resolve());
    });
    const answered = Number(output.trim().split('\n').at(-1));
    assert.ok(answered > last);
    const database = await open(openOptions(path));
    last = database.latestSequence();
    assert.ok(last >= answered, `answered ${answered}, found ${last}`);
    assert.equal(last % 2, 0, 'no half of a batch');
    const into = Buffer.alloc(512);
    for (let i = 0; i < last / 2; i++) {
      assert.equal(database.get(0, Buffer.from(`key${i}`), into), 300);
      const length = database.get(1, Buffer.from(`key${i}`), into);
      assert.equal(into.toString('latin1', 0, length), String(i));
    }
    assert.equal(database.get(1, Buffer.from(`key${last / 2}`), into), -1);
    writeNow(database, recordOf(last / 2));
    await database.close();
    const again = await open(openOptions(path));
    assert.equal(again.latestSequence(), last + 2, 'what was recovered is written on');
    last = again.latestSequence();
    await again.close();
  }
});
