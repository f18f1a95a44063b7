import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchBuilder, kvrocksFamilies, openScratch, writeNow } from './testing/index.ts';

/** A string's metadata: type, then when it expires. */
function stringRecord(expireMs: number): Buffer {
  const bytes = Buffer.alloc(10, 0x81);
  bytes.writeBigUInt64BE(BigInt(expireMs), 1);
  return bytes;
}

test('files tell their tombstones, and among metadata the keys that had expired', async (t) => {
  const startedAtSeconds = Math.floor(Date.now() / 1000);
  const database = await openScratch(t, { columnFamilies: kvrocksFamilies });
  assert.deepEqual(await database.fileStatistics(1), []);
  const batch = batchBuilder();
  for (const family of [0, 1, 3])
    batch
      .put(family, Buffer.from('a'), stringRecord(0))
      .put(family, Buffer.from('b'), stringRecord(startedAtSeconds * 1000 - 1000))
      .put(family, Buffer.from('c'), stringRecord((startedAtSeconds + 3600) * 1000))
      .delete(family, Buffer.from('d'));
  writeNow(database, batch.bytes());
  await database.flush();
  const [file] = await database.fileStatistics(1);
  assert.ok(file !== undefined);
  assert.match(file.name, /^\d+\.sst$/);
  assert.ok(file.createdAtSeconds >= startedAtSeconds && file.createdAtSeconds <= Date.now() / 1000);
  assert.deepEqual([file.entries, file.deadEntries], [4, 2]);
  assert.deepEqual([file.smallestKey.toString(), file.largestKey.toString()], ['a', 'd']);
  const counts = async (family: number): Promise<number[][]> =>
    (await database.fileStatistics(family)).map(({ entries, deadEntries }) => [entries, deadEntries]);
  assert.deepEqual(await counts(0), [[4, 1]], 'sub keys do not expire by themselves');
  assert.deepEqual(await counts(3), [[4, 1]], 'a family that is not counted has what RocksDB counts');
  await database.compact(1);
  assert.deepEqual(await counts(1), [[2, 0]]);
});
