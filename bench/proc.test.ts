import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readMachineTimes, readUsage } from './proc.ts';

const stat =
  '25741 (a (b) c) S 25738 25738 8090 0 -1 4194560 24870 242 12 0 260 38 2 1 20 0 16 0 4525392 10595352576 32624 1844';
const io =
  'rchar: 1\nwchar: 260486\nsyscr: 1\nsyscw: 1\nread_bytes: 5\nwrite_bytes: 819200\ncancelled_write_bytes: 4096\n';
const status = 'Name:\ta\nVmPeak:\t  999999 kB\nVmHWM:\t  140000 kB\nVmRSS:\t  130000 kB\n';

test('usage counts user and system time of the process and of its ended children', () => {
  assert.deepEqual(readUsage({ stat, io, status }), {
    cpuSeconds: 3.01,
    writtenBytes: 819_200,
    residentBytes: 130_000 * 1024,
    peakBytes: 140_000 * 1024,
  });
});

test('bytes written are unknown where they may not be read', () => {
  assert.equal(readUsage({ stat, io: undefined, status }).writtenBytes, undefined);
});

test('times of the machine are those of all processors, with what its host stole', () => {
  const text = 'cpu  1000 200 300 4000 50 6 7 80 9 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n';
  assert.deepEqual(readMachineTimes(text), { busySeconds: 15.13, idleSeconds: 40.5, stolenSeconds: 0.8 });
});
