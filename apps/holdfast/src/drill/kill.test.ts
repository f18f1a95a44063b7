import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { leaseClockMs, realTimers, tcpConnector } from '@holdfast/base/real';
import { runKill } from './kill.ts';
import { judgeKill, type KillReport } from './kill-verdict.ts';
import { formatReport } from './report.ts';
import { FakeCluster, type Fault } from './testing/fake-cluster.ts';

async function drill(faults: readonly Fault[]): Promise<KillReport> {
  const cluster = new FakeCluster(faults);
  await cluster.start();
  const startedMs = leaseClockMs();
  const clock = { nowMs: () => leaseClockMs() - startedMs, startedWallMs: Date.now() };
  const world = { connector: tcpConnector, timers: realTimers, clock, progress: () => undefined };
  const plan = { shard: 0, clients: 3, loadMs: 5000, settleMs: 2000, gapMs: [50, 150], seed: 1 } as const;
  try {
    return judgeKill(await runKill(cluster, plan, world), ['lb', 'lease']);
  } finally {
    await cluster.close();
  }
}

describe('drill kill against a cluster of sockets', { concurrency: 2 }, () => {
  test('nodes that keep what they wrote violate nothing, and there was something to judge', async () => {
    const report = await drill([]);
    assert.deepEqual(report.violations, []);
    assert.deepEqual(report.unjudgedKeys, []);
    const { figures } = report;
    assert.ok(figures.kills > 5 && figures.killsOfMasters > 0 && figures.killsOfMasters < figures.kills);
    assert.ok(figures.writesAcknowledged > 100, `${figures.writesAcknowledged} writes`);
    assert.equal(report.timeline.filter(({ event }) => event === 'killed').length, figures.kills);
    assert.match(formatReport(report), /kills .*of masters/);
  });

  test('a node that comes back without its last writes is seen: acknowledged writes are lost', async () => {
    const report = await drill(['kill-loses-writes']);
    assert.ok(report.acknowledgedWritesLost > 0);
    assert.ok(report.violations.some(({ kind }) => kind === 'acknowledged-write-lost'));
  });
});
