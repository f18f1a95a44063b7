/** Flushes that somebody waits for, of which RocksDB forgets some (flush_reminder.h). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchBuilder, openScratch, writeNow } from './testing/index.ts';
import type { Database } from './types.ts';

const kib = 1024;

/** A database whose full memtables are flushed four together, and which others share their logs with. */
function openMerging(t: Parameters<typeof openScratch>[0]): Promise<Database> {
  const options = {
    write_buffer_size: String(64 * kib),
    min_write_buffer_number_to_merge: '4',
    max_write_buffer_number: '8',
  };
  return openScratch(t, {
    columnFamilies: ['default', 'metadata'].map((name) => ({ name, filter: 'none', options })),
  });
}

/** Fills memtables until a flush of four of them has begun. */
function fillUntilFlushing(database: Database): void {
  const value = Buffer.alloc(16 * kib, 1);
  for (let i = 0; database.property(0, 'rocksdb.num-running-flushes') === '0'; i++)
    writeNow(database, batchBuilder().put(0, `key${i}`, value).bytes());
}

const acts = {
  flush: (database: Database): Promise<unknown> => database.flush(),
  checkpoint: (database: Database, round: number): Promise<unknown> => database.checkpoint(`${database.path}-${round}`),
  compact: (database: Database): Promise<unknown> => database.compact(0),
};

for (const [what, act] of Object.entries(acts)) {
  // Without a reminder RocksDB forgets about every second one, and the test never ends.
  test(
    `${what} ends without further writes, also when it meets a flush of memtables that are full`,
    { timeout: 60_000 },
    async (t) => {
      const database = await openMerging(t);
      for (let round = 0; round < 15; round++) {
        fillUntilFlushing(database);
        writeNow(database, batchBuilder().put(0, `last${round}`, 'value').bytes());
        await act(database, round);
      }
      const into = Buffer.alloc(16);
      assert.equal(database.get(0, Buffer.from('last14'), into), 5);
    },
  );
}
