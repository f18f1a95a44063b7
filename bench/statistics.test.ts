import assert from 'node:assert/strict';
import { test } from 'node:test';
import { median, percentile, spread } from './statistics.ts';

test('a median is the middle one, or the mean of the two in the middle', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert.equal(median([10, 9, 100]), 10, 'sorted as numbers');
  assert.ok(Number.isNaN(median([])));
});

test('a spread is the distance of the extremes as a part of the median', () => {
  assert.equal(spread([90, 100, 110]), 0.2);
  assert.equal(spread([5]), 0);
  assert.equal(spread([]), 0);
});

test('a percentile is a value that was seen, and as many as it says lie below or at it', () => {
  const values = Array.from({ length: 100 }, (_, i) => 100 - i);
  assert.equal(percentile(values, 0.5), 50);
  assert.equal(percentile(values, 0.99), 99);
  assert.equal(percentile(values, 1), 100);
  assert.equal(percentile([7], 0.99), 7);
  assert.ok(Number.isNaN(percentile([], 0.5)));
});
