import assert from 'node:assert/strict';
import { test } from 'node:test';
import { normalOutputLimits, outputLimitsOf } from './output-limits.ts';

const base = 'normal 0 0 0 slave 100 50 60 pubsub 30 8 60';

test('classes that are not named keep their limits, and sizes become bytes', () => {
  assert.equal(normalOutputLimits('pubsub 1mb 2k 5', base), 'normal 0 0 0 slave 100 50 60 pubsub 1048576 2048 5');
  assert.equal(normalOutputLimits('replica 1 2 3 NORMAL 4B 5 6', base), 'normal 4 5 6 slave 1 2 3 pubsub 30 8 60');
  assert.equal(normalOutputLimits(base, base), base);
});

test('anything else is refused', () => {
  for (const text of [
    '',
    'normal',
    'normal 1 2',
    'master 1 2 3',
    'normal x 2 3',
    'normal 1 2 -3',
    'normal 1 2 3 pubsub',
  ])
    assert.equal(normalOutputLimits(text, base), undefined, text);
});

test('limits are in bytes and milliseconds', () => {
  assert.deepEqual(outputLimitsOf(base), {
    normal: { hardBytes: 0, softBytes: 0, softMs: 0 },
    pubsub: { hardBytes: 30, softBytes: 8, softMs: 60_000 },
  });
});
