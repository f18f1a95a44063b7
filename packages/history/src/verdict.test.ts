import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Evidence } from './masterships.ts';
import type { Operation } from './operation.ts';
import { read, write } from './testing/script.ts';
import { judge } from './verdict.ts';

const evidence: Evidence = {
  masterships: [
    { shard: 0, epoch: 1, node: 'A', fromMs: 0, untilMs: 200 },
    { shard: 0, epoch: 2, node: 'B', fromMs: 210, untilMs: null },
  ],
  pauses: [{ node: 'A', fromMs: 100, untilMs: 400 }],
};
const a = { node: 'A' };
const b = { node: 'B' };

/** A hang as it should go: the write in flight stays unknown, the queued one is never seen. */
const goodHang: readonly Operation[] = [
  write('v1', 50, 60, a),
  write('v2', 99, null, { ...a, outcome: 'unknown' }),
  write('v3', 150, null, { ...a, outcome: 'unknown', phase: 'queued' }),
  write('v4', 300, 310, b),
  read('v4', 320, 330, b),
  read('v4', 500, 510, { ...b, phase: 'read-back' }),
];

test('verdict: a hang as it should go has no violations', () => {
  assert.deepEqual(judge(goodHang, evidence), {
    violations: [],
    acknowledgedWritesLost: 0,
    staleReads: 0,
    lateAnswers: 0,
    unjudgedKeys: [],
  });
});

test('verdict: a plain failover whose old master answers what was queued is seen from every side', () => {
  const history = goodHang.with(2, write('v3', 150, 405, { ...a, phase: 'queued' }));
  const verdict = judge(history, evidence);
  assert.deepEqual(
    verdict.violations.map(({ kind }) => kind),
    ['acknowledged-after-fence'],
  );
  const onFreshKey = [
    ...goodHang,
    write('q', 150, 405, { ...a, key: 'fresh', phase: 'queued' }),
    read(null, 500, 501, { ...b, key: 'fresh', phase: 'read-back' }),
  ];
  const fresh = judge(onFreshKey, evidence);
  assert.deepEqual(
    fresh.violations.map(({ kind }) => kind),
    ['acknowledged-write-lost', 'stale-read', 'acknowledged-after-fence', 'not-linearizable'],
  );
  assert.equal(fresh.acknowledgedWritesLost, 1);
  assert.equal(fresh.staleReads, 1);
});

test('verdict: every violation names operations that prove it', () => {
  const history = [...goodHang, read('v3', 600, 601, b), read('v1', 700, 701, b), read('zz', 800, 801, b)];
  const { violations } = judge(history, evidence);
  assert.deepEqual([...new Set(violations.map(({ kind }) => kind))].sort(), [
    'fenced-write-visible',
    'not-linearizable',
    'stale-read',
  ]);
  for (const { operations, message } of violations) {
    assert.ok(operations.length > 0);
    assert.match(message, /c0 (wrote|read) k/);
  }
});

test('verdict: a key that could not be read back is reported as not judged', () => {
  assert.deepEqual(judge([write('a', 0, 1, b)], evidence).unjudgedKeys, ['k']);
});
