import assert from 'node:assert/strict';
import { test } from 'node:test';
import { masterOf, shardOf } from './cluster.ts';
import { parseEvents, parseView } from './controller-view.ts';

const status = {
  cluster: 'local',
  version: 3,
  lease_ms: 1000,
  fences: ['lb', 'lease'],
  shards: [
    {
      index: 0,
      epoch: 4,
      slot_ranges: ['0-5460', '7000'],
      phase: 'stable',
      step: null,
      lb_address: '127.0.0.1:7000',
      nodes: [
        { id: 'b', addr: '127.0.0.1:6664', role: 'slave', alive: false, sequence: null },
        { id: 'a', addr: '127.0.0.1:6661', role: 'master', alive: true, sequence: 12 },
      ],
    },
  ],
};

test('controller view: a status is read, unknown fields are ignored', () => {
  const view = parseView(status);
  const shard = shardOf(view, 0);
  assert.deepEqual(shard.slotRanges, [
    [0, 5460],
    [7000, 7000],
  ]);
  assert.deepEqual(masterOf(shard), {
    id: 'a',
    address: '127.0.0.1:6661',
    role: 'master',
    isAlive: true,
    sequence: 12,
  });
  assert.equal(shard.nodes[0]?.sequence, -1);
  assert.throws(() => shardOf(view, 1), RangeError);
});

test('controller view: events are read with their time', () => {
  const at = '2026-01-02T03:04:05.678Z';
  const [event] = parseEvents({
    events: [{ id: 9, at, kind: 'promoted', shard: 0, epoch: 5, message: 'm', timings: {} }],
  });
  assert.deepEqual(event, { id: 9, wallMs: Date.parse(at), kind: 'promoted', shard: 0, epoch: 5, message: 'm' });
});

test('controller view: an answer without what is needed is an error that names it', () => {
  assert.throws(() => parseView({ ...status, lease_ms: '1' }), {
    code: 'CONTROLLER_ANSWER',
    message: /lease_ms = "1"/,
  });
  assert.throws(() => parseView([]), { code: 'CONTROLLER_ANSWER' });
  assert.throws(() => parseEvents({ events: [{ id: 1, at: 'yesterday', kind: 'x' }] }), { message: /yesterday/ });
});
