import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FailoverFacts } from './failover-plan.ts';
import { electFor } from './failover-plan.ts';
import { decideReach, unreachedCause, type BalancerView, type ReachFacts } from './reach-plan.ts';
import { drainsClients, type ShardRecord } from './shard-record.ts';
import { logIdOf, nodeIdOf, shardMessage, viewOf } from './testing/samples.ts';
import { fenceTimes } from './times.ts';

const times = fenceTimes({ leaseMs: 1000 });
const isr = ['a', 'b', 'c'].map((name) => ({ nodeId: nodeIdOf(name), logId: logIdOf(name) }));
const stable: ShardRecord = { ...shardMessage({ epoch: 3, isr }), transition: null, changedAtMs: 5000 };
const master = viewOf('a', { role: 'master', epoch: 3 });
const [b, c] = [viewOf('b', { epoch: 3 }), viewOf('c', { epoch: 3 })];

const failoverFacts = (change: Partial<FailoverFacts> = {}): FailoverFacts => ({
  record: stable,
  views: [master, b],
  isLeased: true,
  replication: 'sync',
  withheldThrough: 2,
  times,
  wallMs: 100_000,
  ...change,
});

/** One balancer and for how long it has not heard of `a`, `b` and `c`. */
const view = (...silences: number[]): BalancerView => ({
  silentMs: new Map(silences.map((ms, index) => [nodeIdOf('abc'.charAt(index)), ms])),
});
const cutOff = view(650, 50, 50);
const reachFacts = (change: Partial<ReachFacts> = {}): ReachFacts => ({
  balancers: [cutOff],
  masterAnswersForMs: 200,
  ...change,
});

function decide(facts: Partial<FailoverFacts> = {}, reach: Partial<ReachFacts> = {}): string {
  const decision = decideReach(failoverFacts(facts), reachFacts(reach));
  switch (decision.kind) {
    case 'none':
      return 'none';
    case 'wait':
      return `wait: ${decision.reason}`;
    case 'switch-over':
      assert.equal(decision.cause, unreachedCause);
      return decision.candidateId.charAt(0);
  }
}

test('a master that only the balancer does not reach gives its role up to a replica that the balancer reaches', () => {
  const rows: readonly (readonly [string, string, Partial<FailoverFacts>, Partial<ReachFacts>])[] = [
    ['cut off', 'b', {}, {}],
    ['not for long enough', 'none', {}, { balancers: [view(649, 50)] }],
    ['reached', 'none', {}, { balancers: [view(50, 50)] }],
    ['only the replica is not reached', 'none', {}, { balancers: [view(50, 5000)] }],
    ['no balancer', 'none', {}, { balancers: [] }],
    ['a balancer that says nothing', 'none', {}, { balancers: [undefined] }],
    ['a balancer that does not ask the master', 'none', {}, { balancers: [view()] }],
    ['the first replica is not reached', 'c', { views: [master, b, c] }, { balancers: [view(700, 700, 50)] }],
    ['no master', 'none', { record: { ...stable, masterId: '-', processId: '-', isr: [] } }, {}],
    ['also without leases', 'b', { isLeased: false, replication: 'async' }, {}],
  ];
  for (const [what, expected, facts, reach] of rows) assert.equal(decide(facts, reach), expected, what);
});

test('a balancer that reaches nobody else is cut off itself: nothing is done', () => {
  const nobody = /^wait: the balancer reaches no other node/;
  assert.match(decide({}, { balancers: [view(5000, 5000)] }), nobody);
  assert.match(decide({}, { balancers: [view(650, 301)] }), nobody, 'nor one whose answer is not of this moment');
  assert.match(decide({}, { balancers: [view(5000)] }), nobody);
  assert.match(decide({ views: [master] }), nobody);
});

test('what a node is the matter with itself is not decided here', () => {
  assert.equal(
    decide({}, { masterAnswersForMs: 199 }),
    'none',
    'it does not answer the controller either, or just began',
  );
  for (const ill of [
    { ...master, isSuspect: true },
    viewOf('a', { role: 'master', epoch: 3, health: 'disk-stalled' }),
    viewOf('a', { role: 'slave', epoch: 3 }),
    { ...master, reply: undefined },
  ])
    assert.equal(decide({ views: [ill, b] }), 'none');
});

test('nothing is done while controllers do not agree that both nodes live', () => {
  const doubt = (name: string) => new Map([[nodeIdOf(name), { suspectedBy: 1, controllerCount: 3 }]]);
  assert.match(decide({ suspicions: doubt('a') }), /^wait: controllers do not agree/);
  assert.match(decide({ suspicions: doubt('b') }), /^wait: the balancer reaches no other node/);
  assert.equal(decide({ suspicions: doubt('b'), views: [master, b, c] }), 'c');
});

test('only who may follow is chosen: in sync, with the recorded log, well', () => {
  const outside = { ...stable, isr: isr.slice(0, 1) };
  assert.match(decide({ record: outside }), /^wait: of the nodes that the balancer reaches none may follow/);
  const replaced = viewOf('b', { epoch: 3, logId: logIdOf('b', 2) });
  assert.match(decide({ views: [master, replaced] }), /^wait: of the nodes/);
  assert.match(decide({ views: [master, viewOf('b', { health: 'loading' })] }), /^wait: of the nodes/);
  assert.equal(decide({ views: [master, replaced, c] }), 'c');
});

test('not twice within ten seconds', () => {
  const recent = { ...stable, changedAtMs: 95_000 };
  assert.match(decide({ record: recent }), /^wait: the shard changed its master less than 10000 ms ago/);
  assert.equal(decide({ record: recent, wallMs: 105_000 }), 'b');
  assert.equal(decide({ record: { ...stable, changedAtMs: 0 }, wallMs: 1 }), 'b', 'a shard that never changed');
});

test('of several balancers a majority decides, those that say nothing counted', () => {
  const fine = view(50, 50, 50);
  assert.equal(decide({}, { balancers: [cutOff, cutOff, fine] }), 'b');
  assert.equal(decide({}, { balancers: [cutOff, fine, fine] }), 'none');
  assert.equal(decide({}, { balancers: [cutOff, undefined] }), 'none');
  assert.equal(decide({}, { balancers: [cutOff, cutOff, undefined] }), 'b');
  assert.match(decide({}, { balancers: [cutOff, view(700, 700), undefined] }), /^wait: the balancer reaches no other/);
});

test('the connections that are cut at once are those of the switchover that the balancer caused', () => {
  for (const cutsAtOnce of [true, undefined]) {
    const excluded = [nodeIdOf('a')];
    const decision = electFor(failoverFacts(), { kind: 'switchover', cause: unreachedCause, excluded, cutsAtOnce });
    assert.ok(decision.kind === 'take-epoch');
    assert.equal(drainsClients(decision.record), cutsAtOnce !== true);
  }
  assert.equal(drainsClients(stable), false);
});
