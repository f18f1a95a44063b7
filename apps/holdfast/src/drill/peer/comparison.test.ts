import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Operation } from '@holdfast/history';
import type { AnyReport, DrillViolation } from '../drill-report.ts';
import { formatComparison, queuedAfterFence } from './comparison.ts';

function violation(kind: DrillViolation['kind'], phase: Operation['phase']): DrillViolation {
  const write: Operation = {
    op: 'write',
    client: 'c',
    phase,
    shard: 1,
    address: '127.0.0.1:1',
    key: 'k',
    value: 'v',
    invokedMs: 1,
    completedMs: 2,
    outcome: 'ok',
    reason: null,
    node: 'n',
  };
  return { kind, message: kind, operations: [write] };
}

function report(violations: readonly DrillViolation[], msWithoutWrites: number): AnyReport {
  return {
    version: 1,
    drill: 'hang',
    fences: [],
    seed: 1,
    violations,
    acknowledgedWritesLost: violations.length,
    staleReads: 0,
    msWithoutWrites,
    timeline: [{ event: 'stopped', atMs: 2000, sinceStopMs: 0, detail: 'somebody' }],
    figures: {
      shard: 1,
      leaseMs: 1000,
      clients: 8,
      operations: 10,
      writesAcknowledged: 7,
      readsAnswered: 3,
      refused: 0,
      unknown: 0,
      promotions: 1,
      clientCounts: {},
      controllerPollsFailed: 0,
    },
    rows: [['late answers', `${violations.length} of them`]],
    unjudgedKeys: [],
  };
}

const theirs = report(
  [
    violation('acknowledged-after-fence', 'queued'),
    violation('acknowledged-after-fence', 'queued'),
    violation('acknowledged-after-fence', 'load'),
    violation('stale-read', 'queued'),
  ],
  2400,
);

test('queued writes that the resumed old master acknowledged: only those, and only after its fence', () => {
  assert.equal(queuedAfterFence(theirs), 2);
  assert.equal(queuedAfterFence(report([], 1000)), 0);
});

test('the comparison has the time line of the peer and a line for each figure, ours first', () => {
  const peer = { system: 'redis-cluster', version: '7.0.15', nodeTimeoutMs: 1000, report: theirs } as const;
  const text = formatComparison(report([], 1050), peer);
  assert.match(text, /^the same on Redis Cluster 7\.0\.15:\n\n {6}\+0 ms {2}stopped +somebody\n/);
  const lines = text.split('\n').map((line) =>
    line
      .split('│')
      .map((cell) => cell.trim())
      .slice(1, -1),
  );
  const row = (what: string): string[] | undefined => lines.find(([name]) => name === what)?.slice(1);
  assert.deepEqual(row('failure detection'), ['lease 1000 ms', 'node timeout 1000 ms']);
  assert.deepEqual(row('time without writes'), ['1050 ms', '2400 ms']);
  assert.deepEqual(row('queued writes the resumed old master answered +OK'), ['0', '2']);
  assert.deepEqual(row('acknowledged writes lost'), ['0', '4']);
  assert.deepEqual(row('violations'), ['0', '4']);
  assert.deepEqual(row('late answers'), ['0 of them', '4 of them']);
  const other = formatComparison(report([], 1050), { ...peer, report: { ...theirs, drill: 'nic' } });
  assert.doesNotMatch(other, /queued writes/);
});
