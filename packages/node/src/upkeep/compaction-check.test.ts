import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { silentLogger } from '@holdfast/base';
import { openScratch, batchBuilder, writeNow } from '@holdfast/rocksdb/testing';
import { filesToCompact, isHourWithin, type CheckedFile } from './compaction-check.ts';
import { Compaction } from './compaction.ts';

const nowMs = 1_700_000_000_000;
const hourSeconds = 3600;
const settings = { forceAgeSeconds: 48 * hourSeconds, forceDeadPercent: 20 };

/** `dead` of 100 entries. */
function file(name: string, ageHours: number, dead: number): CheckedFile {
  const createdAtSeconds = ageHours < 0 ? 0 : nowMs / 1000 - ageHours * hourSeconds;
  return {
    name,
    createdAtSeconds,
    entries: 100,
    deadEntries: dead,
    smallestKey: Buffer.from('a'),
    largestKey: Buffer.from('b'),
  };
}

function picked(...files: CheckedFile[]): string {
  return filesToCompact(files, settings, nowMs)
    .map(({ name }) => name)
    .join(' ');
}

describe('files to compact', () => {
  test('the one with the largest dead share goes first, if it is more than a tenth', () => {
    assert.equal(picked(file('a', 2, 11), file('b', 2, 30), file('c', 2, 20)), 'b');
    assert.equal(picked(file('a', 2, 10), file('b', 2, 0)), '');
    assert.equal(picked(file('a', 2, 11), file('b', 2, 0)), 'a');
  });

  test('what was written within the hour, or nobody knows when, is left alone', () => {
    assert.equal(picked(file('a', 0.9, 90), file('b', 1, 20)), 'b');
    assert.equal(picked(file('a', -1, 90), file('b', 0, 90)), '');
  });

  test('old ones with enough dead entries come before all others', () => {
    assert.equal(picked(file('a', 2, 90), file('b', 49, 20), file('c', 49, 30)), 'c');
    assert.equal(picked(file('a', 49, 19), file('b', 48, 30)), 'b', 'not old enough, and the best of the others');
  });

  test('with very many files several old ones are taken', () => {
    const files = Array.from({ length: 720 }, (_, i) => file(`${i}`, 49, 20 + (i % 50)));
    const names = picked(...files).split(' ');
    assert.equal(names.length, 2);
    assert.deepEqual(
      names.map(Number).map((i) => i % 50),
      [49, 49],
    );
  });

  test('a family with one file, and files without entries, are left alone', () => {
    assert.equal(picked(file('a', 49, 90)), '');
    assert.equal(picked({ ...file('a', 49, 0), entries: 0 }, file('b', 49, 0)), '');
  });
});

test('hours have both their ends, also across midnight', () => {
  const hours = (range: string): number[] =>
    Array.from({ length: 24 }, (_, hour) => hour).filter((hour) => isHourWithin(range, hour));
  assert.deepEqual(hours('0-2'), [0, 1, 2]);
  assert.deepEqual(hours('22-1'), [0, 1, 22, 23]);
  assert.deepEqual(hours('3-3'), [3]);
  assert.equal(hours('0-24').length, 24);
  assert.deepEqual(hours(''), []);
});

test('a check compacts the file with the dead entries, and leaves the rest', async (t) => {
  const database = await openScratch(t, {
    columnFamilies: [
      { name: 'default', filter: 'none', options: { disable_auto_compactions: 'true' } },
      { name: 'metadata', filter: 'none', options: { disable_auto_compactions: 'true' } },
    ],
  });
  for (const part of ['a', 'm']) {
    const batch = batchBuilder();
    for (let i = 10; i < 60; i++) batch.put(1, Buffer.from(`${part}${i}`), Buffer.from('v'));
    writeNow(database, batch.bytes());
    await database.flush();
    await database.compact(1, { gte: Buffer.from(part), lt: Buffer.from(`${part}~`) });
  }
  const deletions = batchBuilder();
  for (let i = 10; i < 60; i++) deletions.delete(1, Buffer.from(`m${i}`));
  writeNow(database, deletions.bytes());
  await database.flush();
  const before = await database.fileStatistics(1);
  assert.deepEqual(before.map(({ deadEntries }) => deadEntries).sort(), [0, 0, 50]);
  const compaction = new Compaction({ logger: silentLogger, database: () => database });
  const check = { forceAgeSeconds: 60, forceDeadPercent: 10 };
  compaction.check(check, Date.now());
  await compaction.idle();
  assert.equal((await database.fileStatistics(1)).length, 3, 'all are young');
  compaction.check(check, Date.now() + 120_000);
  await compaction.idle();
  const after = await database.fileStatistics(1);
  assert.deepEqual(
    after.map(({ entries, deadEntries }) => [entries, deadEntries]),
    [[50, 0]],
  );
  compaction.check(check, Date.now());
  assert.equal(compaction.start(undefined), undefined, 'COMPACT is not refused meanwhile');
  await compaction.idle();
});
