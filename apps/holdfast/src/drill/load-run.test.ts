import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { leaseClockMs, realTimers, tcpConnector } from '@holdfast/base/real';
import type { DrillWorld } from './drill-world.ts';
import { LoadRun } from './load-run.ts';
import { FakeCluster } from './testing/fake-cluster.ts';
import { Watch } from './watch.ts';

test('in a lull all clients go on reading and none writes but those who come anew', async (t) => {
  const cluster = new FakeCluster([]);
  await cluster.start();
  t.after(() => cluster.close());
  const startedMs = leaseClockMs();
  const clock = { nowMs: () => leaseClockMs() - startedMs, startedWallMs: Date.now() };
  const world: DrillWorld = { connector: tcpConnector, timers: realTimers, clock, progress: () => undefined };
  const first = await cluster.view();
  const watch = new Watch(cluster, clock, 0, first);
  const plan = { shard: 0, clients: 2, loadMs: 1000, settleMs: 1000, seed: 1, registersPerShard: 4, paceMs: 5 };
  const load = new LoadRun(cluster, plan, world, first, watch);
  const ending = new AbortController();
  const running = [load.load(ending.signal)];
  t.after(() => ending.abort());
  const { operations } = load.recorder;
  const until = async (isTrue: () => boolean): Promise<void> => {
    while (!isTrue()) await pause(5);
  };
  await until(() => operations.some(({ op }) => op === 'write'));

  await load.beginLull();
  const lullMs = load.now();
  await until(() => operations.filter(({ op, invokedMs }) => op === 'read' && invokedMs > lullMs).length > 20);
  assert.deepEqual(
    operations.filter(({ op, completedMs }) => op === 'write' && (completedMs ?? Infinity) > lullMs),
    [],
  );

  running.push(load.newcomers(1, ending.signal));
  const writers = (fromMs: number): Set<string> =>
    new Set(operations.filter(({ op, invokedMs }) => op === 'write' && invokedMs > fromMs).map(({ client }) => client));
  await until(() => operations.filter(({ client }) => client === 'newcomer-0').length > 20);
  assert.deepEqual([...writers(lullMs)], ['newcomer-0']);

  load.endLull();
  const endedMs = load.now();
  const all = ['client-0-0', 'client-1-0', 'mixed-0-0', 'mixed-1-0', 'newcomer-0'];
  await until(() => all.every((client) => writers(endedMs).has(client)));
  ending.abort();
  await Promise.all(running);
});
