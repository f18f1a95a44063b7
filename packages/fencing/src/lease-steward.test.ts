import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HeartbeatReply } from './heartbeat.ts';
import { promisesEndMs } from './lease-grantor.ts';
import {
  composeHeartbeat,
  countWithheld,
  noteHeartbeatReply,
  noteRecord,
  startSteward,
  withholdAnswer,
  type HeartbeatFacts,
  type Steward,
} from './lease-steward.ts';
import { announce, finish, takeEpoch, type ShardRecord } from './shard-record.ts';
import { nodeIdOf, processIdOf, shardMessage, viewOf } from './testing/samples.ts';
import { fenceTimes } from './times.ts';

const controllers = ['controller1', 'controller2', 'controller3'];
const record: ShardRecord = { ...shardMessage({ epoch: 3, controllers }), transition: null, changedAtMs: 0 };
const replyOf = (change: Partial<HeartbeatReply> = {}): HeartbeatReply =>
  viewOf('a', { role: 'master', epoch: 3, leaseToken: 'token1', ...change }).reply ?? assert.fail();
const facts = (change: Partial<HeartbeatFacts> = {}): HeartbeatFacts => ({
  record,
  nodeId: nodeIdOf('a'),
  reply: replyOf(),
  controllerId: 'controller2',
  isLeased: true,
  isGranting: false,
  isPromoted: false,
  times: fenceTimes({ leaseMs: 1000 }),
  nowMs: 10_050,
  ...change,
});

/** Started long ago; heard the master at 10,000. */
function listening(of: ShardRecord = record): Steward {
  const reply = replyOf();
  return noteHeartbeatReply(startSteward(0, of), { record, nodeId: nodeIdOf('a'), reply, arrivedMs: 10_000 });
}
const says = (steward: Steward, change: Partial<HeartbeatFacts> = {}): string => {
  const { token, controllerId, masterId, epoch } = composeHeartbeat(steward, facts(change)).heartbeat;
  return `${masterId.slice(0, 1)}@${epoch} ${token}/${controllerId}`;
};

test('the recorded process gets a lease from each controller of its record, counted from when its token arrived', () => {
  const { steward, heartbeat } = composeHeartbeat(listening(), facts());
  assert.deepEqual(heartbeat, {
    masterId: nodeIdOf('a'),
    leaseMs: 1000,
    epoch: 3,
    token: 'token1',
    controllerId: 'controller2',
  });
  assert.equal(withholdAnswer(steward, 3, 10_100).answer.remainingMs, 910);
  const embedded = { ...record, controllers: [] };
  assert.equal(says(listening(embedded), { record: embedded }), 'a@3 token1/controller2');
});

test('nobody else gets one: other nodes, other processes, strangers among the controllers, tokens never heard', () => {
  const rows: readonly Partial<HeartbeatFacts>[] = [
    { nodeId: nodeIdOf('b'), reply: replyOf({ processId: processIdOf('b') }) },
    { reply: replyOf({ processId: processIdOf('a', 2) }) },
    { controllerId: 'controller9' },
    { reply: replyOf({ leaseToken: 'token2' }) },
  ];
  for (const change of rows) assert.equal(says(listening(), change), 'a@3 /');
  assert.equal(says(listening(), { reply: replyOf({ armed: false }) }), '-@3 /', 'its own name would be a grant');
  assert.equal(says(listening(), { isLeased: false }), 'a@3 token1/');
});

test('a token of another node than the master is not kept', () => {
  const steward = startSteward(0, record);
  const of = { record, nodeId: nodeIdOf('b'), reply: replyOf(), arrivedMs: 1 };
  assert.equal(noteHeartbeatReply(steward, of), steward);
});

const next = takeEpoch(record, {
  kind: 'failover',
  cause: 'no-reply',
  masterId: nodeIdOf('a'),
  processId: processIdOf('a'),
  isr: record.isr,
  leaseMs: 1000,
  wallMs: 0,
});

test('while an epoch is being brought about only the leader that waited grants it, or whoever sees the node act', () => {
  const during = { record: next, reply: replyOf({ epoch: 3 }) };
  assert.equal(says(listening(next), during), 'a@4 /');
  assert.equal(says(listening(next), { ...during, isGranting: true }), 'a@4 token1/controller2');
  assert.equal(says(listening(next), { ...during, isPromoted: true }), 'a@4 token1/controller2');
  const acting = { record: next, reply: replyOf({ epoch: 4 }) };
  assert.equal(says(listening(next), acting), 'a@4 token1/controller2');
  const obeying = { record: next, reply: replyOf({ epoch: 4, role: 'slave' }) };
  assert.equal(says(listening(next), obeying), 'a@4 /');
});

test('once the store showed a higher epoch the former is not granted any more, whatever the mirror says', () => {
  const steward = noteRecord(listening(), next);
  assert.equal(says(steward, { record }), 'a@3 /');
  assert.equal(noteRecord(steward, record), steward, 'and is not taken back');
});

test('what was withheld stays withheld, asked twice or for less', () => {
  const withheld = withholdAnswer(withholdAnswer(listening(), 3, 0).steward, 2, 0).steward;
  assert.equal(says(withheld), 'a@3 /');
});

test('a controller that just read the store answers a whole lease, one that found no record nothing', () => {
  assert.deepEqual(withholdAnswer(startSteward(5000, record), 3, 5000).answer, { epoch: 3, remainingMs: 1010 });
  assert.deepEqual(withholdAnswer(startSteward(5000, undefined), 3, 5000).answer, { epoch: 3, remainingMs: 0 });
  assert.equal(withholdAnswer(startSteward(5000, record), 3, 6000.5).answer.remainingMs, 10, 'rounded up');
});

test('the leader counts an answer from its arrival, plus a hundredth, and waits for a majority', () => {
  const answers = [countWithheld('controller1', { epoch: 3, remainingMs: 500 }, 20_000)];
  assert.equal(promisesEndMs(answers, controllers), undefined);
  answers.push(countWithheld('controller3', { epoch: 3, remainingMs: 100 }, 20_100));
  assert.equal(promisesEndMs(answers, controllers), 20_505);
});

test('a controller that starts in a transition waits for the longer lease of the epoch before', () => {
  const first: ShardRecord = { ...shardMessage({ epoch: 1, leaseMs: 1000 }), transition: null, changedAtMs: 0 };
  const taken = takeEpoch(first, {
    kind: 'failover',
    cause: 'operator',
    masterId: nodeIdOf('b'),
    processId: processIdOf('b'),
    isr: [],
    leaseMs: 400,
    wallMs: 0,
  });
  assert.equal(withholdAnswer(startSteward(5000, taken), 1, 5000).answer.remainingMs, 1010);
  // Also when the candidate was lost, and the epoch after it is being brought about.
  const again = takeEpoch(taken, { ...taken, kind: 'failover', cause: 'lost', leaseMs: 400, wallMs: 0 });
  assert.equal(withholdAnswer(startSteward(5000, again), 2, 5000).answer.remainingMs, 1010);
  const done = finish(announce(again), 0);
  assert.equal(withholdAnswer(startSteward(5000, done), 3, 5000).answer.remainingMs, 404);
});
