import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noiseBetween, warningsOf } from './noise.ts';

const at = (busySeconds: number, idleSeconds: number, stolenSeconds: number, ownCpuSeconds: number) => ({
  machine: { busySeconds, idleSeconds, stolenSeconds },
  load: [1, 1, 1],
  ownCpuSeconds,
});

test('what others took is what was busy and not ours', () => {
  const noise = noiseBetween(at(100, 100, 0, 10), at(160, 130, 10, 40), []);
  assert.equal(noise.stolenShare, 0.1);
  assert.equal(noise.othersShare, 0.3);
  assert.deepEqual([noise.spreadMedian, noise.spreadMax], [0, 0]);
  assert.deepEqual(warningsOf(noise).length, 2);
});

test('a quiet machine is warned of nothing', () => {
  assert.deepEqual(warningsOf(noiseBetween(at(100, 100, 0, 10), at(160, 160, 0, 69), [])), []);
});
