import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyspaceOf, turnsOf, warmUpRequests } from './core.ts';

test('each round begins with the next server', () => {
  assert.deepEqual(
    [1, 2, 3, 4].map((round) => turnsOf(['a', 'b', 'c'], round).join('')),
    ['abc', 'bca', 'cab', 'abc'],
  );
  assert.deepEqual(turnsOf([], 1), []);
});

test('with large values fewer keys stay hot', () => {
  assert.equal(keyspaceOf(100_000, 64), 100_000);
  assert.equal(keyspaceOf(100_000, 16_384), 8192);
  assert.equal(keyspaceOf(10, 1 << 30), 1);
});

test('uncounted requests go over most of the keyspace, and are a fifth of the others at the least and all of them at the most', () => {
  assert.equal(warmUpRequests(400_000, 100_000), 230_000);
  assert.equal(warmUpRequests(400_000, 1000), 80_000);
  assert.equal(warmUpRequests(100_000, 100_000), 100_000);
});
