import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeView } from './candidate.ts';
import { decideFailover, type FailoverFacts } from './failover-plan.ts';
import { announce, checkShardSuccession, finish, takeEpoch, type ShardRecord } from './shard-record.ts';
import { decideSwitchover, type SwitchoverFacts } from './switchover-plan.ts';
import { logIdOf, nodeIdOf, processIdOf, shardMessage, viewOf } from './testing/samples.ts';
import { fenceTimes } from './times.ts';
import { planTransition, type TransitionFacts, type TransitionPlan } from './transition-plan.ts';

const times = fenceTimes({ leaseMs: 1000 });
const stable: ShardRecord = { ...shardMessage({ epoch: 3 }), transition: null, changedAtMs: 5000 };
const master = viewOf('a', { role: 'master', epoch: 3 });
const replica = viewOf('b', { epoch: 3 });
const suspected: NodeView = { ...master, isSuspect: true };

const failoverFacts = (change: Partial<FailoverFacts> = {}): FailoverFacts => ({
  record: stable,
  views: [master, replica],
  isLeased: true,
  replication: 'async',
  withheldThrough: 2,
  times,
  wallMs: 100_000,
  ...change,
});

test('a shard whose master answers, is well and acts needs nothing', () => {
  assert.deepEqual(decideFailover(failoverFacts()), { kind: 'none' });
});

test('each trouble of the master takes the next epoch with its cause', () => {
  const rows: readonly (readonly [string, string, Partial<FailoverFacts>])[] = [
    ['no-reply', 'b', { views: [suspected, replica] }],
    ['process-changed', 'a', { views: [viewOf('a', { epoch: 3, processId: processIdOf('a', 2) }), replica] }],
    ['write-failed', 'b', { views: [viewOf('a', { role: 'master', epoch: 3, health: 'write-failed' }), replica] }],
    ['disk-stalled', 'b', { views: [viewOf('a', { role: 'master', epoch: 3, health: 'disk-stalled' }), replica] }],
    ['loop-stalled', 'b', { views: [viewOf('a', { role: 'master', epoch: 3, loopStalledMs: 5001 }), replica] }],
    ['epoch-withheld', 'a', { withheldThrough: 3 }],
    ['lease-not-taken', 'a', { views: [{ ...master, lapsedForMs: 2001 }, replica] }],
    ['not-acting', 'a', { views: [viewOf('a', { epoch: 3 }), replica] }],
    ['no-master', 'a', { record: { ...stable, masterId: '-', processId: '-', isr: [] } }],
  ];
  for (const [cause, chosen, change] of rows) {
    const decision = decideFailover(failoverFacts(change));
    assert.equal(decision.kind, 'take-epoch', cause);
    assert.equal(decision.record.transition?.cause, cause);
    assert.equal(decision.record.epoch, 4);
    assert.equal(decision.record.masterId, nodeIdOf(chosen), cause);
  }
});

test('a restarted master whose database was replaced gives way to its replica', () => {
  const wiped = viewOf('a', { epoch: 3, processId: processIdOf('a', 2), logId: logIdOf('a', 2), sequence: 500 });
  const decision = decideFailover(failoverFacts({ views: [wiped, replica] }));
  assert.equal(decision.kind === 'take-epoch' && decision.record.masterId, nodeIdOf('b'));
});

test('a reachable master is not replaced twice within ten seconds, an unreachable one is', () => {
  const recent = { ...stable, changedAtMs: 95_000 };
  const sick = [viewOf('a', { role: 'master', epoch: 3, health: 'write-failed' }), replica];
  const waiting = decideFailover(failoverFacts({ record: recent, views: sick }));
  assert.equal(waiting.kind === 'wait' && waiting.untilWallMs, 105_000);
  const hung = decideFailover(failoverFacts({ record: recent, views: [suspected, replica] }));
  assert.equal(hung.kind, 'take-epoch');
});

test('a node in a later epoch than the store is an alarm, not a reason to act', () => {
  const decision = decideFailover(failoverFacts({ views: [suspected, viewOf('b', { epoch: 4 })] }));
  assert.equal(decision.kind, 'alarm');
});

