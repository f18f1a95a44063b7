/** Clusters and their addresses: created, put right, deleted, and gone on with by another controller. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperationError } from '@holdfast/base';
import { clusterAtWork, creation, eventsOf, masters, node, of, statusOf } from './testing/cluster-at-work.ts';
import { World } from './testing/world.ts';

test('a new cluster is armed, knows its topology, holds leases and its addresses lead to the masters', async () => {
  const world = await clusterAtWork(2);
  const status = await statusOf(world);
  assert.deepEqual(
    status.shards.map(({ phase, epoch }) => [phase, epoch]),
    [
      ['stable', 1],
      ['stable', 1],
    ],
  );
  for (const shard of status.shards) {
    assert.ok((shard.lease_valid_for_ms ?? 0) > 0);
    for (const { armed, epoch, version, alive } of shard.nodes)
      assert.deepEqual(
        { armed, epoch, version, alive },
        { armed: true, epoch: 1, version: status.version, alive: true },
      );
  }
  assert.deepEqual(
    status.bindings.map(({ address, observed }) => [address, observed]),
    [
      ['127.0.0.1:7000', '127.0.0.1:6661'],
      ['127.0.0.1:7100', '127.0.0.1:6662'],
      ['127.0.0.1:7001', '127.0.0.1:6663'],
      ['127.0.0.1:7101', '127.0.0.1:6664'],
    ],
  );
  assert.match(
    node(world, 0).told.find((line) => line.startsWith('SETNODES')) ?? '',
    / 127\.0\.0\.1 6661 master - 0-8191 127\.0\.0\.1 7000\n/,
  );
});

test('a cluster that is too large for one write of the store is refused, and the controller goes on', async () => {
  const world = new World({ nodes: 70 });
  await world.startController();
  await world.call({ operation: 'create-namespace', namespace: 'holdfast' });
  const call = creation(world, 1);
  assert.ok(call.operation === 'create-cluster');
  const reply = await world.call({ ...call, request: { ...call.request, masterLbs: [], replicaLbs: [] } });
  assert.equal(reply.status, 500);
  assert.match(JSON.stringify(reply.body), /the limit is/);
  assert.deepEqual((await world.call({ operation: 'list-clusters', namespace: 'holdfast' })).body, {
    data: { clusters: [] },
  });
});

test('of two clusters that want the same nodes at the same time one is made', async () => {
  const world = new World({ nodes: 2 });
  await world.startController();
  await world.call({ operation: 'create-namespace', namespace: 'holdfast' });
  const one = creation(world, 2);
  assert.ok(one.operation === 'create-cluster');
  const replies = [one, { ...one, request: { ...one.request, name: 'other' } }].map((call) =>
    world.controller.call(call),
  );
  await world.run(3000);
  assert.deepEqual(
    (await Promise.all(replies)).map(({ status }) => status),
    [201, 409],
  );
  assert.deepEqual((await world.call({ operation: 'list-clusters', namespace: 'holdfast' })).body, {
    data: { clusters: ['local'] },
  });
});

test('a deleted cluster is forgotten, its addresses closed, and one of the same name begins anew', async () => {
  const world = await clusterAtWork();
  assert.equal((await world.call({ operation: 'delete-cluster', ...of })).status, 204);
  await world.until('its addresses are closed', 10, () => world.balancer.current.bindings.length === 0);
  const heartbeats = node(world, 0).heartbeats.length;
  await world.run(500);
  assert.equal(node(world, 0).heartbeats.length, heartbeats);
  assert.equal((await world.call({ operation: 'get-status', ...of })).status, 404);
  const again = await world.call(creation(world, 2));
  assert.equal(again.status, 409, 'its nodes stay armed');
});

test('a balancer that cannot be asked delays no promotion and is put right when it is back', async () => {
  const world = await clusterAtWork();
  world.balancer.failure = new OperationError('BALANCER_UNREACHABLE', 'down', { outcome: 'not-applied' });
  node(world, 0).stop();
  await world.until('b is master', 1100, () => node(world, 1).isBelieved);
  await world.until(
    'the failover is over',
    1500,
    () => world.controller.runtime('holdfast', 'local')?.lead?.drivers[0]?.record.transition === null,
  );
  assert.equal(world.balancer.current.bindings[0]?.backend, '127.0.0.1:6661');
  world.balancer.failure = undefined;
  await world.until('put right', 1100, () => world.balancer.current.bindings[0]?.backend === '127.0.0.1:6662');
});

test('bindings that somebody changed are put right within a second or two', async () => {
  const world = await clusterAtWork();
  const { revision } = world.balancer.current;
  world.balancer.current = { revision: revision - 1, bindings: [] };
  await world.until('put right', 2100, () => world.balancer.current.revision === revision);
});

test('a node with a later topology than the store makes the store go beyond it', async () => {
  const world = await clusterAtWork();
  node(world, 1).version = 40;
  await world.run(500);
  assert.equal((await statusOf(world)).version, 41);
  assert.deepEqual(
    world.nodes.map(({ version }) => version),
    [41, 41],
  );
});

test('a node in a later epoch than the store gets no lease and is an alarm', async () => {
  const world = await clusterAtWork();
  const stranger = node(world, 1);
  stranger.record = { ...stranger.record, epoch: 9 };
  await world.run(500);
  assert.ok((await eventsOf(world)).some(({ kind, cause }) => kind === 'alarm' && cause === 'epoch-above-store'));
});

test('the metadata outlives the controller: a new one goes on with the same cluster', async () => {
  const world = await clusterAtWork();
  world.killController();
  await world.run(300);
  await world.startController();
  await world.run(500);
  const status = await statusOf(world);
  assert.equal(status.shards[0]?.epoch, 1, 'a living master keeps its epoch');
  assert.equal(node(world, 0).isBelieved, true);
  assert.ok(
    (await eventsOf(world)).some(({ kind }) => kind === 'cluster-created'),
    'events too',
  );
});

test('bad creations are refused and leave nothing behind', async () => {
  const world = new World({ nodes: 2 });
  await world.startController();
  await world.call({ operation: 'create-namespace', namespace: 'holdfast' });
  const good = creation(world, 2);
  assert.ok(good.operation === 'create-cluster');
  const { request } = good;
  const rows: readonly (readonly [number, RegExp, Partial<typeof request>])[] = [
    [400, /divisible by replicas/, { nodes: [...request.nodes, '127.0.0.1:6669'] }],
    [400, /is no address/, { nodes: ['nowhere', 'else'] }],
    [400, /given twice/, { nodes: ['127.0.0.1:6661', '127.0.0.1:6661'] }],
    [400, /load_balancers.masters has 2 addresses for 1 shards/, { masterLbs: masters }],
    [500, /does not answer/, { nodes: ['127.0.0.1:6661', '127.0.0.1:6699'] }],
  ];
  for (const [status, message, change] of rows) {
    const reply = await world.call({ ...good, request: { ...request, ...change } });
    assert.equal(reply.status, status);
    assert.match(JSON.stringify(reply.body), message);
  }
  assert.deepEqual((await world.call({ operation: 'list-clusters', namespace: 'holdfast' })).body, {
    data: { clusters: [] },
  });
  assert.equal((await world.call({ ...good, namespace: 'other' })).status, 400);
  assert.equal((await world.call(good)).status, 201);
  assert.equal((await world.call(good)).status, 409);
});
