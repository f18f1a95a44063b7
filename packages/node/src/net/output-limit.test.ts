import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OutputWatch } from './output-limit.ts';

const limit = { hardBytes: 1000, softBytes: 100, softMs: 50 };

test('more than the hard limit is too much at once', () => {
  const watch = new OutputWatch();
  assert.equal(watch.exceeds(1000, { ...limit, softBytes: 0 }, 0), false);
  assert.equal(watch.exceeds(1001, { ...limit, softBytes: 0 }, 0), true);
});

test('more than the soft limit is too much when it lasts, and only then', () => {
  const watch = new OutputWatch();
  assert.equal(watch.exceeds(101, limit, 0), false);
  assert.equal(watch.exceeds(101, limit, 49), false);
  assert.equal(watch.exceeds(100, limit, 49.5), false, 'read in time');
  assert.equal(watch.exceeds(500, limit, 60), false);
  assert.equal(watch.exceeds(500, limit, 110), true);
});

test('0 is no limit', () => {
  const watch = new OutputWatch();
  for (const nowMs of [0, 1e6])
    assert.equal(watch.exceeds(1e9, { hardBytes: 0, softBytes: 0, softMs: 0 }, nowMs), false);
});
