import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  formatHeartbeatArguments,
  formatHeartbeatReply,
  parseHeartbeatArguments,
  parseHeartbeatReply,
} from './heartbeat.ts';
import type { Heartbeat, HeartbeatReply } from './heartbeat.ts';
import { formatToken, parseToken } from './lease-token.ts';
import { closedWord, isLeaseValid, masteredWord, packWord, renewedWord, unpackWord } from './lease-word.ts';
import { majorityDeadlineMs, noLease, noUnarmedLease, renew, renewUnarmed, type RenewFacts } from './renew.ts';
import { nodeIdOf, processIdOf, shardMessage } from './testing/samples.ts';

const own = { nodeId: nodeIdOf('a'), processId: processIdOf('a') };
const facts: RenewFacts = {
  record: { ...shardMessage({ epoch: 3 }), resignedEpoch: 2 },
  own,
  nowMs: 10_000,
  loopStalledMs: 0,
  stallLimitMs: 5000,
};
const token = (clockMs: number, processId = own.processId): string => formatToken({ processId, clockMs });
const beat = (change: Partial<Heartbeat> = {}): Heartbeat => ({
  masterId: own.nodeId,
  leaseMs: 1000,
  epoch: 3,
  token: token(9900),
  controllerId: '',
  ...change,
});

test('a heartbeat is counted from the token it echoes, never from its arrival', () => {
  const renewal = renew(noLease, beat({ token: token(5000) }), facts);
  assert.equal(renewal.kind, 'renewed');
  assert.equal(renewal.deadlineMs, 6000, 'a heartbeat that waited 5 s in a socket buffer renews what has passed');
});

test('an older token never shortens the lease', () => {
  const first = renew(noLease, beat(), facts);
  assert.equal(first.kind, 'renewed');
  const second = renew(first.state, beat({ token: token(9000) }), facts);
  assert.equal(second.kind, 'renewed');
  assert.equal(second.deadlineMs, 10_900);
});

test('what does not belong to this process, epoch and time renews nothing and says why', () => {
  const rows: readonly (readonly [string, Partial<Heartbeat>, Partial<RenewFacts>])[] = [
    ['other-master', { masterId: nodeIdOf('b') }, {}],
    ['other-epoch', { epoch: 2 }, {}],
    ['other-epoch', { epoch: 4 }, {}],
    ['resigned', {}, { record: { ...facts.record, resignedEpoch: 3 } }],
    ['not-master-process', {}, { own: { ...own, processId: processIdOf('a', 2) } }],
    ['not-master-process', {}, { record: { ...facts.record, masterId: nodeIdOf('b') } }],
    ['no-token', { token: '' }, {}],
    ['no-token', { token: 'nonsense' }, {}],
    ['token-of-other-process', { token: token(9900, processIdOf('a', 2)) }, {}],
    ['token-from-future', { token: token(10_001) }, {}],
    ['loop-stalled', {}, { loopStalledMs: 5001 }],
    [
      'unknown-controller',
      { controllerId: 'controller9' },
      { record: { ...facts.record, controllers: ['controller1'] } },
    ],
  ];
  for (const [reason, change, otherFacts] of rows)
    assert.deepEqual(renew(noLease, beat(change), { ...facts, ...otherFacts }), { kind: 'unchanged', reason });
});

test('a loop that stood still just within the limit still renews', () => {
  assert.equal(renew(noLease, beat(), { ...facts, loopStalledMs: 5000 }).kind, 'renewed');
});

test('a heartbeat cannot grant longer than the record allows', () => {
  const renewal = renew(noLease, beat({ leaseMs: 60_000 }), facts);
  assert.equal(renewal.kind === 'renewed' && renewal.deadlineMs, 10_900);
});

test('deadlines of an earlier epoch do not count in the next', () => {
  const old = { epoch: 2, deadlines: new Map([['', 99_000]]) };
  const renewal = renew(old, beat(), facts);
  assert.equal(renewal.kind === 'renewed' && renewal.deadlineMs, 10_900);
});

test('the lease runs until the instant a majority of the counting controllers granted', () => {
  const controllers = ['controller1', 'controller2', 'controller3'];
  const record = { ...facts.record, controllers };
  let state = noLease;
  const ends: number[] = [];
  for (const [controllerId, at] of [
    ['controller1', 9900],
    ['controller2', 9500],
    ['controller3', 9800],
    ['controller2', 9950],
  ] as const) {
    const renewal = renew(state, beat({ controllerId, token: token(at) }), { ...facts, record });
    assert.equal(renewal.kind, 'renewed');
    state = renewal.state;
    ends.push(renewal.deadlineMs);
  }
  assert.deepEqual(ends, [0, 10_500, 10_800, 10_900]);
  assert.equal(majorityDeadlineMs(new Map([['controller1', 7]]), ['controller1', 'controller2']), 0, 'two of two');
});

test('an unarmed node counts from arrival as upstream does, unless a token is given', () => {
  const now = { own, nowMs: 10_000 };
  const fromArrival = renewUnarmed(noUnarmedLease, beat({ token: '' }), now);
  assert.deepEqual(fromArrival, { kind: 'renewed', lease: { electionVersion: 3, deadlineMs: 11_000 } });
  const fromToken = renewUnarmed(noUnarmedLease, beat(), now);
  assert.deepEqual(fromToken, { kind: 'renewed', lease: { electionVersion: 3, deadlineMs: 10_900 } });
  assert.equal(renewUnarmed(noUnarmedLease, beat({ token: token(10_001) }), now).kind, 'unchanged');
  assert.equal(renewUnarmed(noUnarmedLease, beat({ masterId: nodeIdOf('b') }), now).kind, 'unchanged');
});

