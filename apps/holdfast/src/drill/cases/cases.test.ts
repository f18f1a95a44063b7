import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { leaseClockMs, realTimers, tcpConnector } from '@holdfast/base/real';
import type { AnyReport } from '../drill-report.ts';
import { formatReport } from '../report.ts';
import { FakeCluster, type Fault } from '../testing/fake-cluster.ts';
import { atSomePace } from '../testing/some-pace.ts';
import type { CaseFigures } from './case-verdict.ts';
import { controllerCaseOf } from './controller.ts';
import { diskCaseOf } from './disk.ts';
import type { DrillCase } from './drill-case.ts';
import { nicCaseOf } from './nic.ts';
import { partitionCaseOf } from './partition.ts';
import { slowCaseOf } from './slow.ts';
import { stallCaseOf } from './stall.ts';
import { stormCaseOf } from './storm.ts';
import { switchoverCaseOf } from './switchover.ts';

/** Every case, with faults that last `pace` times as long as an idle machine needs to see them through. */
const cases = {
  nic: (pace: number) => nicCaseOf(600 * pace),
  partition: (pace: number) => partitionCaseOf({ cutMs: 500 * pace, repeatAfterMs: 0 }),
  slow: (pace: number) => slowCaseOf(400 * pace),
  storm: (pace: number) => stormCaseOf({ connections: 100, stormMs: 800 * pace, recoveryLimitMs: 500 * pace }),
  controller: (pace: number) =>
    controllerCaseOf({ electionMs: 250 * pace, etcdStoppedMs: 400 * pace, zombieAloneMs: 150 }),
  disk: (pace: number) => diskCaseOf(600 * pace),
  stall: (pace: number) => stallCaseOf(400 * pace),
  switchover: (pace: number) => switchoverCaseOf(150 * pace),
};

async function drill(played: DrillCase, faults: readonly Fault[]): Promise<AnyReport> {
  const cluster = new FakeCluster(faults, { controllers: played.controllers });
  await cluster.start();
  const startedMs = leaseClockMs();
  const clock = { nowMs: () => leaseClockMs() - startedMs, startedWallMs: Date.now() };
  const world = { connector: tcpConnector, timers: realTimers, clock, progress: () => undefined };
  const plan = { shard: 0, clients: 2, loadMs: 600, settleMs: 1500, seed: 1 };
  try {
    return (await played.run(cluster, plan, world, ['lb', 'lease', 'sync'])).report;
  } finally {
    await cluster.close();
  }
}

function kindsOf(report: AnyReport): string[] {
  return [...new Set(report.violations.map(({ kind }) => kind))].sort();
}

/** How many promotions a good run of a case has. */
const promotions: Readonly<Record<keyof typeof cases, number>> = {
  nic: 1,
  partition: 5,
  slow: 0,
  storm: 0,
  controller: 2,
  disk: 1,
  stall: 0,
  switchover: 3,
};

describe('cases against a good cluster of sockets', { concurrency: 4 }, () => {
  for (const [name, caseAt] of Object.entries(cases)) {
    test(`${name} finds nothing wrong, and the run had something to judge`, async () => {
      const isGood = ({ violations }: AnyReport): boolean => violations.length === 0;
      const report = await atSomePace((pace) => drill(caseAt(pace), []), isGood);
      assert.deepEqual(report.violations, []);
      assert.deepEqual(report.unjudgedKeys, []);
      const figures = report.figures as CaseFigures;
      assert.equal(figures.promotions, promotions[name as keyof typeof cases]);
      assert.ok(figures.writesAcknowledged > 30, `${figures.writesAcknowledged} writes`);
      assert.ok(figures.direct.acknowledged > 0, 'clients went straight to the master');
      assert.ok(figures.faults.length > 0 && figures.faults.every(({ msWithoutWrites }) => msWithoutWrites > 0));
      assert.equal(report.timeline.filter(({ event }) => event === 'fault').length, figures.faults.length);
      const text = formatReport(report);
      assert.match(text, /Nothing was violated/);
      for (const fault of figures.faults) assert.ok(text.includes(fault.name), `${fault.name} in the table`);
    });
  }
});

/** What each wrong cluster is found out by: at least these. */
const wrong: readonly (readonly [keyof typeof cases, Fault, readonly string[]])[] = [
  ['nic', 'no-fence', ['acknowledged-after-fence', 'acknowledged-write-lost', 'stale-read']],
  ['nic', 'no-failover', ['no-failover', 'writes-not-resumed']],
  ['nic', 'topology-goes-back', ['stale-topology']],
  ['nic', 'replica-lags', ['acknowledged-write-lost']],
  ['partition', 'no-fence', ['acknowledged-after-fence', 'acknowledged-write-lost', 'stale-read', 'stale-topology']],
  ['partition', 'no-failover', ['no-failover']],
  ['partition', 'eager-failover', ['unexpected-failover']],
  ['slow', 'eager-failover', ['unexpected-failover']],
  ['slow', 'replica-waited-for', ['writes-not-resumed']],
  ['storm', 'eager-failover', ['unexpected-failover', 'heartbeats-missed']],
  ['storm', 'clients-stranded', ['clients-not-recovered']],
  ['controller', 'eager-failover', ['unexpected-failover']],
  ['controller', 'store-needed', ['unexpected-errors', 'writes-not-resumed']],
  ['controller', 'zombie-believed', ['acknowledged-write-lost']],
  ['controller', 'no-failover', ['no-failover', 'writes-not-resumed']],
  ['disk', 'false-ok', ['acknowledged-write-lost', 'stale-read']],
  ['disk', 'no-failover', ['no-failover', 'writes-not-resumed']],
  ['stall', 'eager-failover', ['unexpected-failover']],
  ['switchover', 'replica-lags', ['acknowledged-write-lost']],
  ['switchover', 'switchover-refuses', ['unexpected-errors']],
];

describe('cases against wrong clusters of sockets', { concurrency: 4 }, () => {
  for (const [name, fault, kinds] of wrong) {
    test(`${name} finds out a cluster with the fault ${fault}`, async () => {
      const kindsAt = async (pace: number): Promise<string[]> => kindsOf(await drill(cases[name](pace), [fault]));
      const found = await atSomePace(kindsAt, (some) => kinds.every((kind) => some.includes(kind)));
      for (const kind of kinds) assert.ok(found.includes(kind), `${kind} among ${found.join(', ') || 'nothing'}`);
    });
  }
});
