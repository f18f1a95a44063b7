import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { realTimers, tcpConnector } from '@holdfast/base/real';
import { FakeCluster, type Fault } from '../testing/fake-cluster.ts';
import type { ClientEvent, DrilledClient } from './client-list.ts';
import { playClient, type PlayResult, type PlayTimes } from './client-play.ts';
import type { ClientFault } from './testing/fake-client.ts';

const times: PlayTimes = {
  paceMs: 4,
  steadyMs: 100,
  holdMs: 500,
  recoverWithinMs: 1200,
  watchMs: 100,
  startWithinMs: 10_000,
  settleMs: 2000,
};

const client: DrilledClient = {
  name: 'fake',
  mode: 'single',
  program: {
    name: 'fake',
    tools: [],
    packages: [],
    pins: [],
    copies: [],
    steps: () => [],
    command: () => ['false'],
  },
  settings: ['default'],
  canReadReplicas: false,
};

interface Play {
  readonly client?: ClientFault;
  readonly cluster?: readonly Fault[];
  readonly event?: ClientEvent;
  readonly times?: Partial<PlayTimes>;
}

async function play(how: Play): Promise<PlayResult> {
  const cluster = new FakeCluster(how.cluster ?? []);
  await cluster.start();
  const originMs = Number(process.hrtime.bigint()) / 1e6;
  const world = {
    connector: tcpConnector,
    timers: realTimers,
    clock: { nowMs: () => Number(process.hrtime.bigint()) / 1e6 - originMs, startedWallMs: Date.now() },
    originMs,
    progress: () => undefined,
  };
  const plan = { client, settings: 'default', event: how.event ?? 'hang', shard: 0, lanes: 3, name: 'p' } as const;
  const program = fileURLToPath(new URL('testing/fake-client.ts', import.meta.url));
  const command = [process.execPath, program, how.client ?? 'none'] as const;
  try {
    return await playClient(cluster, plan, { kind: 'ready', command, cache: null }, { ...times, ...how.times }, world);
  } finally {
    await cluster.close();
  }
}

function kindsOf({ violations }: PlayResult): string[] {
  return [...new Set(violations.map(({ kind }) => kind))].sort();
}

describe('a client program in a play', { concurrency: 3 }, () => {
  test('a good one recovers, every lane of it, and what it was told is judged', async () => {
    const result = await play({});
    assert.deepEqual(result.about, { library: 'fake', version: '1' });
    assert.deepEqual(result.violations, []);
    assert.deepEqual(result.unjudgedKeys, []);
    const { figures, operations } = result;
    assert.equal(figures.lanesLost, 0);
    assert.ok(figures.msToRecover !== null && figures.msToRecoverAll !== null && figures.msAfterCut !== null);
    assert.ok(figures.msToRecover <= figures.msToRecoverAll);
    assert.ok(figures.msWithoutWrites > 0);
    assert.equal(figures.errorsBefore, 0);
    assert.equal(figures.errors.reduce((sum, { count }) => sum + count, 0) > 0, true, 'lost connections are shown');
    assert.ok(figures.writesAcknowledged > 20 && figures.readsAnswered > 20, JSON.stringify(figures));
    assert.ok(operations.some(({ phase }) => phase === 'read-back'));
    assert.equal(result.endedEarly, null);
  });

  test('a switchover is measured from the moment the balancer led elsewhere', async () => {
    const { figures, times: seen } = await play({ event: 'switchover' });
    assert.equal(figures.lanesLost, 0);
    assert.equal(seen.eventMs, seen.cutMs);
  });

  test('one that takes writes for acknowledged that were never sent: they are lost', async () => {
    const result = await play({ client: 'loses' });
    assert.ok(result.acknowledgedWritesLost > 0);
    assert.ok(kindsOf(result).includes('acknowledged-write-lost'));
  });

  test('a cluster that loses acknowledged writes is found through a good client', async () => {
    const result = await play({ cluster: ['replica-lags'] });
    assert.ok(result.acknowledgedWritesLost > 0, JSON.stringify(kindsOf(result)));
  });

  test('one that hangs after the event never recovers, and its open operations are in the history', async () => {
    const { figures, operations } = await play({ client: 'hangs' });
    assert.equal(figures.msToRecover, null);
    assert.equal(figures.msToRecoverAll, null);
    assert.equal(figures.lanesLost, 3);
    assert.ok(figures.longestWaitMs >= times.recoverWithinMs - times.holdMs);
    assert.ok(operations.some(({ completedMs, outcome }) => completedMs === null && outcome === 'unknown'));
  });

  test('one whose process ends is watched no longer, and how it ended is told', async () => {
    const result = await play({ client: 'ends' });
    assert.match(result.endedEarly ?? '', /status 9/);
    assert.equal(result.figures.lanesLost, 3);
  });

  test('one that prints what is no line of the protocol is not believed at all', async () => {
    await assert.rejects(play({ client: 'babbles' }), { code: 'CLIENT_PROTOCOL' });
  });

  test('one that never connects is given up', async () => {
    const times = { startWithinMs: 1500 };
    await assert.rejects(play({ client: 'waits', times }), { code: 'CLIENT_PROGRAM', message: /did not connect/ });
  });
});