test('without leases only silence and health count', () => {
  const restarted = viewOf('a', { role: 'master', epoch: 0, processId: processIdOf('a', 2) });
  assert.equal(decideFailover(failoverFacts({ isLeased: false, views: [restarted, replica] })).kind, 'none');
  assert.equal(decideFailover(failoverFacts({ isLeased: false, views: [suspected, replica] })).kind, 'take-epoch');
});

const taken = takeEpoch(stable, {
  kind: 'failover',
  cause: 'no-reply',
  masterId: nodeIdOf('b'),
  processId: processIdOf('b'),
  isr: [],
  leaseMs: 1000,
  wallMs: 100_000,
});
const promoted = viewOf('b', { role: 'master', epoch: 4, version: 8 });
const facts = (change: Partial<TransitionFacts> = {}): TransitionFacts => ({
  record: taken,
  views: [suspected, replica],
  isLeased: true,
  version: 8,
  promisesEndMs: 2000,
  resignation: undefined,
  isRefused: false,
  balancer: 'pending',
  isReleased: false,
  times,
  nowMs: 1500,
  ...change,
});
const said = (plan: TransitionPlan): string =>
  plan.kind === 'steps'
    ? plan.steps.map(({ kind }) => kind).join(' ')
    : plan.kind === 'wait'
      ? `wait ${plan.untilMs}`
      : 'done';

test('a failover withholds, waits, announces just before the promises end, and only then promotes', () => {
  const announced = announce(taken);
  const rows: readonly (readonly [string, Partial<TransitionFacts>])[] = [
    ['withhold', { promisesEndMs: undefined }],
    ['wait 1850', {}],
    ['wait 1850', { nowMs: 1849 }],
    ['announce', { nowMs: 1850 }],
    ['announce', { nowMs: 2500 }],
    ['wait 2000', { record: announced, nowMs: 1999.9 }],
    ['promote', { record: announced, nowMs: 2000 }],
    ['withhold', { record: announced, nowMs: 2000, promisesEndMs: undefined }],
    ['move-balancer', { record: announced, views: [suspected, promoted] }],
    ['finish', { record: announced, views: [suspected, promoted], balancer: 'moved' }],
    ['finish', { record: announced, views: [suspected, promoted], balancer: 'failing' }],
    ['done', { record: finish(announced, 100_000) }],
  ];
  for (const [expected, change] of rows) assert.equal(said(planTransition(facts(change))), expected);
});

test('a candidate counts as promoted only with its own process, the epoch, the role and the topology', () => {
  const record = announce(taken);
  const half = [{ epoch: 3 }, { role: 'slave' as const }, { version: 7 }];
  for (const change of half) {
    const views = [suspected, viewOf('b', { role: 'master', epoch: 4, version: 8, ...change })];
    assert.equal(said(planTransition(facts({ record, views, nowMs: 2000 }))), 'promote', JSON.stringify(change));
  }
});

test('a candidate that is lost at any point is replaced in the epoch after', () => {
  const lost: readonly Partial<TransitionFacts>[] = [
    { views: [suspected, { ...replica, isSuspect: true }] },
    { views: [suspected, viewOf('b', { processId: processIdOf('b', 2) })] },
    { views: [suspected, viewOf('b', { health: 'loading' })] },
    { isRefused: true },
    { record: announce(taken), views: [suspected, { ...promoted, isSuspect: true }] },
  ];
  for (const change of lost) assert.equal(said(planTransition(facts(change))), 'elect-again');
});

test('a candidate that was restarted may be chosen again, one that refused may not', () => {
  const restarted = { views: [suspected, viewOf('b', { processId: processIdOf('b', 2) })] };
  const again = { kind: 'elect-again', excluded: [], reason: 'the candidate was restarted' };
  assert.deepEqual(planTransition(facts(restarted)), { kind: 'steps', steps: [again] });
  const refused = planTransition(facts({ isRefused: true }));
  assert.deepEqual(refused.kind === 'steps' && refused.steps[0]?.kind === 'elect-again' && refused.steps[0].excluded, [
    nodeIdOf('b'),
  ]);
});

