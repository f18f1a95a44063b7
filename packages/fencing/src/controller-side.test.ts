import assert from 'node:assert/strict';
import { test } from 'node:test';
import { elect, nextIsr, type NodeView } from './candidate.ts';
import { stepDetector, suspectAtMs, watchNode, type DetectorEvent } from './failure-detector.ts';
import { grant, noteToken, promisesEndMs, startGrantor, withhold } from './lease-grantor.ts';
import { logIdOf, nodeIdOf, viewOf } from './testing/samples.ts';
import { checkTimes, fenceTimes } from './times.ts';

const times = fenceTimes({ leaseMs: 1000 });

test('the default times hold together; each broken relation is said', () => {
  assert.deepEqual(checkTimes(times), []);
  assert.equal(times.suspectMs, 800);
  assert.match(checkTimes(fenceTimes({ leaseMs: 1000, heartbeatMs: 101 }))[0] ?? '', /heartbeat-ms 101/);
  assert.match(checkTimes(fenceTimes({ leaseMs: 1000, stallLimitMs: 1000 }))[0] ?? '', /stall-limit-ms 1000/);
  assert.match(checkTimes({ ...times, suspectMs: 900 })[0] ?? '', /suspect-ms 900/);
  assert.match(checkTimes(fenceTimes({ leaseMs: 50 }))[0] ?? '', /lease-ms 50/);
});

test('a promise is counted from the arrival of the token, plus a hundredth', () => {
  const started = startGrantor(0, 0);
  const heard = noteToken(started, 'token1', 5000);
  const granted = grant(heard, { epoch: 1, token: 'token1', leaseMs: 1000 });
  assert.equal(granted.kind === 'granted' && granted.grantor.promiseEndsMs, 6010);
});

test('a token that arrived twice counts from its first arrival, an unknown one is not echoed', () => {
  const heard = noteToken(noteToken(startGrantor(0, 0), 'token1', 5000), 'token1', 9000);
  const granted = grant(heard, { epoch: 1, token: 'token1', leaseMs: 1000 });
  assert.equal(granted.kind === 'granted' && granted.grantor.promiseEndsMs, 6010);
  const unknown = grant(heard, { epoch: 1, token: 'token2', leaseMs: 1000 });
  assert.deepEqual(unknown, { kind: 'not-granted', reason: 'unknown-token' });
  let many = heard;
  for (let i = 0; i < 40; i++) many = noteToken(many, `later${i}`, 6000 + i);
  assert.ok(many.arrivals.size <= 16, 'bounded');
  assert.equal(grant(many, { epoch: 1, token: 'token1', leaseMs: 1000 }).kind, 'not-granted');
});

test('a withheld epoch is never granted again, later ones are', () => {
  const grantor = withhold(withhold(noteToken(startGrantor(0, 0), 'token1', 5000), 3), 2);
  for (const epoch of [1, 2, 3])
    assert.deepEqual(grant(grantor, { epoch, token: 'token1', leaseMs: 1000 }), {
      kind: 'not-granted',
      reason: 'withheld',
    });
  assert.equal(grant(grantor, { epoch: 4, token: 'token1', leaseMs: 1000 }).kind, 'granted');
});

test('a controller that just started answers a whole lease', () => {
  assert.equal(startGrantor(7000, 1000).promiseEndsMs, 8010);
});

test('the leader waits for the longest promise of a majority, and not before it has one', () => {
  const three = ['controller1', 'controller2', 'controller3'];
  const first = { controllerId: 'controller1', promiseEndsMs: 500 };
  const second = { controllerId: 'controller3', promiseEndsMs: 900 };
  assert.equal(promisesEndMs([first], three), undefined);
  assert.equal(promisesEndMs([first, first], three), undefined, 'one controller asked twice is one');
  assert.equal(promisesEndMs([first, { ...second, controllerId: 'controller9' }], three), undefined, 'a stranger');
  assert.equal(promisesEndMs([first, second], three), 900);
  const third = { controllerId: 'controller2', promiseEndsMs: 5000 };
  assert.equal(promisesEndMs([first, second, third], three), 900, 'one whose promise runs on is no majority');
  assert.equal(promisesEndMs([first, third], three), 5000);
  assert.equal(promisesEndMs([{ ...first, promiseEndsMs: 950 }, first, second], three), 950, 'its later answer counts');
  assert.equal(promisesEndMs([{ controllerId: '', promiseEndsMs: 700 }], []), 700);
});

test('the detector suspects after suspect-ms without a reply and forgives at the next one', () => {
  const rows: readonly (readonly [number, DetectorEvent['kind'], string?])[] = [
    [100, 'reply'],
    [500, 'tick'],
    [899, 'tick'],
    [900, 'tick', 'suspected'],
    [950, 'tick'],
    [1000, 'reply', 'recovered'],
    [1400, 'tick'],
    [1799, 'tick'],
    [1800, 'tick', 'suspected'],
  ];
  let detector = watchNode(0);
  for (const [nowMs, kind, effect] of rows) {
    const step = stepDetector(detector, { kind }, { nowMs, times });
    assert.equal(step.effect, effect, `at ${nowMs}`);
    detector = step.detector;
  }
  assert.equal(suspectAtMs(watchNode(100), times), 900);
});

