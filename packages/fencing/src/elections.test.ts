import assert from 'node:assert/strict';
import { test } from 'node:test';
import { elect, nextIsr, reaches, type Election, type NodeView } from './candidate.ts';
import { mayFollowControllers, nextControllers } from './controllers.ts';
import { decideFailover, electFor, planHealthSwitchover, type FailoverFacts } from './failover-plan.ts';
import { checkShardSuccession, takeEpoch, type ShardRecord } from './shard-record.ts';
import { logIdOf, nodeIdOf, processIdOf, shardMessage, viewOf } from './testing/samples.ts';
import { fenceTimes } from './times.ts';

const memberOf = (name: string) => ({ nodeId: nodeIdOf(name), logId: logIdOf(name) });
const electionOf = (views: readonly NodeView[], change: Partial<Election> = {}): Election => ({
  views,
  excluded: [],
  isr: ['a', 'b', 'c'].map(memberOf),
  replication: 'sync',
  ...change,
});
const chosen = (election: Election): string => {
  const elected = elect(election);
  if (elected.kind === 'nobody') return 'nobody';
  return `${elected.candidate.nodeId.slice(0, 1)}${elected.mayLoseWrites ? ' with loss' : ''}`;
};
const away: Partial<NodeView> = { isSuspect: true };

test('members are ranked by the epoch of their last entry, then by sequence', () => {
  const views = [
    viewOf('a', { lastEpoch: 2, sequence: 900 }),
    viewOf('b', { lastEpoch: 3, sequence: 90 }),
    viewOf('c', { lastEpoch: 3, sequence: 91 }, { wasAttached: false }),
  ];
  assert.equal(chosen(electionOf(views)), 'c');
  assert.equal(chosen(electionOf(views, { replication: 'async' })), 'b', 'async: who followed the last master');
  assert.equal(chosen(electionOf(views, { preferredId: nodeIdOf('a') })), 'a', 'any member has what was acknowledged');
});

test('outside the ISR only an operator may choose, who is told of the loss', () => {
  const views = [viewOf('a', {}, away), viewOf('b', { logId: logIdOf('b', 2) }), viewOf('d', { sequence: 50 })];
  const election = electionOf(views, { isr: [memberOf('a'), memberOf('b')] });
  assert.equal(chosen(election), 'nobody');
  assert.equal(chosen({ ...election, preferredId: nodeIdOf('d') }), 'nobody');
  assert.equal(chosen({ ...election, acceptDataLoss: true }), 'b with loss');
  assert.equal(chosen({ ...election, acceptDataLoss: true, preferredId: nodeIdOf('d') }), 'd with loss');
  const safe = electionOf([...views.slice(0, 1), viewOf('b')], { acceptDataLoss: true });
  assert.equal(chosen(safe), 'b', 'not without need');
});

test('when every member is back with another log the longest is taken; with one missing, ill or unchanged it is not', () => {
  const changed = (name: string, sequence: number, lastEpoch = 3): NodeView =>
    viewOf(name, { logId: logIdOf(name, 2), sequence, lastEpoch });
  const all = [changed('a', 10), changed('b', 900, 2), changed('c', 12)];
  assert.equal(chosen(electionOf(all)), 'c with loss');
  const rows: readonly NodeView[] = [
    viewOf('b', { logId: logIdOf('b', 2) }, away),
    viewOf('b', { health: 'write-failed' }),
    viewOf('b', { logId: logIdOf('b', 2), health: 'loading' }),
  ];
  for (const view of rows) assert.equal(chosen(electionOf(all.with(1, view))), 'nobody', JSON.stringify(view));
  assert.equal(chosen(electionOf(all.with(1, viewOf('b', { sequence: 1 })))), 'b', 'the one with the recorded log');
});

test('when every member is back with another log, somebody who was a member before is waited for', () => {
  const members = [{ nodeId: nodeIdOf('a'), logId: logIdOf('a') }];
  const lost = viewOf('a', { logId: logIdOf('a', 2), sequence: 1 });
  const asleep = viewOf('b', { sequence: 900 }, away);
  assert.equal(chosen(electionOf([lost, asleep], { isr: members })), 'nobody');
  assert.equal(chosen(electionOf([lost, viewOf('b', { sequence: 900 })], { isr: members })), 'b with loss');
});

