import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClusterEvent, ClusterView, DrillCluster } from './cluster.ts';
import { Watch } from './watch.ts';

const startedWallMs = 1_000_000;

function viewOf(master: 'a' | 'b', epoch: number): ClusterView {
  const node = (id: string) => {
    const role = id === master ? ('master' as const) : ('slave' as const);
    return { id, address: `${id}:1`, role, isAlive: true, sequence: 0 };
  };
  const nodes = [node('a'), node('b')];
  return {
    leaseMs: 1000,
    shards: [{ index: 0, epoch, phase: 'stable', lbAddress: 'lb:1', slotRanges: [[0, 1]], nodes }],
  };
}

/** What a watch saw of a cluster in which node b became master, and one event says so; others came before it. */
async function watchOf(
  promoted: Pick<ClusterEvent, 'wallMs' | 'earliestWallMs'>,
  before: readonly Pick<ClusterEvent, 'wallMs' | 'kind'>[] = [],
): Promise<Watch> {
  const events = [...before, { ...promoted, kind: 'promoted' }].map((event, at) => {
    return { ...event, id: at + 1, shard: 0, epoch: 2, message: '' };
  });
  const cluster: Pick<DrillCluster, 'view' | 'events'> = {
    view: () => Promise.resolve(viewOf('b', 2)),
    events: () => Promise.resolve(events),
  };
  const watch = new Watch(cluster as DrillCluster, { nowMs: () => 500, startedWallMs }, 0, viewOf('a', 1));
  await watch.run(0, AbortSignal.abort(), () => Promise.resolve());
  return watch;
}

function mastershipsOf(watch: Watch): [string, number, number, number | null][] {
  const [shard] = viewOf('a', 1).shards;
  assert.ok(shard !== undefined);
  return watch
    .evidence(shard, [])
    .masterships.map(({ node, epoch, fromMs, untilMs }) => [node, epoch, fromMs, untilMs]);
}

test('a promotion that somebody told of parts two masters where it happened', async () => {
  assert.deepEqual(mastershipsOf(await watchOf({ wallMs: startedWallMs + 400 })), [
    ['a', 1, -Infinity, 402],
    ['b', 2, 398, null],
  ]);
});

test('a promotion found out by asking blames neither master for the time in which it happened', async () => {
  const promoted = { wallMs: startedWallMs + 400, earliestWallMs: startedWallMs + 350 };
  assert.deepEqual(mastershipsOf(await watchOf(promoted)), [
    ['a', 1, -Infinity, 402],
    ['b', 2, 348, null],
  ]);
});

test('where no lease ends before it, a promotion may have happened since the controller began it', async () => {
  const started = { kind: 'failover-started', wallMs: startedWallMs + 300 };
  assert.deepEqual(mastershipsOf(await watchOf({ wallMs: startedWallMs + 400 }, [started])), [
    ['a', 1, -Infinity, 402],
    ['b', 2, 300, null],
  ]);
  const ended = { kind: 'lease-ended', wallMs: startedWallMs + 390 };
  assert.deepEqual(mastershipsOf(await watchOf({ wallMs: startedWallMs + 400 }, [started, ended])), [
    ['a', 1, -Infinity, 392],
    ['b', 2, 388, null],
  ]);
});
