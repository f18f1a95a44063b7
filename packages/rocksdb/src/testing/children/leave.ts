/**
 * Child of lifetime.test.ts: ends the process, or a worker thread, in the way named by the first argument while a
 * database is open and busy.
 */
import { join } from 'node:path';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { open } from '../../open.ts';
import type { Database } from '../../types.ts';
import { batchBuilder, writeNow } from '../batches.ts';
import { openOptions } from '../scratch.ts';

const options = { sync: false, noSlowdown: false };

/** Leaves work of every kind under way. */
function occupy(database: Database): void {
  for (let i = 0; i < 200; i++) {
    const batch = batchBuilder().put(0, `key${i}`, Buffer.alloc(2000, i)).bytes();
    void database.writeAsync(batch, Uint32Array.of(batch.length), 1, options).catch(() => undefined);
    if (i % 50 === 0) void database.flush().catch(() => undefined);
  }
  void database.compact(0).catch(() => undefined);
  void database.checkpoint(`${database.path}-copy`).catch(() => undefined);
  database.iterate(0, {}).next(1, 1);
  database.snapshot();
  void database
    .walTail(1)
    .nextAsync(1 << 20)
    .catch(() => undefined);
  void database.walTailAsync(1).catch(() => undefined);
}

async function busyDatabase(directory: string): Promise<Database> {
  const database = await open(openOptions(join(directory, 'db'), { options: { WAL_ttl_seconds: '1000' } }));
  writeNow(database, batchBuilder().put(0, 'first', 'kept').bytes());
  occupy(database);
  return database;
}

async function inWorkers(directory: string): Promise<void> {
  for (const manner of ['end', 'exit', 'throw', 'terminate']) {
    const worker = new Worker(new URL(import.meta.url), { workerData: { manner, directory: join(directory, manner) } });
    worker.on('error', () => undefined);
    const ended = new Promise((resolve) => worker.once('exit', resolve));
    if (manner === 'terminate') worker.once('message', () => void worker.terminate());
    await ended;
    // The worker's database is closed: it opens here, in the same process.
    const database = await open(openOptions(join(directory, manner, 'db')));
    if (database.get(0, Buffer.from('first'), Buffer.alloc(8)) !== 4) throw new Error(`${manner}: the write is gone`);
    await database.close();
  }
  console.log('done');
}

if (isMainThread) {
  const [, , manner, directory = ''] = process.argv;
  if (manner === 'workers') await inWorkers(directory);
  else if (manner === 'close') {
    const database = await busyDatabase(directory);
    await database.close();
    console.log('done');
  } else {
    await busyDatabase(directory);
    console.log('done');
    if (manner === 'exit') process.exit(0);
    if (manner === 'throw') throw new Error('on purpose');
  }
} else {
  const { manner, directory } = workerData as { manner: string; directory: string };
  const { mkdirSync } = await import('node:fs');
  const { parentPort } = await import('node:worker_threads');
  mkdirSync(directory);
  await busyDatabase(directory);
  if (manner === 'exit') process.exit(0);
  if (manner === 'throw') throw new Error('on purpose');
  if (manner === 'terminate') {
    parentPort?.postMessage('ready');
    setInterval(() => undefined, 1000);
  }
}