test('a controller that stood still suspects nobody for it', () => {
  const rows: readonly (readonly [number, string | undefined])[] = [
    [100, undefined],
    [5100, undefined],
    [5500, undefined],
    [5799, undefined],
    [5800, 'suspected'],
    [9000, undefined],
  ];
  let detector = watchNode(0);
  for (const [nowMs, effect] of rows) {
    const step = stepDetector(detector, { kind: 'tick' }, { nowMs, times });
    assert.equal(step.effect, effect, `at ${nowMs}`);
    detector = step.detector;
  }
  assert.equal(detector.isSuspect, true, 'its own pause makes no suspect well');
});

const electionOf = (...views: NodeView[]) => ({
  views,
  excluded: [nodeIdOf('a')],
  isr: [],
  replication: 'async' as const,
});
const electedName = (...views: NodeView[]): string => {
  const elected = elect(electionOf(...views));
  return elected.kind === 'elected' ? elected.candidate.nodeId.slice(0, 1) : 'nobody';
};

test('the longest log of the attached replicas that answer and are well is chosen', () => {
  assert.equal(
    electedName(viewOf('a', { sequence: 900 }), viewOf('b', { sequence: 7 }), viewOf('c', { sequence: 8 })),
    'c',
  );
  assert.equal(electedName(viewOf('b', { sequence: 7 }), viewOf('c', { sequence: 8 }, { isSuspect: true })), 'b');
  assert.equal(electedName(viewOf('b', { sequence: 7 }), viewOf('c', { sequence: 8, health: 'loading' })), 'b');
  assert.equal(electedName(viewOf('b', { sequence: 7 }), viewOf('c', { sequence: 8 }, { wasAttached: false })), 'b');
});

test('an empty replica is not chosen while anybody is known to hold data', () => {
  const empty = viewOf('b', { sequence: 0 });
  assert.equal(electedName(empty, viewOf('c', { sequence: 1 }, { wasAttached: false })), 'c');
  assert.equal(electedName(viewOf('a', { sequence: 5 }, { isSuspect: true }), empty), 'nobody');
  assert.equal(electedName(viewOf('a', { sequence: 0 }, { isSuspect: true }), empty), 'b', 'a shard without data');
});

test('in sync mode only a member with the recorded log qualifies, and only such go on into the next ISR', () => {
  const isr = ['a', 'b', 'c', 'd'].map((name) => ({ nodeId: nodeIdOf(name), logId: logIdOf(name) }));
  const views = [
    viewOf('a', {}, { isSuspect: true }),
    viewOf('b', { sequence: 5 }),
    viewOf('c', { sequence: 9, logId: logIdOf('c', 2) }),
    viewOf('d', { sequence: 4 }),
    viewOf('e', { sequence: 9 }),
  ];
  const election = { views, excluded: [nodeIdOf('a')], isr, replication: 'sync' as const };
  const elected = elect(election);
  assert.equal(elected.kind === 'elected' && elected.candidate.nodeId, nodeIdOf('b'));
  assert.deepEqual(
    elected.kind === 'elected' && nextIsr(elected.candidate, election).map(({ nodeId }) => nodeId.slice(0, 1)),
    ['b', 'd'],
  );
});

test('when all logs changed and everybody is back, the longest is taken and the loss is said', () => {
  const isr = [{ nodeId: nodeIdOf('a'), logId: logIdOf('a') }];
  const changed = [viewOf('a', { sequence: 3, logId: logIdOf('a', 2) }), viewOf('b', { sequence: 9 })];
  const election = { views: changed, excluded: [], isr, replication: 'sync' as const };
  const elected = elect(election);
  assert.equal(elected.kind === 'elected' && elected.mayLoseWrites, true);
  assert.equal(elected.kind === 'elected' && elected.candidate.nodeId, nodeIdOf('b'));
  const missing = changed.with(0, viewOf('a', {}, { isSuspect: true }));
  assert.equal(elect({ ...election, views: missing }).kind, 'nobody', 'better to wait for who is missing');
});

test('a preferred node is chosen if it qualifies and is never replaced by another', () => {
  const views = [viewOf('b', { sequence: 9 }), viewOf('c', { sequence: 8 })];
  const preferred = elect({ ...electionOf(...views), preferredId: nodeIdOf('c') });
  assert.equal(preferred.kind === 'elected' && preferred.candidate.nodeId, nodeIdOf('c'));
  assert.equal(elect({ ...electionOf(...views), preferredId: nodeIdOf('d') }).kind, 'nobody');
});
