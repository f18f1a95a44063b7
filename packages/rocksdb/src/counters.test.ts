import assert from 'node:assert/strict';
import { test } from 'node:test';
import { beginProfile, blockReads, buildInfo, endProfile, type Database } from './index.ts';
import { batchBuilder, openScratch, writeNow } from './testing/index.ts';

/** The RocksDB of `make rocksdb` does without them. */
const counts = buildInfo().threadCounters;

const key = Buffer.from('k');

function put(database: Database): void {
  writeNow(database, batchBuilder().put(0, key, 'value').bytes());
}

test('blocks are counted where they were found, on this thread and by jobs', async (t) => {
  const database = await openScratch(t);
  put(database);
  await database.flush();
  const into = Buffer.alloc(16);
  let before = blockReads();
  assert.equal(database.get(0, key, into), 5);
  let now = blockReads();
  assert.equal(now.misses > before.misses, counts, 'the block was in a file');
  before = now;
  assert.equal(database.get(0, key, into), 5);
  now = blockReads();
  assert.deepEqual([now.misses, now.hits > before.hits], [before.misses, counts]);
  database.flushBlockCache();
  const lookup = Buffer.concat([Buffer.from([0, 0, 0, 0, 1, 0, 0, 0]), key]);
  await database.multiGetAsync(lookup, 1);
  assert.equal(blockReads().misses > now.misses, counts);
});

test('flushes and compactions are counted when they have ended', async (t) => {
  const database = await openScratch(t);
  assert.deepEqual(database.endedWork(), { flushes: 0, compactions: 0 });
  for (let i = 0; i < 2; i++) {
    put(database);
    await database.flush();
  }
  await database.compact(0);
  const { flushes, compactions } = database.endedWork();
  assert.deepEqual([flushes, compactions > 0], [2, true]);
});

test('a profile has what this thread did between its ends, and nothing that is 0', async (t) => {
  const database = await openScratch(t);
  put(database);
  beginProfile();
  assert.equal(database.get(0, key, Buffer.alloc(16)), 5);
  const { reads } = endProfile();
  assert.equal(/\bget_from_memtable_count = 1\b/.test(reads), counts, reads);
  assert.equal(/\bget_from_memtable_time = [1-9]/.test(reads), counts, reads);
  assert.doesNotMatch(reads, / = 0\b/);
  beginProfile();
  assert.equal(endProfile().reads, '');
});

test('properties with entries are told as such', async (t) => {
  const database = await openScratch(t);
  const stalls = database.mapProperty(0, 'rocksdb.cfstats') ?? {};
  assert.equal(stalls['io_stalls.level0_slowdown'], '0');
  assert.equal(database.mapProperty(0, 'rocksdb.no-such-property'), undefined);
});