test('the ISR after a loss is the candidate alone', () => {
  const views = [viewOf('a'), viewOf('b'), viewOf('d')];
  const outside = { nodeId: nodeIdOf('d'), processId: processIdOf('d'), logId: logIdOf('d'), sequence: 1 };
  assert.deepEqual(nextIsr(outside, electionOf(views)), [memberOf('d')]);
});

test('a number of an older epoch is not what the master had', () => {
  const master = viewOf('a', { lastEpoch: 3, sequence: 100 }).reply;
  const old = viewOf('b', { lastEpoch: 2, sequence: 120 }).reply ?? assert.fail();
  assert.equal(reaches(old, 100, master), false);
  assert.equal(reaches({ ...old, lastEpoch: 3 }, 100, master), true);
  assert.equal(reaches({ ...old, lastEpoch: 3, sequence: 99 }, 100, master), false);
});

const times = fenceTimes({ leaseMs: 1000 });
const stable: ShardRecord = {
  ...shardMessage({ epoch: 3, isr: ['a', 'b'].map(memberOf) }),
  transition: null,
  changedAtMs: 0,
};
const master = viewOf('a', { role: 'master', epoch: 3 });
const factsOf = (change: Partial<FailoverFacts> = {}): FailoverFacts => ({
  record: stable,
  views: [master, viewOf('b', { epoch: 3 })],
  isLeased: true,
  replication: 'sync',
  withheldThrough: 2,
  times,
  wallMs: 100_000,
  ...change,
});
const says = (facts: FailoverFacts): string => {
  const decision = decideFailover(facts);
  if (decision.kind !== 'take-epoch') return decision.kind;
  return `${decision.record.transition?.kind} to ${decision.record.masterId.slice(0, 1)}: ${decision.record.transition?.cause}`;
};

test('a master is dead when a majority of the controllers does not hear it', () => {
  const suspicions = (suspectedBy: number) => new Map([[nodeIdOf('a'), { suspectedBy, controllerCount: 3 }]]);
  const unheard = [{ ...master, ...away }, viewOf('b', { epoch: 3 })];
  assert.equal(says(factsOf({ views: unheard })), 'failover to b: no-reply');
  assert.equal(says(factsOf({ views: unheard, suspicions: suspicions(1) })), 'none', 'unheard by this one alone');
  assert.equal(says(factsOf({ views: unheard, suspicions: suspicions(2) })), 'failover to b: no-reply');
  assert.equal(says(factsOf({ suspicions: suspicions(2) })), 'failover to b: no-reply', 'unheard by the others');
  assert.equal(says(factsOf({ suspicions: suspicions(1) })), 'none');
});

test('an ill master that answers hands over to a member that is near, otherwise it is failed over', () => {
  const ill = (cause: 'write-failed' | 'disk-stalled') => viewOf('a', { role: 'master', epoch: 3, health: cause });
  const b = (change: object): NodeView => viewOf('b', { epoch: 3, ...change });
  assert.equal(says(factsOf({ views: [ill('write-failed'), b({})] })), 'switchover to b: write-failed');
  assert.equal(says(factsOf({ views: [ill('disk-stalled'), b({})] })), 'switchover to b: disk-stalled');
  const stalled = viewOf('a', { role: 'master', epoch: 3, loopStalledMs: 5001 });
  assert.equal(says(factsOf({ views: [stalled, b({})] })), 'switchover to b: loop-stalled');
  const far = viewOf('a', { role: 'master', epoch: 3, health: 'write-failed', sequence: 20_000 });
  assert.equal(says(factsOf({ views: [far, b({})] })), 'failover to b: write-failed');
  const unlinked = b({ masterLinkStatus: 'down' });
  assert.equal(says(factsOf({ views: [ill('write-failed'), unlinked] })), 'failover to b: write-failed');
  const lost = b({ logId: logIdOf('b', 2) });
  assert.equal(says(factsOf({ views: [ill('write-failed'), lost] })), 'wait');
  assert.equal(planHealthSwitchover(factsOf({ isLeased: false }), 'write-failed'), undefined);
});

