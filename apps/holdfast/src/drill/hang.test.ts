import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { leaseClockMs, realTimers, tcpConnector } from '@holdfast/base/real';
import type { DrillWorld } from './drill-world.ts';
import { runHang, type HangPlan } from './hang.ts';
import { formatReport } from './report.ts';
import { FakeCluster, type Fault } from './testing/fake-cluster.ts';
import { atSomePace } from './testing/some-pace.ts';
import { judgeHang, type HangReport } from './verdict.ts';

function planAt(pace: number): HangPlan {
  const holdMs = 600 * pace;
  return { shard: 0, clients: 3, loadMs: 800 + holdMs, stopAfterMs: 300, holdMs, settleMs: 2000, seed: 1 };
}

/** @param kinds violations that are expected. The machine was too busy where nobody could write. */
function drill(faults: readonly Fault[], kinds: readonly string[]): Promise<HangReport> {
  const isGood = (report: HangReport): boolean => {
    const found = kindsOf(report);
    const isStarved = found.includes('writes-not-resumed') && !kinds.includes('writes-not-resumed');
    return !isStarved && kinds.every((kind) => found.includes(kind));
  };
  return atSomePace((pace) => drillAt(pace, faults), isGood);
}

async function drillAt(pace: number, faults: readonly Fault[]): Promise<HangReport> {
  const cluster = new FakeCluster(faults);
  await cluster.start();
  const startedMs = leaseClockMs();
  const startedWallMs = Date.now();
  const world: DrillWorld = {
    connector: tcpConnector,
    timers: realTimers,
    clock: { nowMs: () => leaseClockMs() - startedMs, startedWallMs },
    progress: () => undefined,
  };
  try {
    return judgeHang(await runHang(cluster, planAt(pace), world), ['lb', 'lease']);
  } finally {
    await cluster.close();
  }
}

function kindsOf(report: HangReport): string[] {
  return [...new Set(report.violations.map(({ kind }) => kind))].sort();
}

describe('drill hang against a cluster of sockets', { concurrency: 3 }, () => {
  test('a fenced failover violates nothing, and the run had something to judge', async () => {
    const report = await drill([], []);
    assert.deepEqual(report.violations, []);
    assert.deepEqual(report.unjudgedKeys, []);
    const { figures, timeline } = report;
    assert.ok(figures.writesAcknowledged > 200, `${figures.writesAcknowledged} writes`);
    assert.ok(figures.queued.lb.sent > 50 && figures.queued.direct.sent > 50, JSON.stringify(figures.queued));
    assert.ok(figures.queued.lb.unanswered > 0 && figures.queued.direct.unanswered > 0, 'writes lay in its buffers');
    assert.deepEqual(
      timeline.map(({ event }) => event).filter((event) => event !== 'converged'),
      ['stopped', 'suspected', 'lease ended', 'promoted', 'lb moved', 'first write', 'resumed', 'old master demoted'],
    );
    assert.ok(report.msWithoutWrites > 0);
    assert.equal(figures.promotions, 1);
    const text = formatReport(report);
    assert.match(text, /Nothing was violated/);
    assert.match(text, /\+0 ms {2}stopped/);
  });

  test('an old master that answers what lay in its buffers is seen: acknowledged after its fence, and lost', async () => {
    const expected = ['acknowledged-after-fence', 'acknowledged-write-lost', 'stale-read'];
    const report = await drill(['no-fence'], expected);
    const kinds = kindsOf(report);
    for (const kind of expected) assert.ok(kinds.includes(kind), `${kind} among ${kinds.join(', ')}`);
    assert.ok(report.acknowledgedWritesLost > 0 && report.staleReads > 0);
    assert.ok(report.timeline.some(({ event }) => event === 'fence broken'));
    assert.match(formatReport(report), /acknowledged-after-fence: [0-9]+\n/);
  });

  test('a replica promoted without the last acknowledged writes is seen: they are lost', async () => {
    const report = await drill(['replica-lags'], ['acknowledged-write-lost']);
    assert.ok(report.acknowledgedWritesLost > 0);
    assert.ok(!kindsOf(report).includes('acknowledged-after-fence'));
  });

  test('writes of the woken master that reach the new one are seen, although nobody acknowledged them', async () => {
    const report = await drill(['late-writes-replicate'], ['fenced-write-visible']);
    assert.deepEqual(kindsOf(report), ['fenced-write-visible']);
  });

  test('writes that the woken master keeps for itself are seen on it as a replica', async () => {
    const report = await drill(['old-master-diverges'], ['replica-differs']);
    assert.deepEqual(kindsOf(report), ['replica-differs']);
  });

  test('a cluster in which nobody takes over does not pass', async () => {
    const report = await drill(['no-failover'], ['writes-not-resumed']);
    assert.deepEqual(kindsOf(report), ['writes-not-resumed']);
  });
});
