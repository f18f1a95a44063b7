/** F3 without F2: what a drill's cluster does with the lease fence taken away, and who refuses to serve it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FatalError } from '@holdfast/base';
import type { ApiCall } from './api.ts';
import type { ControllerSettings } from './controller.ts';
import { World } from './testing/world.ts';

const of = { namespace: 'holdfast', cluster: 'local' } as const;

async function clusterAtWork(settings: Partial<ControllerSettings>): Promise<World> {
  const world = new World({ nodes: 2, settings });
  for (const node of world.nodes) node.replicationMode = 'sync';
  await world.startController();
  await world.call({ operation: 'create-namespace', namespace: 'holdfast' });
  const nodes = world.nodes.map(({ addr }) => addr);
  const request = { name: 'local', nodes, replicas: 2, password: '' };
  const lbs = { masterLbs: ['127.0.0.1:7000'], replicaLbs: ['127.0.0.1:7100'] };
  const create: ApiCall = { operation: 'create-cluster', namespace: 'holdfast', request: { ...request, ...lbs } };
  assert.equal((await world.call(create)).status, 201);
  for (const node of world.nodes) node.sequence = 100;
  const [master, replica] = world.nodes;
  assert.ok(master && replica);
  const { epoch } = master.record;
  master.isrRequest = `${epoch}:${master.record.isrVersion}:+${replica.nodeId}:${replica.record.logId}`;
  await world.until('the replica is in sync', 1000, () => master.record.isr.length === 2);
  master.isrRequest = '';
  await world.run(300);
  return world;
}

async function eventKinds(world: World): Promise<readonly string[]> {
  const { body } = await world.call({ operation: 'list-events', ...of, after: 0, limit: 500 });
  return (body as unknown as { data: { events: { kind: string }[] } }).data.events.map(({ kind }) => kind);
}

test('without the lease fence nodes are armed, and a hung master goes on to be believed beside its successor', async () => {
  const world = await clusterAtWork({ fences: ['lb'], replication: 'sync', isForDrills: true });
  const [master, replica] = world.nodes;
  assert.ok(master && replica);
  assert.ok(master.record.armed && replica.record.armed);
  master.stop();
  const tookMs = await world.until('its successor is believed', 2000, () => replica.isBelieved);
  assert.ok(tookMs < 850, `suspected after 800 ms and promoted ${tookMs} ms after the stop`);
  world.partition('only', master);
  master.resume();
  await world.run(10_000);
  assert.ok(master.isBelieved && replica.isBelieved, 'nothing ends the lease of a master that hears nobody');
  assert.equal((await eventKinds(world)).includes('lease-ended'), false, 'what did not end is not said to have');
});

test('the same with the lease fence: one is believed at any time', async () => {
  const world = await clusterAtWork({ fences: ['lb', 'lease'], replication: 'sync' });
  const [master, replica] = world.nodes;
  assert.ok(master && replica);
  world.shards = [[master, replica]];
  master.stop();
  await world.until('its successor is believed', 2000, () => replica.isBelieved);
  world.partition('only', master);
  master.resume();
  await world.run(10_000);
  assert.deepEqual(world.violations, []);
  assert.ok((await eventKinds(world)).includes('lease-ended'));
});

test('a controller that was not started for drills does not serve such a cluster', async () => {
  const world = new World({ nodes: 2, settings: { fences: ['lb'], replication: 'sync' } });
  await world.startController();
  const failed = assert.rejects(
    world.controller.failed,
    (error) => error instanceof FatalError && /waits for no lease.*--unsafe-for-drills/.test(error.message),
  );
  await world.call({ operation: 'create-namespace', namespace: 'holdfast' });
  const nodes = world.nodes.map(({ addr }) => addr);
  const request = { name: 'local', nodes, replicas: 2, password: '', masterLbs: [], replicaLbs: [] };
  await world.call({ operation: 'create-cluster', namespace: 'holdfast', request }).catch(() => undefined);
  await failed;
});
