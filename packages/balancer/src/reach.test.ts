import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attemptLimitMs, beginReach, silentMs, stepReach, type Reach, type ReachEvent } from './reach.ts';

const periodMs = 100;

/** Events at their instants; what was to be done is said for each. */
function play(events: readonly (readonly [nowMs: number, event: ReachEvent])[], from = beginReach(0)) {
  let reach: Reach = from;
  const effects: (string | undefined)[] = [];
  for (const [nowMs, event] of events) {
    const step = stepReach(reach, event, { nowMs, periodMs });
    reach = step.reach;
    effects.push(step.effect);
  }
  return { reach, effects };
}

const tick: ReachEvent = { kind: 'tick', lateMs: 0 };
const connected: ReachEvent = { kind: 'connected' };
const answered: ReachEvent = { kind: 'answered' };
const closed: ReachEvent = { kind: 'closed', reason: 'reset' };

/** Answered at 1 ms. */
const answering = play([
  [0, tick],
  [0, connected],
  [1, answered],
]).reach;

const silence = (reach: Reach, nowMs: number, tickedMs = nowMs): number =>
  silentMs(reach, { nowMs, tickedMs, periodMs });

test('one connection is opened and kept, and asked once a period', () => {
  const { reach, effects } = play([
    [0, tick],
    [1, connected],
    [2, answered],
    [100, tick],
    [101, answered],
    [200, tick],
  ]);
  assert.deepEqual(effects, ['open', 'ask', undefined, 'ask', undefined, 'ask']);
  assert.equal(reach.answeredMs, 101);
  assert.equal(silence(reach, 200), 99);
});

test('a slow answer within its time is no failure; the next question waits for it', () => {
  const { reach, effects } = play(
    [
      [100, tick],
      [200, tick],
      [280, answered],
      [300, tick],
    ],
    answering,
  );
  assert.deepEqual(effects, ['ask', undefined, undefined, 'ask']);
  assert.equal(reach.failures, 0);
});

test('a question without an answer is asked again over a new connection, each counted', () => {
  const ticks = [100, 200, 300, 400, 500, 600, 700].map((ms) => [ms, tick] as const);
  const { reach, effects } = play(ticks, answering);
  assert.equal(attemptLimitMs(periodMs), 200);
  assert.deepEqual(effects, ['ask', undefined, 'open', undefined, 'open', undefined, 'open']);
  assert.deepEqual([reach.failures, reach.error], [3, 'no connection within 200 ms']);
  assert.equal(silence(reach, 700), 699);
  const mended = play(
    [
      [710, connected],
      [711, answered],
    ],
    reach,
  ).reach;
  assert.deepEqual([mended.failures, mended.error, silence(mended, 711)], [0, null, 0]);
});

test('a refused connection is a failure at once and tried at the next tick', () => {
  const { reach, effects } = play([
    [0, tick],
    [1, closed],
    [100, tick],
    [101, closed],
  ]);
  assert.deepEqual(effects, ['open', undefined, 'open', undefined]);
  assert.deepEqual([reach.failures, reach.error, reach.answeredMs], [2, 'reset', undefined]);
});

test('a connection that the backend ends between two questions is no failure', () => {
  const { reach, effects } = play(
    [
      [50, closed],
      [100, tick],
    ],
    answering,
  );
  assert.deepEqual([reach.failures, effects[1]], [0, 'open']);
});

test('what arrives when nothing was asked is no answer', () => {
  const { reach } = play([[90, answered]], answering);
  assert.equal(silence(reach, 90), 89);
});

test('time in which the balancer itself was late is taken off the silence of everybody, and off the attempt', () => {
  const { reach, effects } = play(
    [
      [100, tick],
      [900, { kind: 'tick', lateMs: 700 }],
    ],
    answering,
  );
  assert.equal(effects[1], undefined, 'the answer may lie unread in the socket');
  assert.deepEqual([reach.failures, silence(reach, 900)], [0, 199]);
  const starved = [1, 2, 3, 4, 5].map((n) => [n * 300, { kind: 'tick', lateMs: 200 } as ReachEvent] as const);
  assert.equal(silence(play(starved, answering).reach, 1500), 499, 'three times too late: a third of it counts');
});

test('before the late tick has come, a report counts no more than the period', () => {
  const { reach } = play([[100, tick]], answering);
  assert.equal(silence(reach, 5000, 100), 199);
});
