import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acceptShard, resign } from './accept-shard.ts';
import { actingRole, fencedRole, unarmedRecord, type FenceRecord, type ShardMessage } from './fence-record.ts';
import { logIdOf, nodeIdOf, processIdOf, shardMessage } from './testing/samples.ts';

const own = { nodeId: nodeIdOf('a'), processId: processIdOf('a') };
const unarmed = unarmedRecord({ logId: logIdOf('a'), bootId: 'boot-1', mode: 'disabled' });

function accept(record: FenceRecord, change: Partial<ShardMessage>, as = own) {
  const accepted = acceptShard(record, shardMessage(change), as);
  assert.equal(accepted.kind, 'accepted', accepted.kind === 'refused' ? accepted.error : '');
  return accepted;
}

test('the first SHARD arms the node, strict whatever its configuration says', () => {
  const accepted = accept(unarmed, {});
  assert.equal(accepted.effect, 'become-master');
  assert.equal(accepted.voidDeadline, true);
  assert.equal(accepted.record.armed, true);
  assert.equal(accepted.record.mode, 'strict');
  assert.equal(accepted.record.logId, logIdOf('a'));
});

test('a lower epoch or isr-version is refused and says both', () => {
  const { record } = accept(unarmed, { epoch: 5, isrVersion: 2 });
  for (const change of [
    { epoch: 4, isrVersion: 9 },
    { epoch: 5, isrVersion: 1 },
  ]) {
    const refused = acceptShard(record, shardMessage(change), own);
    assert.equal(refused.kind, 'refused');
    assert.match(refused.error, /^ERR stale shard record: \([45], [19]\) is below \(5, 2\)$/);
  }
});

test('an equal record is accepted again and changes nothing', () => {
  const { record } = accept(unarmed, { epoch: 5 });
  const again = accept(record, { epoch: 5 });
  assert.deepEqual(again, { kind: 'accepted', record, effect: 'keep', voidDeadline: false });
});

test('the same epoch never changes its master, its process or, at the same version, its ISR', () => {
  const { record } = accept(unarmed, { epoch: 5 });
  const conflicts: Partial<ShardMessage>[] = [
    { masterId: nodeIdOf('b'), isrVersion: 1 },
    { processId: processIdOf('a', 2), isrVersion: 1 },
    { isr: [] },
  ];
  for (const change of conflicts) {
    const refused = acceptShard(record, shardMessage({ epoch: 5, ...change }), own);
    assert.equal(refused.kind, 'refused');
    assert.match(refused.error, /^ERR conflicting shard record: /);
  }
});

test('mastership needs the own node id and the own process id', () => {
  assert.equal(accept(unarmed, {}).effect, 'become-master');
  assert.equal(accept(unarmed, { processId: processIdOf('a', 2) }).effect, 'become-replica');
  assert.equal(accept(unarmed, { masterId: nodeIdOf('b') }).effect, 'become-replica');
  assert.equal(accept(unarmed, { masterId: '-', processId: '-' }).effect, 'become-replica');
});

test('a restarted process is not the master its record names', () => {
  const { record } = accept(unarmed, {});
  const restarted = { ...own, processId: processIdOf('a', 2) };
  assert.equal(fencedRole(record, own), 'master');
  assert.equal(fencedRole(record, restarted), 'replica');
  assert.equal(accept(record, {}, restarted).effect, 'keep');
  assert.equal(actingRole(record, restarted, 'master'), 'none');
});

test('on an armed node the topology alone makes nobody master; unarmed, it decides', () => {
  const { record } = accept(unarmed, { masterId: nodeIdOf('b'), processId: processIdOf('b') });
  assert.equal(actingRole(record, own, 'master'), 'none');
  assert.equal(actingRole(record, own, 'replica'), 'replica');
  assert.equal(actingRole(unarmed, own, 'master'), 'master');
  assert.equal(actingRole(unarmed, own, 'none'), 'none');
});

test('a node whose log was replaced since it was chosen refuses the promotion', () => {
  const resynced = { ...unarmed, logId: logIdOf('a', 2) };
  const refused = acceptShard(resynced, shardMessage(), own);
  assert.equal(refused.kind, 'refused');
  assert.match(refused.error, /names log databaseloga1 of this node, which now has databaseloga2/);
});

test('every change of epoch voids the deadline, a change of the ISR alone does not', () => {
  const first = accept(unarmed, { epoch: 5 }).record;
  assert.equal(accept(first, { epoch: 6 }).voidDeadline, true);
  assert.equal(accept(first, { epoch: 5, isrVersion: 1, isr: [] }).voidDeadline, false);
});

test('the largest lease of an epoch counts, a new epoch may shorten it', () => {
  const first = accept(unarmed, { epoch: 5, leaseMs: 1000 }).record;
  const longer = accept(first, { epoch: 5, isrVersion: 1, leaseMs: 2000 }).record;
  assert.equal(longer.leaseMs, 2000);
  assert.equal(accept(longer, { epoch: 5, isrVersion: 2, leaseMs: 500 }).record.leaseMs, 2000);
  assert.equal(accept(longer, { epoch: 6, leaseMs: 500 }).record.leaseMs, 500);
});

test('only the present epoch can be resigned, twice is the same as once, and it ends the role', () => {
  const { record } = accept(unarmed, { epoch: 5 });
  for (const epoch of [4, 6]) assert.equal(resign(record, epoch).kind, 'refused');
  assert.equal(resign(unarmed, 0).kind, 'refused');
  const resigned = resign(record, 5);
  assert.equal(resigned.kind, 'resigned');
  assert.equal(fencedRole(resigned.record, own), 'replica');
  assert.deepEqual(resign(resigned.record, 5), resigned);
  assert.equal(accept(resigned.record, { epoch: 5, isrVersion: 1 }).effect, 'keep', 'said again it gives nothing back');
  assert.equal(accept(resigned.record, { epoch: 6 }).effect, 'become-master', 'a later epoch may choose it again');
});
