import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseTests, userBytes, valueOf, workloads, type Workload } from './workloads.ts';

const named = (name: string): Workload => workloads.find((workload) => workload.name === name) as Workload;

test('every command runs at every pipeline, and at every size where values matter', () => {
  const tests = chooseTests({ commands: ['SET', 'PING'], pipelines: [1, 16], valueBytes: [64, 1024], scale: 1 });
  assert.deepEqual(
    tests.map((one) => `${one.workload.name} ${one.pipeline} ${one.valueBytes} ${one.requests}`),
    [
      'PING 1 64 300000',
      'PING 16 64 1200000',
      'SET 1 64 100000',
      'SET 16 64 400000',
      'SET 1 1024 50000',
      'SET 16 1024 200000',
    ],
  );
});

test('a small scale leaves enough requests for percentiles', () => {
  for (const { requests } of chooseTests({ commands: undefined, pipelines: [1], valueBytes: [64], scale: 1e-6 }))
    assert.equal(requests, 1000);
});

test('user bytes are keys and values as they go over the wire', () => {
  assert.equal(userBytes(named('SET'), 64), 'key:000000000001'.length + 64);
  assert.equal(userBytes(named('MSET'), 10), 10 * ('key:000000000001'.length + 10));
  assert.equal(userBytes(named('ZADD'), 64), 'myzset'.length + 12 + 'element:000000000001'.length);
});

test('a value has the size asked for and is the same every time', () => {
  for (const bytes of [0, 1, 64, 16_384]) assert.equal(valueOf(bytes).length, bytes);
  assert.equal(valueOf(1000), valueOf(1000));
  assert.match(valueOf(1000), /^[0-9a-z]+$/);
});