test('an unarmed node refuses a lower election version and takes an equal or higher one', () => {
  const lease = { electionVersion: 4, deadlineMs: 0 };
  const refused = renewUnarmed(lease, beat(), { own, nowMs: 10_000 });
  assert.equal(refused.kind, 'refused');
  assert.match(refused.error, /election version mismatch/);
  for (const epoch of [4, 5])
    assert.equal(renewUnarmed(lease, beat({ epoch }), { own, nowMs: 10_000 }).kind, 'renewed');
});

test('tokens give back what was put in and nothing else is one', () => {
  assert.equal(token(1234.9), `${own.processId}-1234`);
  assert.deepEqual(parseToken(token(1234.9)), { processId: own.processId, clockMs: 1234 });
  for (const text of [
    '',
    '-',
    'abc',
    `${own.processId}-`,
    `${own.processId}--1`,
    `${own.processId}-1e3`,
    `${own.processId}-01`,
  ])
    assert.equal(parseToken(text), undefined, text);
});

test('the lease word keeps epoch and deadline together and rounds the deadline down', () => {
  for (const word of [
    { epoch: 0, deadlineMs: 0 },
    { epoch: 1, deadlineMs: 1 },
    { epoch: 2 ** 24 - 1, deadlineMs: 2 ** 39 - 1 },
  ]) {
    const packed = packWord(word);
    assert.equal(BigInt.asIntN(64, packed), packed, 'fits a signed 64-bit array');
    assert.deepEqual(unpackWord(packed), word);
  }
  assert.equal(unpackWord(packWord({ epoch: 1, deadlineMs: 5.9 })).deadlineMs, 5);
  assert.throws(() => packWord({ epoch: 2 ** 24, deadlineMs: 0 }));
  assert.throws(() => packWord({ epoch: 1, deadlineMs: 2 ** 39 }));
});

test('a renewal changes only the word of its own epoch, and only forwards', () => {
  const word = masteredWord(3);
  const renewed = renewedWord(word, 3, 500);
  assert.deepEqual(renewed === undefined ? undefined : unpackWord(renewed), { epoch: 3, deadlineMs: 500 });
  assert.equal(renewedWord(packWord({ epoch: 3, deadlineMs: 500 }), 3, 500), undefined);
  assert.equal(renewedWord(packWord({ epoch: 3, deadlineMs: 500 }), 3, 400), undefined);
  assert.equal(renewedWord(word, 2, 500), undefined);
  assert.equal(renewedWord(word, 4, 500), undefined);
  assert.equal(renewedWord(closedWord, 0, 500), undefined);
});

test('a lease is valid before its deadline, in its epoch', () => {
  const word = { epoch: 3, deadlineMs: 500 };
  assert.equal(isLeaseValid(word, 3, 499.999), true);
  assert.equal(isLeaseValid(word, 3, 500), false);
  assert.equal(isLeaseValid(word, 4, 0), false);
  assert.equal(isLeaseValid({ epoch: 0, deadlineMs: 500 }, 0, 0), false);
});

test('heartbeat arguments and replies give back what they were made of', () => {
  for (const heartbeat of [
    beat(),
    beat({ token: '' }),
    beat({ controllerId: 'controller1' }),
    beat({ token: '', controllerId: 'controller1' }),
  ])
    assert.deepEqual(parseHeartbeatArguments(formatHeartbeatArguments(heartbeat)), { kind: 'ok', heartbeat });
  const reply: HeartbeatReply = {
    role: 'slave',
    sequence: 42,
    lastEpoch: 6,
    epoch: 3,
    isrVersion: 1,
    version: 7,
    nodeId: own.nodeId,
    processId: own.processId,
    logId: 'databaseloga1',
    armed: true,
    mode: 'strict',
    replicationMode: 'sync',
    health: 'disk-stalled',
    loopStalledMs: 12,
    leaseRemainingMs: -4,
    masterLinkStatus: 'down',
    isrRequest: '',
    leaseToken: token(9900),
  };
  assert.deepEqual(parseHeartbeatReply(formatHeartbeatReply(reply)), reply);
});

test("upstream's three arguments and an INFO text as reply are understood", () => {
  assert.equal(parseHeartbeatArguments([own.nodeId, '1000', '3']).kind, 'ok');
  assert.deepEqual(parseHeartbeatArguments([own.nodeId, '0', '3']), { kind: 'refused', error: 'ERR invalid lease_ms' });
  assert.equal(parseHeartbeatArguments([own.nodeId, '1000']).kind, 'refused');
  const info = parseHeartbeatReply(
    '# Replication\r\nrole:master\r\nconnected_slaves:0\r\n\r\n# Keyspace\r\nsequence:9\r\n',
  );
  assert.equal(info?.role, 'master');
  assert.equal(info?.sequence, 9);
  assert.equal(info?.armed, false);
  assert.equal(parseHeartbeatReply('role:master\r\n'), undefined);
});
