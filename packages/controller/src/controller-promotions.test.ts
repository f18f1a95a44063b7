/** Masters that hang, die, restart, cannot write or are asked to go: who follows, when, and what clients are told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ShardRecord } from '@holdfast/fencing';
import { clusterAtWork, creation, eventsOf, node, of, statusOf } from './testing/cluster-at-work.ts';
import { World } from './testing/world.ts';

test('a hung master is replaced within its lease and 300 ms, and is told when it wakes up', async () => {
  const world = await clusterAtWork();
  world.balancer.connections.set('127.0.0.1:7000', new Map([['127.0.0.1:6661', 8]]));
  node(world, 0).stop();
  const leadsToB = (): boolean =>
    world.balancer.current.bindings.find(({ address }) => address === '127.0.0.1:7000')?.backend === '127.0.0.1:6662';
  const tookMs = await world.until('the address leads to b', 3000, () => node(world, 1).isBelieved && leadsToB());
  assert.ok(tookMs <= 1015, `${tookMs} ms`);
  assert.equal(world.balancer.connections.get('127.0.0.1:7000')?.size, 0, 'old connections are cut');
  await world.run(2000);
  node(world, 0).resume();
  assert.equal(node(world, 0).isBelieved, false);
  await world.run(500);
  const status = await statusOf(world);
  assert.deepEqual(
    status.shards[0]?.nodes.map(({ role, epoch, version }) => [role, epoch, version]),
    [
      ['slave', 2, status.version],
      ['master', 2, status.version],
    ],
  );
  assert.deepEqual(world.violations, []);
  const events = await eventsOf(world);
  const kinds = events.map(({ kind }) => kind);
  for (const kind of [
    'cluster-created',
    'master-suspected',
    'failover-started',
    'lease-ended',
    'promoted',
    'lb-moved',
    'failover-done',
    'node-up',
    'topology-pushed',
  ])
    assert.ok(kinds.includes(kind), `${kind} in ${kinds.join(' ')}`);
  const done = events.find(({ kind }) => kind === 'failover-done');
  assert.equal(done?.cause, 'no-reply');
  assert.ok((done?.timings['promoted_ms'] ?? 0) >= 1010 && (done?.timings['lb_moved_ms'] ?? 0) <= 1030);
});

test('the old master gets the address of the replicas once it follows', async () => {
  const world = await clusterAtWork();
  node(world, 0).stop();
  await world.run(2500);
  const replicaBinding = (): string | null | undefined =>
    world.balancer.current.bindings.find(({ address }) => address === '127.0.0.1:7100')?.backend;
  assert.equal(replicaBinding(), null, 'nobody to read from');
  node(world, 0).resume();
  await world.until('the replica address leads to the old master', 2500, () => replicaBinding() === '127.0.0.1:6661');
});

test('a switchover moves the master in a few round trips and tells the old one where its clients belong', async () => {
  const world = await clusterAtWork();
  const beganMs = world.time.leaseMs();
  const reply = await world.call({ operation: 'switchover', ...of, shard: 0, preferredId: undefined });
  assert.equal(reply.status, 200, JSON.stringify(reply.body));
  assert.ok(world.time.leaseMs() - beganMs < 100, `${world.time.leaseMs() - beganMs} ms`);
  await world.run(500);
  const told = node(world, 0).told.filter((line) => !line.startsWith('SET'));
  assert.deepEqual(told.map((line) => line.split(' ').slice(0, 2).join(' ')).slice(1), [
    'HOLD 1',
    'RESIGN 1',
    'RELEASE 1',
    'SHARD 2',
  ]);
  assert.equal(
    told.find((line) => line.startsWith('RELEASE')),
    'RELEASE 1 127.0.0.1:7000',
  );
  assert.equal(node(world, 1).isBelieved, true);
  assert.deepEqual(world.violations, []);
  const bindings = world.balancer.current.bindings;
  assert.deepEqual(bindings[0], { address: '127.0.0.1:7000', backend: '127.0.0.1:6662', drainMs: 500 });
});

test('a switchover whose candidate does not catch up gives the clients back and changes nothing', async () => {
  const world = await clusterAtWork();
  node(world, 0).sequence = 200;
  const reply = await world.call({ operation: 'switchover', ...of, shard: 0, preferredId: undefined });
  assert.equal(reply.status, 409);
  assert.match(JSON.stringify(reply.body), /did not catch up/);
  assert.ok(node(world, 0).told.includes('UNHOLD 1'));
  assert.equal((await statusOf(world)).shards[0]?.epoch, 1);
  assert.equal(node(world, 0).isBelieved, true);
});

test('a failover by an operator waits for the lease of a master that is well', async () => {
  const world = await clusterAtWork();
  const reply = await world.call({
    operation: 'failover',
    ...of,
    shard: 0,
    preferredId: undefined,
    acceptDataLoss: false,
  });
  assert.equal(reply.status, 200, JSON.stringify(reply.body));
  await world.run(300);
  assert.equal(node(world, 1).isBelieved, true);
  assert.deepEqual(world.violations, []);
});

test('a master that cannot write gives its role up: nobody waits for its lease', async () => {
  const world = await clusterAtWork();
  await world.run(10_000);
  node(world, 0).health = 'write-failed';
  const tookMs = await world.until('b is master', 1500, () => node(world, 1).isBelieved);
  assert.ok(tookMs < 500, `${tookMs} ms`);
  await world.run(200);
  assert.ok(node(world, 0).told.includes('RESIGN 1'));
  const started = (await eventsOf(world)).find(({ kind }) => kind === 'switchover-started');
  assert.equal(started?.cause, 'write-failed');
  assert.deepEqual(world.violations, []);
});

test('a master that cannot write and has nobody near is failed over by its lease', async () => {
  const world = await clusterAtWork();
  await world.run(10_000);
  node(world, 1).linkStatus = 'down';
  await world.run(200);
  node(world, 0).health = 'disk-stalled';
  await world.until('b is master', 1500, () => node(world, 1).isBelieved);
  assert.equal((await eventsOf(world)).find(({ kind }) => kind === 'failover-started')?.cause, 'disk-stalled');
  assert.deepEqual(world.violations, []);
});

test('a restarted master gets a new epoch before it serves again', async () => {
  const world = await clusterAtWork();
  node(world, 0).kill();
  await world.run(200);
  node(world, 0).start();
  assert.equal(node(world, 0).isBelieved, false);
  await world.until('somebody serves', 1500, () => world.nodes.some((each) => each.isBelieved));
  await world.run(300);
  assert.equal((await statusOf(world)).shards[0]?.epoch, 2);
  assert.ok((await eventsOf(world)).some(({ kind }) => kind === 'process-changed'));
});

test('a master whose lease does not run although it is granted gets a new epoch', async () => {
  const world = await clusterAtWork();
  await world.run(3000);
  const master = node(world, 0);
  master.loseLease();
  await world.until('it is believed again', 4500, () => master.isBelieved);
  assert.equal((await statusOf(world)).shards[0]?.epoch, 2);
  const started = (await eventsOf(world)).find(({ kind }) => kind === 'failover-started');
  assert.equal(started?.cause, 'lease-not-taken');
});

test('no heartbeat names a node as master before it is armed', async () => {
  const world = new World({ nodes: 2 });
  await world.startController();
  await world.call({ operation: 'create-namespace', namespace: 'holdfast' });
  await world.call(creation(world, 2));
  await world.run(300);
  for (const { heartbeats } of world.nodes) {
    const first = heartbeats.findIndex(({ masterId }) => masterId !== '-');
    assert.ok(first > 0 && heartbeats.slice(first).every(({ wasArmed }) => wasArmed));
  }
});

test('when both nodes of a shard die, the one with the data comes back as master', async () => {
  const world = await clusterAtWork();
  for (const each of world.nodes) each.kill();
  await world.run(1500);
  node(world, 1).start();
  await world.until('b serves', 3000, () => node(world, 1).isBelieved);
  node(world, 0).start();
  await world.run(500);
  assert.deepEqual(world.violations, []);
  assert.equal((await statusOf(world)).shards[0]?.phase, 'stable');
});

test('without the lease fence nothing is armed and a failover waits for nothing', async () => {
  const world = await clusterAtWork(1, ['lb']);
  assert.equal(node(world, 0).record.armed, false);
  node(world, 0).stop();
  const tookMs = await world.until('b is master', 2000, () => node(world, 1).topologyRole === 'master');
  assert.ok(tookMs <= 830, `${tookMs} ms`);
  assert.ok(world.nodes.every(({ told }) => told.every((line) => /^SET(NODES|NODEID) /.test(line))));
});

test('without the lb fence addresses move and nothing is cut', async () => {
  const world = await clusterAtWork(1, ['lease']);
  world.balancer.connections.set('127.0.0.1:7000', new Map([['127.0.0.1:6661', 8]]));
  node(world, 0).stop();
  await world.run(2000);
  assert.deepEqual(world.balancer.current.bindings[0], {
    address: '127.0.0.1:7000',
    backend: '127.0.0.1:6662',
    drainMs: null,
  });
  assert.equal(world.balancer.connections.get('127.0.0.1:7000')?.get('127.0.0.1:6661'), 8);
  assert.deepEqual(world.balancer.cuts, []);
});

test('an address moves with its own shard: a promotion elsewhere does not take along one that is only announced', async () => {
  const world = await clusterAtWork(2);
  const leadsTo = (address: string): string | null | undefined =>
    world.balancer.current.bindings.find((binding) => binding.address === address)?.backend;
  const record = (): ShardRecord | undefined => world.controller.runtime('holdfast', 'local')?.record(1);
  node(world, 2).stop();
  await world.until('announced', 1500, () => record()?.transition?.announced === true);
  const reply = await world.call({ operation: 'switchover', ...of, shard: 0, preferredId: undefined });
  assert.equal(reply.status, 200, JSON.stringify(reply.body));
  assert.equal(leadsTo('127.0.0.1:7000'), '127.0.0.1:6662');
  assert.equal(node(world, 3).isBelieved, false, 'the other shard still waits for its lease');
  assert.equal(leadsTo('127.0.0.1:7001'), '127.0.0.1:6663');
  await world.until('its address follows', 300, () => leadsTo('127.0.0.1:7001') === '127.0.0.1:6664');
  assert.equal(node(world, 3).isBelieved, true);
  await world.run(500);
  assert.equal(leadsTo('127.0.0.1:7000'), '127.0.0.1:6662');
  assert.deepEqual(world.violations, []);
});

test('two masters that die together are both replaced, each with its address', async () => {
  const world = await clusterAtWork(2);
  node(world, 0).kill();
  node(world, 2).kill();
  await world.until('both are replaced', 1300, () => node(world, 1).isBelieved && node(world, 3).isBelieved);
  await world.run(100);
  assert.deepEqual(
    world.balancer.current.bindings.map(({ address, backend }) => [address, backend]),
    [
      ['127.0.0.1:7000', '127.0.0.1:6662'],
      ['127.0.0.1:7100', null],
      ['127.0.0.1:7001', '127.0.0.1:6664'],
      ['127.0.0.1:7101', null],
    ],
  );
  assert.deepEqual(world.violations, []);
});
