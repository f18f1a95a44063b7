import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeId, Version } from './cluster-node.ts';
import { parseNodes } from './node-lines.ts';
import { TopologyRefusal } from './refusal.ts';
import { formatSlotRanges, parseSlotList, type SlotRange } from './slot-range.ts';
import type { Slot } from './slot.ts';
import { findByAddress, judgeVersion, Topology } from './topology.ts';

const a = 'a'.repeat(40) as NodeId;
const b = 'b'.repeat(40) as NodeId;
const r = 'r'.repeat(40) as NodeId;
const unknown = 'u'.repeat(40) as NodeId;

function topology(payload: string, version = 1n): Topology {
  const parsed = parseNodes(payload);
  assert.ok(!(parsed instanceof TopologyRefusal));
  return Topology.of(parsed, version as Version);
}

function ranges(list: string): SlotRange[] {
  const parsed = parseSlotList(list);
  assert.ok(!(parsed instanceof TopologyRefusal));
  return parsed;
}

const cluster = `${a} h 1 master - 0-9\n${r} h 3 slave ${a}\n${b} h 2 master - 20-29`;

test('before any topology there is a version of -1, no node and no owner', () => {
  const empty = Topology.uninitialized(a);
  assert.equal(empty.version, -1n);
  assert.equal(empty.initialized, false);
  assert.equal(empty.selfId, a);
  assert.equal(empty.self, undefined);
  assert.equal(empty.ownerOf(0 as Slot), undefined);
  assert.equal(empty.assignedSlotCount, 0);
});

test('owners, replicas and ranges are looked up', () => {
  const known = topology(cluster);
  assert.equal(known.ownerOf(9 as Slot)?.id, a);
  assert.equal(known.ownerOf(10 as Slot), undefined);
  assert.equal(known.ownerOf(20 as Slot)?.id, b);
  assert.deepEqual(
    known.replicasOf(a).map((replica) => replica.id),
    [r],
  );
  assert.deepEqual(known.replicasOf(b), []);
  assert.equal(formatSlotRanges(known.rangesOf(b)), '20-29');
  assert.deepEqual(known.rangesOf(r), []);
  assert.deepEqual(known.rangesOf(unknown), []);
  assert.equal(known.node(r)?.role, 'replica');
  assert.equal(known.node(unknown), undefined);
  assert.equal(known.assignedSlotCount, 20);
  assert.equal(known.size, 2);
  assert.deepEqual(
    known.ownedRanges().map(({ range, owner }) => [range.start, range.stop, owner.id]),
    [
      [0, 9, a],
      [20, 29, b],
    ],
  );
});

test('a slot that the new topology does not name has no owner any more', () => {
  const next = topology(`${b} h 2 master - 20-29`, 2n);
  assert.equal(next.ownerOf(0 as Slot), undefined);
});

test('the same topology seen by another of its nodes', () => {
  const known = topology(cluster);
  assert.equal(known.withSelf(r).self?.id, r);
  assert.equal(known.withSelf(unknown).self, undefined);
  assert.equal(known.withSelf(unknown).selfId, unknown);
  assert.equal(known.self, undefined);
});

test('SETSLOT moves slots to a master and leaves the old value as it was', () => {
  const known = topology(cluster);
  const next = known.applySetSlot(ranges('5-25 100'), b, 2n as Version);
  assert.ok(next instanceof Topology);
  assert.equal(next.version, 2n);
  assert.equal(formatSlotRanges(next.rangesOf(a)), '0-4');
  assert.equal(formatSlotRanges(next.rangesOf(b)), '5-29 100');
  assert.equal(formatSlotRanges(known.rangesOf(a)), '0-9');
  const emptied = next.applySetSlot(ranges('0-16383'), b, 3n as Version);
  assert.ok(emptied instanceof Topology);
  assert.equal(emptied.size, 1);
});

const setSlotRefusals: readonly [string, NodeId, bigint, string][] = [
  ['the version is the present one', b, 1n, 'Invalid cluster version'],
  ['a version is skipped', b, 3n, 'Invalid cluster version'],
  ['the version is 0', b, 0n, 'Invalid cluster version'],
  ['the node is unknown', unknown, 2n, 'No this node in the cluster'],
  ['the node is a replica', r, 2n, "The node isn't a master"],
];
for (const [why, id, version, reason] of setSlotRefusals) {
  test(`SETSLOT is refused when ${why}`, () => {
    const known = topology(cluster);
    const answer = known.applySetSlot(ranges('5'), id, version as Version);
    assert.ok(answer instanceof TopologyRefusal);
    assert.equal(answer.message, `ERR ${reason}`);
    assert.equal(known.nodes.length, 3);
  });
}

test('SETSLOT before any topology is refused: there is no node to own a slot', () => {
  const answer = Topology.uninitialized(a).applySetSlot(ranges('5'), a, 0n as Version);
  assert.ok(answer instanceof TopologyRefusal);
  assert.equal(answer.reason, 'Invalid cluster version');
});

test('a version is applied, says nothing new or is refused', () => {
  const judge = (current: bigint, next: bigint, force = false): string =>
    judgeVersion(current as Version, next as Version, force);
  assert.equal(judge(5n, 6n), 'apply');
  assert.equal(judge(5n, 900n), 'apply');
  assert.equal(judge(-1n, 0n), 'apply');
  assert.equal(judge(5n, 5n), 'nothing-new');
  assert.equal(judge(5n, 4n), 'refuse');
  assert.equal(judge(5n, 5n, true), 'apply');
  assert.equal(judge(5n, 4n, true), 'apply');
  assert.equal(judge(5n, -1n, true), 'refuse');
  assert.equal(judge(-1n, -1n), 'refuse');
});

test('a node is recognised by its port and one of its hosts, the first in payload order', () => {
  const known = topology(`${a} 127.0.0.1 1 master -\n${b} ::1 2 master -\n${r} 127.0.0.1 1 slave ${a}`);
  const find = (port: number, ...hosts: string[]): string | undefined =>
    findByAddress(known.nodes, { port, hosts })?.id;
  assert.equal(find(1, '127.0.0.1'), a);
  assert.equal(find(2, '10.0.0.1', '0:0:0:0:0:0:0:1'), b);
  assert.equal(find(2, '127.0.0.1'), undefined);
  assert.equal(find(3, '127.0.0.1'), undefined);
  assert.equal(find(1), undefined);
});
