import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LatencyCounts } from './latency-counts.ts';

test('durations are counted below powers of two, and only where their number rises', () => {
  const counts = new LatencyCounts();
  assert.deepEqual([counts.calls, counts.cumulative(), counts.percentile(0.5)], [0, [], 0]);
  for (const us of [0, 1, 1.9, 3, 7, 8, 15, 16, 1000, 1024, 70_000]) counts.record(us);
  assert.equal(counts.calls, 11);
  assert.deepEqual(counts.cumulative(), [
    [1, 1],
    [2, 3],
    [4, 4],
    [8, 5],
    [16, 7],
    [32, 8],
    [1024, 9],
    [2048, 10],
    [131_072, 11],
  ]);
  counts.clear();
  assert.equal(counts.calls, 0);
});

test('a percentile is at most an eighth above the duration that it stands for', () => {
  const counts = new LatencyCounts();
  for (let us = 1; us <= 10_000; us++) counts.record(us);
  for (const share of [0.01, 0.5, 0.9, 0.99, 0.999, 1]) {
    const found = counts.percentile(share);
    assert.ok(found >= share * 10_000 && found <= share * 10_000 * 1.125 + 1, `${share}: ${found}`);
  }
});

test('no duration is too long', () => {
  const counts = new LatencyCounts();
  for (const us of [2 ** 31, 2 ** 32 - 1, 2 ** 40, Infinity]) counts.record(us);
  assert.equal(counts.calls, 4);
  assert.deepEqual(counts.cumulative(), [[2 ** 32, 4]]);
  assert.equal(counts.percentile(1), 2 ** 32 - 1);
});
