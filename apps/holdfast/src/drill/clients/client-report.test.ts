import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatClientReport, spread, type ClientDrillReport, type PlayedRun } from './client-report.ts';

function run(msToRecover: number | null, errors: number): PlayedRun {
  return {
    figures: {
      msToRecover,
      msAfterCut: msToRecover,
      msToRecoverAll: msToRecover,
      lanesLost: msToRecover === null ? 1 : 0,
      msWithoutWrites: 1200.4,
      msWithoutWritesElsewhere: null,
      longestWaitMs: 900,
      errors: errors === 0 ? [] : [{ kind: 'Error: closed | reset', count: errors }],
      errorsBefore: 0,
      writesAcknowledged: 10,
      readsAnswered: 10,
    },
    toldErrors: [],
    endedEarly: null,
    violations: [],
    acknowledgedWritesLost: 0,
    staleReads: 0,
    staleReplicaReads: 0,
    replicaLateMs: 0,
    unjudgedKeys: [],
  };
}

const report: ClientDrillReport = {
  version: 1,
  drill: 'clients',
  startedAt: '2026-01-02T03:04:05.000Z',
  leaseMs: 1000,
  loadAverage: 0.5,
  violations: 0,
  acknowledgedWritesLost: 0,
  staleReads: 0,
  neverRecovered: 1,
  rows: [
    {
      client: 'good',
      library: 'good',
      version: '1.2.3',
      settings: 'default',
      event: 'hang',
      runs: [run(1100.2, 0), run(1300, 8), run(1000, 8)],
      failures: [],
    },
    {
      client: 'stuck',
      library: 'stuck',
      version: '2',
      settings: 'default',
      event: 'hang',
      runs: [run(null, 0)],
      failures: [],
    },
    {
      client: 'broken',
      library: 'broken',
      version: '-',
      settings: 'default',
      event: 'hang',
      runs: [],
      failures: ['no'],
    },
  ],
  skipped: [{ client: 'absent', reason: 'go is not on the path' }],
};

test('a row shows median and worst of its runs, and what errors there were', () => {
  const text = formatClientReport(report, 'markdown');
  assert.match(
    text,
    /^\| good \| 1\.2\.3 \| hang \| default \| 1100 \(1300\) \| 1100 \(1300\) \| 1200 \| 900 \| 8 \| 0 \/ 0 \|$/m,
  );
  assert.match(text, /^- good, hang, default: shown: 16 x Error: closed \| reset$/m);
});

test('a client that did not recover, could not be played or was skipped is named as such', () => {
  for (const form of ['text', 'markdown'] as const) {
    const text = formatClientReport(report, form);
    assert.match(text, /stuck .* never /);
    assert.match(text, /broken .* not played: no/);
    assert.match(text, /skipped: absent: go is not on the path/);
    assert.match(text, /did not recover: 1\./);
  }
});

test('never is the worst of all', () => {
  assert.equal(spread([3, null, 1]), '3 (never)');
  assert.equal(spread([null]), 'never');
  assert.equal(spread([2.4, 2.2]), '2');
});
