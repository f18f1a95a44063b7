import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acknowledgedAfterFence, epochsWithTwoMasters, visibleFencedWrites, type Evidence } from './masterships.ts';
import type { Operation } from './operation.ts';
import { read, write } from './testing/script.ts';

/** A is stopped from 100 to 400, fenced at 200; B follows at 210. */
const evidence: Evidence = {
  masterships: [
    { shard: 0, epoch: 1, node: 'A', fromMs: 0, untilMs: 200 },
    { shard: 0, epoch: 2, node: 'B', fromMs: 210, untilMs: null },
  ],
  pauses: [{ node: 'A', fromMs: 100, untilMs: 400 }],
};
const a = { node: 'A' };
const b = { node: 'B' };

test('fence: an acknowledgement that leaves a node after its fence is found', () => {
  const history = [write('v', 90, 405, a), write('w', 150, 405, a), write('x', 220, 230, b), write('y', 500, 505, b)];
  assert.deepEqual(
    acknowledgedAfterFence(history, evidence).map(({ write: found }) => found.value),
    ['v', 'w'],
  );
});

test('fence: bytes that arrive while the node stands still left it before', () => {
  assert.deepEqual(acknowledgedAfterFence([write('v', 90, 250, a)], evidence), []);
});

test('fence: refused and unanswered writes are no acknowledgements', () => {
  const history = [
    write('v', 150, 405, { ...a, outcome: 'failed' }),
    write('w', 150, null, { ...a, outcome: 'unknown' }),
  ];
  assert.deepEqual(acknowledgedAfterFence(history, evidence), []);
});

test('fence: an answer that is late for a write already in effect is told apart', () => {
  const late = write('v', 90, 405, a);
  const excused = (...reads: Operation[]): boolean[] =>
    acknowledgedAfterFence([late, ...reads], evidence).map(({ excuse }) => excuse === 'in-effect');
  assert.deepEqual(excused(), [false]);
  assert.deepEqual(excused(read('v', 92, 95, b)), [true], 'seen before the fence');
  assert.deepEqual(excused(read('v', 300, 310, b)), [true], 'seen while the node stood still, so executed before');
  assert.deepEqual(excused(read('v', 390, 401, b)), [false], 'seen when the node may have executed it after waking up');
  assert.deepEqual(excused(read('other', 300, 310, b), read('v', 300, 310, { ...b, key: 'other' })), [false]);
});

test('fence: an answer under way when the fence falls is no fault, unless the node stood still or was asked later', () => {
  const history = [write('v', 190, 230, a), write('w', 201, 230, a), write('x', 150, 190, a)];
  const late = acknowledgedAfterFence(history, { ...evidence, pauses: [] });
  assert.deepEqual(
    late.map(({ write: { value }, excuse }) => [value, excuse]),
    [
      ['v', 'under-way'],
      ['w', null],
    ],
  );
  const pauses = [{ node: 'A', fromMs: 100, untilMs: 220 }];
  const [slept] = acknowledgedAfterFence(history, { ...evidence, pauses });
  assert.equal(slept?.excuse, null, 'what was asked before the stop and not seen by then was executed after it');
});

test('fence: clients that go straight to a node count as all others', () => {
  const direct = { ...a, phase: 'direct' } as const;
  const history = [write('w', 410, 420, direct), read('w', 500, 501, { ...b, phase: 'read-back' })];
  const [late] = acknowledgedAfterFence(history, { ...evidence, pauses: [] });
  assert.equal(late?.excuse, null);
  assert.equal(visibleFencedWrites(history, { ...evidence, pauses: [] }).length, 1);
});

test('fence: a node that is master again may acknowledge again', () => {
  const masterships = [
    ...evidence.masterships.map((mastership) =>
      mastership.node === 'B' ? { ...mastership, untilMs: 600 } : mastership,
    ),
    { shard: 0, epoch: 3, node: 'A', fromMs: 650, untilMs: null },
  ];
  const history = [write('v', 600, 640, a), write('w', 690, 700, a), write('x', 690, 700, b)];
  assert.deepEqual(
    acknowledgedAfterFence(history, { ...evidence, masterships }).map(({ write: found }) => found.value),
    ['v', 'x'],
  );
});

test('two masters: nodes that acknowledge in the same epoch of a shard are found, in different epochs not', () => {
  const history = [write('v', 50, 60, a), write('w', 220, 230, b)];
  assert.deepEqual(epochsWithTwoMasters(history, evidence), []);
  const masterships = evidence.masterships.map((mastership) => ({ ...mastership, epoch: 0 }));
  const doubled = epochsWithTwoMasters(history, { ...evidence, masterships });
  assert.deepEqual(
    doubled.map(({ shard, epoch, writes }) => [shard, epoch, writes.map(({ node }) => node)]),
    [[0, 0, ['A', 'B']]],
  );
});

test('two masters: masters of different shards do not meet', () => {
  const masterships = [
    { shard: 0, epoch: 1, node: 'A', fromMs: 0, untilMs: null },
    { shard: 1, epoch: 1, node: 'B', fromMs: 0, untilMs: null },
  ];
  const history = [write('v', 1, 2, a), write('w', 1, 2, { ...b, shard: 1 })];
  assert.deepEqual(epochsWithTwoMasters(history, { masterships, pauses: [] }), []);
});

test('visible: a write asked of a stopped node that was fenced meanwhile must never be read', () => {
  const queued = { ...a, outcome: 'unknown', phase: 'queued' } as const;
  const history = [write('before', 90, null, queued), write('during', 150, null, queued)];
  assert.deepEqual(visibleFencedWrites([...history, read(null, 500, 501)], evidence), []);
  assert.deepEqual(visibleFencedWrites([...history, read('before', 500, 501)], evidence), []);
  const found = visibleFencedWrites([...history, read('during', 500, 501), read('during', 600, 601)], evidence);
  assert.deepEqual(
    found.map(({ write: { value }, read: { invokedMs } }) => [value, invokedMs]),
    [['during', 500]],
  );
});

test('visible: a node that was stopped but not fenced may apply what waited for it', () => {
  const masterships = [{ shard: 0, epoch: 1, node: 'A', fromMs: 0, untilMs: null }];
  const history = [write('during', 150, 410, a), read('during', 500, 501)];
  assert.deepEqual(visibleFencedWrites(history, { ...evidence, masterships }), []);
});
