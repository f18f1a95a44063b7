import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideFailover } from './failover-plan.ts';
import { checkTimes, fenceTimes } from './times.ts';
import { formerEpochEndMs, grantedLeaseMs, leaseUseOf, type FormerEpoch } from './lease-use.ts';
import { announce, takeEpoch, type ShardRecord } from './shard-record.ts';
import { formatShardArguments, parseShardArguments } from './shard-message.ts';
import { logIdOf, nodeIdOf, processIdOf, shardMessage, viewOf } from './testing/samples.ts';
import { planTransition, type TransitionFacts } from './transition-plan.ts';

test('the lease fence is waited for whatever replication does; F3 alone has leases that nobody waits for', () => {
  assert.equal(leaseUseOf(['lb', 'lease'], 'async'), 'awaited');
  assert.equal(leaseUseOf(['lease'], 'sync'), 'awaited');
  assert.equal(leaseUseOf([], 'sync'), 'unawaited');
  assert.equal(leaseUseOf(['lb'], 'sync'), 'unawaited');
  assert.equal(leaseUseOf(['lb'], 'async'), 'none');
});

test('a lease that nobody waits for is the longest that a node takes; no other time follows from it', () => {
  assert.equal(grantedLeaseMs('awaited', 1000), 1000);
  const leaseMs = grantedLeaseMs('unawaited', 1000);
  assert.equal(leaseMs, 60_000);
  assert.equal(parseShardArguments(formatShardArguments(shardMessage({ leaseMs }))).kind, 'ok');
  assert.notEqual(parseShardArguments(formatShardArguments(shardMessage({ leaseMs: leaseMs + 1 }))).kind, 'ok');
  const times = fenceTimes({ leaseMs: 1000 });
  const record: ShardRecord = { ...shardMessage({ leaseMs }), transition: null, changedAtMs: 0 };
  const decision = decideFailover({
    record,
    views: [viewOf('a', { role: 'master' }, { isSuspect: true }), viewOf('b')],
    isLeased: true,
    replication: 'sync',
    withheldThrough: 0,
    times: { ...times, leaseMs },
    wallMs: 100_000,
  });
  assert.equal(decision.kind === 'take-epoch' && decision.record.leaseMs, leaseMs);
  assert.deepEqual(checkTimes(times), []);
});

const stable: ShardRecord = { ...shardMessage({ epoch: 3, leaseMs: 60_000 }), transition: null, changedAtMs: 5000 };

function taken(kind: 'failover' | 'switchover'): ShardRecord {
  const isr = [{ nodeId: nodeIdOf('b'), logId: logIdOf('b') }];
  const next = { kind, cause: 'x', masterId: nodeIdOf('b'), processId: processIdOf('b'), isr, leaseMs: 60_000 };
  return takeEpoch(stable, { ...next, wallMs: 100_000 });
}

const promise: FormerEpoch['answers'] = [{ controllerId: '', promiseEndsMs: 61_000 }];

test('a failover waits for the promises of the former epoch, or for nothing at all', () => {
  const former: FormerEpoch = { record: taken('failover'), answers: promise, resignation: undefined };
  assert.equal(formerEpochEndMs('awaited', former), 61_000);
  assert.equal(formerEpochEndMs('awaited', { ...former, answers: [] }), undefined);
  assert.equal(formerEpochEndMs('unawaited', former), 0);
});

test('a switchover waits for what its master answers to RESIGN also where nobody waits for leases', () => {
  const former: FormerEpoch = { record: taken('switchover'), answers: promise, resignation: undefined };
  assert.equal(formerEpochEndMs('unawaited', former), undefined);
  assert.equal(formerEpochEndMs('unawaited', { ...former, resignation: 120 }), 0);
  assert.equal(formerEpochEndMs('unawaited', { ...former, resignation: 'failed' }), 0);
  assert.equal(formerEpochEndMs('awaited', { ...former, resignation: 'failed' }), 61_000);
});

test('without waiting a failover promotes at once, and a switchover as soon as its master has resigned', () => {
  const plan = (kind: 'failover' | 'switchover', resignation: TransitionFacts['resignation']): string => {
    const record = announce(taken(kind));
    const planned = planTransition({
      record,
      views: [viewOf('a', { role: 'master', epoch: 3 }, { isSuspect: kind === 'failover' }), viewOf('b', { epoch: 3 })],
      isLeased: true,
      version: 8,
      promisesEndMs: formerEpochEndMs('unawaited', { record, answers: promise, resignation }),
      resignation,
      isRefused: false,
      balancer: 'pending',
      isReleased: false,
      times: fenceTimes({ leaseMs: 1000 }),
      nowMs: 1500,
    });
    return planned.kind === 'steps' ? planned.steps.map((step) => step.kind).join(' ') : planned.kind;
  };
  assert.equal(plan('failover', undefined), 'promote');
  assert.equal(plan('switchover', undefined), 'withhold resign');
  assert.equal(plan('switchover', 100), 'promote');
  assert.equal(plan('switchover', 'failed'), 'promote');
});
