import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeId, Version } from './cluster-node.ts';
import { parseNodes } from './node-lines.ts';
import { TopologyRefusal } from './refusal.ts';
import type { Slot } from './slot.ts';
import { Topology } from './topology.ts';
import { clusterInfoText, clusterNodesText, clusterShards, clusterSlots, movedError, replicaTexts } from './views.ts';

const a = 'a'.repeat(40) as NodeId;
const b = 'b'.repeat(40) as NodeId;
const r = 'r'.repeat(40) as NodeId;
const d = 'd'.repeat(40) as NodeId;
const payload = [
  `${a} 10.0.0.1 6661 master - 0-99 200 lb.example 7000`,
  `${r} 10.0.0.2 6662 slave ${a} ::5 7100`,
  `${d} 10.0.0.3 6663 slave,fail ${a}`,
  `${b} fe80::9 6664 master - 100-199`,
].join('\n');

function view(selfId?: NodeId): Topology {
  const parsed = parseNodes(payload);
  assert.ok(!(parsed instanceof TopologyRefusal));
  return Topology.of(parsed, 2n as Version, selfId);
}

const nowMs = 1700000000000;
const times = '1699999999999 1700000000000 2 connected';

test('CLUSTER NODES shows LB addresses to clients, of the own node too', () => {
  assert.equal(
    clusterNodesText(view(a), { view: 'lb', nowMs }),
    `${a} lb.example:7000@16661 myself,master - ${times} 0-99 200\n` +
      `${r} ::5:7100@16662 slave ${a} ${times}\n` +
      `${d} 10.0.0.3:6663@16663 slave,fail ${a} ${times}\n` +
      `${b} fe80::9:6664@16664 master - ${times} 100-199\n`,
  );
});

test('CLUSTER NODES shows internal addresses in the internal view, and the own control port', () => {
  const text = clusterNodesText(view(r), { view: 'internal', nowMs, selfControlPort: 9999 });
  assert.equal(
    text,
    `${a} 10.0.0.1:6661@16661 master - ${times} 0-99 200\n` +
      `${r} 10.0.0.2:6662@9999 myself,slave ${a} ${times}\n` +
      `${d} 10.0.0.3:6663@16663 slave,fail ${a} ${times}\n` +
      `${b} fe80::9:6664@16664 master - ${times} 100-199\n`,
  );
});

test('CLUSTER SLOTS lists ranges in slot order, the master first, dead replicas left out', () => {
  const group = [
    { host: 'lb.example', port: 7000, id: a },
    { host: '::5', port: 7100, id: r },
  ];
  assert.deepEqual(clusterSlots(view(), 'lb'), [
    { range: { start: 0, stop: 99 }, nodes: group },
    { range: { start: 100, stop: 199 }, nodes: [{ host: 'fe80::9', port: 6664, id: b }] },
    { range: { start: 200, stop: 200 }, nodes: group },
  ]);
  assert.deepEqual(clusterSlots(view(), 'internal')[0]?.nodes, [
    { host: '10.0.0.1', port: 6661, id: a },
    { host: '10.0.0.2', port: 6662, id: r },
  ]);
});

test('CLUSTER SHARDS names a host name as such and marks dead replicas', () => {
  const [first, second, ...others] = clusterShards(view(), 'lb');
  assert.deepEqual(first, {
    ranges: [
      { start: 0, stop: 99 },
      { start: 200, stop: 200 },
    ],
    nodes: [
      { id: a, host: 'lb.example', port: 7000, hostname: 'lb.example', role: 'master', health: 'online' },
      { id: r, host: '::5', port: 7100, hostname: undefined, role: 'replica', health: 'online' },
      { id: d, host: '10.0.0.3', port: 6663, hostname: undefined, role: 'replica', health: 'fail' },
    ],
  });
  assert.equal(second?.nodes[0]?.host, 'fe80::9');
  assert.deepEqual(others, []);
  assert.equal(clusterShards(view(), 'internal')[0]?.nodes[0]?.hostname, undefined);
});

test('CLUSTER REPLICAS lists the replicas of a master', () => {
  assert.deepEqual(replicaTexts(view(r), a, { view: 'lb', nowMs }), [
    `${r} ::5:7100@16662 slave ${a} ${times}`,
    `${d} 10.0.0.3:6663@16663 slave,fail ${a} ${times}`,
  ]);
  assert.deepEqual(replicaTexts(view(), b, { view: 'lb', nowMs }), []);
  const refusal = (id: string): unknown => {
    const texts = replicaTexts(view(), id, { view: 'lb', nowMs });
    return texts instanceof TopologyRefusal ? texts.message : texts;
  };
  assert.equal(refusal(r), "ERR The node isn't a master");
  assert.equal(refusal('nobody'), 'ERR Invalid cluster node id');
});

test('CLUSTER INFO counts slots, nodes and masters that have slots', () => {
  assert.equal(
    clusterInfoText(view()),
    'cluster_state:ok\r\ncluster_slots_assigned:201\r\ncluster_slots_ok:201\r\ncluster_slots_pfail:0\r\ncluster_slots_fail:0\r\n' +
      'cluster_known_nodes:4\r\ncluster_size:2\r\ncluster_current_epoch:2\r\ncluster_my_epoch:2\r\n',
  );
});

test('MOVED prints an IPv6 host without brackets, as Redis does', () => {
  assert.equal(movedError(5 as Slot, { host: '::1', port: 7000 }), 'MOVED 5 ::1:7000');
  assert.equal(movedError(5 as Slot, { host: 'lb', port: 7000 }), 'MOVED 5 lb:7000');
});
