/** Directories recorded from Kvrocks 2.10.1 (tests/fixtures/kvrocks-2.10): opened in place, and replayed from its stream. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { open } from './index.ts';
import {
  decodeBatches,
  decodeBlock,
  kvrocksFamilies,
  openOptions,
  openScratch,
  unpackFixture,
  writeNow,
} from './testing/index.ts';
import type { Database } from './types.ts';

const fixtures = join(import.meta.dirname, '../../../tests/fixtures/kvrocks-2.10');
const recordings = ['standalone', 'standalone-compacted', 'cluster'] as const;
const options = {
  columnFamilies: kvrocksFamilies,
  createIfMissing: false,
  options: { WAL_ttl_seconds: '10800', WAL_size_limit_MB: '16384', avoid_flush_during_recovery: 'true' },
};

interface Recorded {
  readonly command: readonly (string | { hex: string })[];
  readonly reply: string;
}

/** The batches of a recorded psync stream: bulk strings after `+OK`; pings left out. */
function streamedBatches(name: string): Buffer[] {
  const bytes = readFileSync(join(fixtures, name, 'psync-1.bin'));
  const batches: Buffer[] = [];
  for (let at = bytes.indexOf('\r\n') + 2; at < bytes.length;) {
    const lineEnd = bytes.indexOf('\r\n', at);
    const length = Number(bytes.toString('latin1', at + 1, lineEnd));
    const payload = bytes.subarray(lineEnd + 2, lineEnd + 2 + length);
    if (payload.toString('latin1') !== 'ping') batches.push(payload);
    at = lineEnd + 2 + length + 2;
  }
  return batches;
}

function contents(database: Database, family: number): string[] {
  const block = database.iterate(family, {}).next(100000, 1 << 30);
  assert.equal(block.done, true);
  return decodeBlock(block.bytes).map(([key, value]) => `${key.toString('hex')}=${value.toString('hex')}`);
}

for (const name of recordings) {
  test(`${name}: opens in place and holds the recorded strings`, async (t) => {
    const path = unpackFixture(t, join(fixtures, name, 'data.tar.gz'));
    const database = await open(openOptions(path, options));
    assert.deepEqual(
      database.columnFamilies,
      kvrocksFamilies.map((family) => family.name),
    );
    const payloads = decodeBlock(database.iterate(1, {}).next(100000, 1 << 30).bytes)
      .filter(([, value]) => ((value[0] ?? 0) & 0x0f) === 1)
      .map(([, value]) => value.subarray(9).toString('latin1'));
    const reads = JSON.parse(readFileSync(join(fixtures, name, 'reads.json'), 'utf8')) as Recorded[];
    const strings = reads.filter(
      (read) => read.command[0] === 'GET' && read.reply.startsWith('$') && !read.reply.startsWith('$-1'),
    );
    assert.ok(strings.length > 3);
    for (const { command, reply } of strings) {
      if (String(command[1]).startsWith('bit:')) continue; // a bitmap answered as a string
      const value = reply.slice(reply.indexOf('\r\n') + 2, -2);
      assert.ok(payloads.includes(value), `no string record holds the value of ${String(command[1])}`);
    }
    await database.close();
  });

  test(`${name}: its WAL yields the batches that Kvrocks streamed`, async (t) => {
    const path = unpackFixture(t, join(fixtures, name, 'data.tar.gz'));
    const database = await open(openOptions(path, options));
    assert.deepEqual(decodeBatches(database.walTail(1).next(1 << 30).bytes), streamedBatches(name));
    await database.close();
  });

  test(`${name}: replaying the stream gives the same keys, values and sequences`, async (t) => {
    const path = unpackFixture(t, join(fixtures, name, 'data.tar.gz'));
    const original = await open(openOptions(path, options));
    const replica = await openScratch(t, { ...options, createIfMissing: true });
    for (const batch of streamedBatches(name)) writeNow(replica, batch);
    assert.equal(replica.latestSequence(), original.latestSequence());
    if (name === 'standalone-compacted') {
      // Kvrocks' own compaction left out what its filters drop; ours has to drop the same.
      for (const family of kvrocksFamilies.keys()) {
        await replica.compact(family);
        await original.compact(family);
      }
    }
    for (const family of kvrocksFamilies.keys())
      assert.deepEqual(
        contents(replica, family),
        contents(original, family),
        `family ${kvrocksFamilies[family]?.name}`,
      );
    await original.close();
  });
}
