import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noteLapse } from './lapse.ts';
import { tellNode, type TellingFacts } from './node-telling.ts';
import { shardMessage } from './testing/samples.ts';

const record = { ...shardMessage({ epoch: 3, isrVersion: 2 }), transition: null, changedAtMs: 0 };
const told = { epoch: 3, isrVersion: 2, version: 7 };
const asked = (change: Partial<TellingFacts>): string => {
  const facts = { record, reply: told, isLeased: true, mayTellNodes: true, version: 7, isSettled: true };
  const { wantsShard, wantsTopology } = tellNode({ ...facts, ...change });
  return [wantsShard ? 'shard' : '', wantsTopology ? 'topology' : ''].join(' ').trim();
};

test('a node is told what it lacks, and the topology never without the record before it', () => {
  assert.equal(asked({}), '');
  assert.equal(asked({ reply: { ...told, isrVersion: 1 } }), 'shard');
  assert.equal(asked({ reply: { ...told, epoch: 2, isrVersion: 9 } }), 'shard');
  assert.equal(asked({ version: 8 }), 'shard topology', 'armed by its last word is not armed now');
  assert.equal(asked({ version: 8, isSettled: false }), '');
  assert.equal(asked({ version: 8, isLeased: false }), 'topology');
});

test('while the record may not be told the topology is not either: a wiped master would serve by it', () => {
  assert.equal(asked({ version: 8, reply: { epoch: 0, isrVersion: 0, version: -1 }, mayTellNodes: false }), '');
  assert.equal(asked({ version: 8, isLeased: false, mayTellNodes: false }), 'topology');
});

test('a lapse is counted anew in every epoch, and over with the first lease', () => {
  const reply = { role: 'master', leaseRemainingMs: 0, epoch: 3 } as const;
  const first = noteLapse(undefined, reply, 100);
  assert.deepEqual(first, { epoch: 3, sinceMs: 100 });
  assert.deepEqual(noteLapse(first, { ...reply, leaseRemainingMs: -50 }, 900), first);
  assert.deepEqual(noteLapse(first, { ...reply, epoch: 4 }, 900), { epoch: 4, sinceMs: 900 });
  assert.equal(noteLapse(first, { ...reply, leaseRemainingMs: 1 }, 900), undefined);
  assert.equal(noteLapse(first, { ...reply, role: 'slave' }, 900), undefined);
});