test('accepted data loss is recorded in the cause', () => {
  const views = [{ ...master, ...away }, viewOf('b', { logId: logIdOf('b', 2) })];
  const request = { kind: 'failover', cause: 'operator', excluded: [nodeIdOf('a')] } as const;
  assert.equal(electFor(factsOf({ views }), request).kind, 'wait');
  const decision = electFor(factsOf({ views }), { ...request, acceptDataLoss: true });
  assert.ok(decision.kind === 'take-epoch' && decision.mayLoseWrites);
  assert.equal(
    decision.record.transition?.cause,
    'operator; the operator accepted the loss of data; acknowledged writes may be lost',
  );
  assert.deepEqual(decision.record.isr, [{ nodeId: nodeIdOf('b'), logId: logIdOf('b', 2) }]);
});

test('the old master is no member of the next ISR, also when it was restarted with its log', () => {
  const restarted = viewOf('a', { epoch: 3, processId: processIdOf('a', 2) });
  const views = [restarted, viewOf('b', { epoch: 3, sequence: 101 })];
  const decision = decideFailover(factsOf({ views }));
  assert.ok(decision.kind === 'take-epoch');
  assert.deepEqual(decision.record.isr, [memberOf('b')]);
});

const [one, two, three, four] = ['controller1', 'controller2', 'controller3', 'controller4'];

test('the controllers that count change by one id an epoch, so that majorities of neighbours always meet', () => {
  const withThree = { ...stable, controllers: [one, two, three] };
  assert.deepEqual(nextControllers({ ...stable, epoch: 0 }, [one, two]), [one, two], 'before the first epoch: any');
  assert.deepEqual(nextControllers(stable, [one, two, three]), [], 'whoever the one was, nobody can ask it');
  assert.deepEqual(nextControllers(withThree, undefined), [one, two, three]);
  assert.deepEqual(nextControllers(withThree, [one, two, four]), [one, two, three, four]);
  assert.deepEqual(nextControllers({ ...withThree, controllers: [one, two, three, four] }, [one, two, four]), [
    one,
    two,
    four,
  ]);
  const moving = takeEpoch(withThree, { ...nextOf('b'), controllers: [one, two] });
  assert.deepEqual(moving.controllers, [one, two]);
  assert.deepEqual(nextControllers(moving, [one]), [one, two], 'not before the transition is through');
  assert.throws(() => takeEpoch(withThree, { ...nextOf('b'), controllers: [one] }), /change by one at a time/);
  assert.throws(() => checkShardSuccession(withThree, { ...withThree, controllers: [one, two] }), /its controllers/);
});

test('a decision writes the controllers of its facts into the next epoch', () => {
  const record = { ...stable, controllers: [one, two, three] };
  const views = [{ ...master, ...away }, viewOf('b', { epoch: 3 })];
  const decision = decideFailover(factsOf({ record, views, controllers: [one, two, three, four] }));
  assert.deepEqual(decision.kind === 'take-epoch' && decision.record.controllers, [one, two, three, four]);
});

test('any list that may follow another shares a controller with each of its majorities', () => {
  const ids = [one, two, three, four];
  const lists = Array.from({ length: 15 }, (_, bits) => ids.filter((_id, i) => ((bits + 1) >> i) & 1));
  const majorities = (list: readonly string[]): string[][] =>
    lists.filter((some) => some.every((id) => list.includes(id)) && some.length > list.length / 2);
  let followed = 0;
  for (const before of lists) {
    for (const after of lists) {
      if (!mayFollowControllers({ epoch: 3, controllers: before, transition: null }, after)) continue;
      followed += 1;
      for (const granted of majorities(before))
        for (const answered of majorities(after)) assert.ok(granted.some((id) => answered.includes(id)));
    }
  }
  assert.ok(followed > 30);
});

function nextOf(name: string) {
  return {
    kind: 'failover' as const,
    cause: 'test',
    masterId: nodeIdOf(name),
    processId: processIdOf(name),
    isr: [memberOf(name)],
    leaseMs: 1000,
    wallMs: 0,
  };
}
