import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClusterStatus, NodeStatus } from '../controller-client.ts';
import { missingFrom } from './readiness.ts';

const node: NodeStatus = {
  id: 'a'.repeat(40),
  addr: '127.0.0.1:6661',
  control_addr: '127.0.0.1:16661',
  role: 'master',
  alive: true,
  last_reply_ms_ago: 10,
  sequence: 1,
  lag: 0,
  version: 4,
  epoch: 2,
  armed: true,
  process_id: 'p',
  lb_address: '127.0.0.1:7000',
};
const replica: NodeStatus = { ...node, role: 'slave', addr: '127.0.0.1:6662' };
const ready: ClusterStatus = {
  cluster: 'local',
  version: 4,
  lease_ms: 1000,
  fences: ['lb', 'lease'],
  shards: [
    {
      index: 0,
      epoch: 2,
      slot_ranges: ['0-16383'],
      phase: 'stable',
      step: null,
      lb_address: '127.0.0.1:7000',
      replica_lb_address: null,
      lease_valid_for_ms: 800,
      nodes: [node, replica],
    },
  ],
  bindings: [{ address: '127.0.0.1:7000', desired: '127.0.0.1:6661', observed: '127.0.0.1:6661', connections: 0 }],
};

function missing(shard: object, rest: object = {}): string[] {
  return missingFrom({ ...ready, ...rest, shards: ready.shards.map((each) => ({ ...each, ...shard })) });
}

test('a cluster is ready when masters have leases, nodes the topology and addresses their backends', () => {
  assert.deepEqual(missingFrom(ready), []);
  assert.deepEqual(missing({ lease_valid_for_ms: null }), ['shard 0 has no lease']);
  assert.deepEqual(missing({ lease_valid_for_ms: null }, { fences: ['lb'] }), []);
  assert.deepEqual(missing({ lease_valid_for_ms: null }, { fences: ['sync'] }), ['shard 0 has no lease']);
  assert.deepEqual(missing({ phase: 'failover' }), ['shard 0 is in failover']);
  assert.deepEqual(missing({ nodes: [replica] }), ['shard 0 has no master']);
  assert.deepEqual(missing({ nodes: [node, { ...replica, alive: false }] }), [
    '127.0.0.1:6662 does not answer the controller',
  ]);
  assert.deepEqual(missing({ nodes: [node, { ...replica, version: 3 }] }), [
    '127.0.0.1:6662 has not taken the topology',
  ]);
  const [binding] = ready.bindings;
  for (const wrong of [{ observed: null }, { observed: '127.0.0.1:6662' }, { observed: null, desired: null }])
    assert.deepEqual(missing({}, { bindings: [{ ...binding, ...wrong }] }), ['127.0.0.1:7000 is not bound']);
});
