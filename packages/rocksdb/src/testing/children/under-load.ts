/**
 * Child of lifetime.test.ts, run with --expose-gc and a small heap: opens, uses and forgets handles of every kind while
 * the collector runs, then prints `done <handles>`.
 */
import { join } from 'node:path';
import { open } from '../../open.ts';
import type { Database } from '../../types.ts';
import { batchBuilder, decodeBlock, packKeys, writeNow } from '../batches.ts';
import { openOptions } from '../scratch.ts';

const rounds = 4;
const steps = 300;
const directory = process.argv[2] ?? '';
const collect = (globalThis as { gc?: () => void }).gc;
if (collect === undefined) throw new Error('run with --expose-gc');

function openRound(round: number): Promise<Database> {
  return open(openOptions(join(directory, `db${round}`), { options: { WAL_ttl_seconds: '1000' } }));
}

function step(database: Database, i: number, pending: Promise<unknown>[]): void {
  const batch = batchBuilder().put(0, `key${i}`, Buffer.alloc(500, i)).put(1, `key${i}`, 'v').bytes();
  if (i % 2 === 0) writeNow(database, batch);
  else pending.push(database.writeAsync(batch, Uint32Array.of(batch.length), 1, { sync: false, noSlowdown: false }));
  const iterator = database.iterate(0, { gte: Buffer.from('key'), snapshot: database.snapshot() });
  const block = iterator.next(50, 100000);
  const tail = database.walTail(1).next(10000);
  pending.push(database.multiGetAsync(packKeys([[0, 'key0']]), 1));
  // One tail is forgotten while a worker thread reads it, another as soon as it is there.
  pending.push(database.walTail(1).nextAsync(10000), database.walTailAsync(1));
  if (i % 60 === 0) pending.push(database.flush(), database.compact(1));
  if (i % 10 === 0) collect?.();
  // Blocks own their bytes: they are intact after their iterator is collected.
  if (decodeBlock(block.bytes).length !== block.count || tail.count === 0) throw new Error('a block was damaged');
}

/** One database: closed after its work, forgotten after its work, or forgotten in the middle of it. */
async function run(round: number): Promise<void> {
  const database = await openRound(round);
  const pending: Promise<unknown>[] = [];
  for (let i = 0; i < steps; i++) step(database, i, pending);
  if (round % 2 === 0) await Promise.all(pending);
  else pending.forEach((promise) => void promise.catch(() => undefined));
  if (round === 0) await database.close();
}

/** Forgotten databases are closed by their finalizers, between turns: then their locks are free. */
async function verify(round: number): Promise<void> {
  for (;;) {
    collect?.();
    await new Promise((resolve) => setImmediate(resolve));
    const again = await openRound(round).catch((error: { code?: string }) => error.code);
    if (again === 'ROCKS_LOCKED') continue;
    if (typeof again !== 'object') throw new Error(`cannot open again: ${again}`);
    if (again.latestSequence() !== 2 * steps) throw new Error(`sequence ${again.latestSequence()}`);
    return await again.close();
  }
}

for (let round = 0; round < rounds; round++) await run(round);
for (let round = 0; round < rounds; round++) await verify(round);
console.log(`done ${rounds * steps * 3}`);