test('without leases nothing is waited for', () => {
  const plain = { isLeased: false, promisesEndMs: undefined };
  assert.equal(said(planTransition(facts(plain))), 'announce');
  assert.equal(said(planTransition(facts({ ...plain, record: announce(taken) }))), 'promote');
});

const switching = takeEpoch(stable, { ...switchTo(), kind: 'switchover' });
function switchTo() {
  return { cause: 'operator', masterId: nodeIdOf('b'), processId: processIdOf('b'), isr: [], leaseMs: 1000, wallMs: 1 };
}

test('a switchover asks for the resignation and promotes once the candidate has all of it', () => {
  const record = announce(switching);
  const views = [master, replica];
  const rows: readonly (readonly [string, Partial<TransitionFacts>])[] = [
    ['withhold resign announce', { record: switching, promisesEndMs: undefined }],
    ['resign', { record }],
    ['wait 2000', { record, resignation: 101 }],
    ['promote', { record, resignation: 100 }],
    ['wait 2000', { record, resignation: 'failed' }],
    ['promote', { record, resignation: 'failed', nowMs: 2000 }],
    ['release', { record, views: [master, promoted], resignation: 100, balancer: 'moved' }],
    ['finish', { record, views: [master, promoted], resignation: 100, balancer: 'moved', isReleased: true }],
  ];
  for (const [expected, change] of rows)
    assert.equal(said(planTransition(facts({ views, ...change }))), expected, JSON.stringify(change));
});

test('a switchover holds first, commits once the candidate is level, and gives the clients back otherwise', () => {
  const base: SwitchoverFacts = {
    record: stable,
    views: [master, replica],
    isLeased: true,
    candidateId: nodeIdOf('b'),
    heldSequence: undefined,
    holdBeganMs: undefined,
    times,
    nowMs: 1000,
  };
  const say = (change: Partial<SwitchoverFacts>): string => decideSwitchover({ ...base, ...change }).kind;
  assert.equal(say({}), 'hold');
  assert.equal(say({ isLeased: false }), 'commit');
  assert.equal(say({ holdBeganMs: 1000, heldSequence: 101 }), 'wait');
  assert.equal(say({ holdBeganMs: 1000, heldSequence: 100 }), 'commit');
  assert.deepEqual(decideSwitchover({ ...base, holdBeganMs: 1000, heldSequence: 101, nowMs: 1500 }), {
    kind: 'give-up',
    isHeld: true,
    reason: 'the candidate did not catch up while clients were held',
  });
  assert.equal(say({ record: taken }), 'give-up');
  assert.equal(say({ views: [suspected, replica] }), 'give-up');
  assert.equal(say({ views: [master, viewOf('b', { masterLinkStatus: 'down' })] }), 'give-up');
  assert.equal(say({ views: [{ ...viewOf('a', { role: 'master', sequence: 20_000 }) }, replica] }), 'give-up');
  assert.equal(say({ candidateId: nodeIdOf('a') }), 'give-up');
});

test('the store never takes an epoch back, skips one, or gives one another master', () => {
  assert.throws(() => checkShardSuccession(taken, stable));
  assert.throws(() => checkShardSuccession(stable, { ...taken, epoch: 5 }));
  assert.throws(() => checkShardSuccession(stable, { ...stable, masterId: nodeIdOf('b') }));
  assert.throws(() => checkShardSuccession(stable, { ...stable, processId: processIdOf('a', 2) }));
  assert.throws(() => finish(taken, 1), 'not announced');
});

test('a creation is no change of master: the first one after it waits for nothing', () => {
  assert.equal(finish(announce(taken), 200_000).changedAtMs, 200_000);
  const created = takeEpoch({ ...stable, changedAtMs: 0 }, { ...switchTo(), kind: 'creation' });
  assert.equal(finish(announce(created), 200_000).changedAtMs, 0);
});
