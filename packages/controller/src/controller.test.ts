import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperationError } from '@holdfast/base';
import type { ShardRecord } from '@holdfast/fencing';
import type { ApiCall } from './api.ts';
import { World } from './testing/world.ts';

const of = { namespace: 'holdfast', cluster: 'local' } as const;
const masters = ['127.0.0.1:7000', '127.0.0.1:7001'];
const replicas = ['127.0.0.1:7100', '127.0.0.1:7101'];

interface StatusNode {
  readonly id: string;
  readonly addr: string;
  readonly role: string;
  readonly alive: boolean;
  readonly epoch: number;
  readonly version: number;
  readonly armed: boolean;
}

interface Status {
  readonly version: number;
  readonly shards: readonly {
    readonly epoch: number;
    readonly phase: string;
    readonly lease_valid_for_ms: number | null;
    readonly nodes: readonly StatusNode[];
  }[];
  readonly bindings: readonly {
    readonly address: string;
    readonly desired: string | null;
    readonly observed: string | null;
  }[];
}

interface Event {
  readonly id: number;
  readonly kind: string;
  readonly cause: string | null;
  readonly timings: Readonly<Record<string, number>>;
}

function creation(world: World, replicasPerShard: number): ApiCall {
  const shards = world.nodes.length / replicasPerShard;
  const request = {
    name: 'local',
    nodes: world.nodes.map(({ addr }) => addr),
    replicas: replicasPerShard,
    password: '',
    masterLbs: masters.slice(0, shards),
    replicaLbs: replicas.slice(0, shards),
  };
  return { operation: 'create-cluster', namespace: 'holdfast', request };
}

/** A cluster of one or two shards with two nodes each, at work. */
async function clusterAtWork(shards = 1, fences: readonly ('lb' | 'lease')[] = ['lb', 'lease']): Promise<World> {
  const world = new World({ nodes: 2 * shards, settings: { fences } });
  world.shards = Array.from({ length: shards }, (_, index) => world.nodes.slice(2 * index, 2 * index + 2));
  await world.startController();
  await world.call({ operation: 'create-namespace', namespace: 'holdfast' });
  const created = await world.call(creation(world, 2));
  assert.equal(created.status, 201, JSON.stringify(created.body));
  for (const node of world.nodes) node.sequence = 100;
  await world.run(300);
  return world;
}

async function statusOf(world: World): Promise<Status> {
  const { status, body } = await world.call({ operation: 'get-status', ...of });
  assert.equal(status, 200);
  return (body as unknown as { data: Status }).data;
}

async function eventsOf(world: World): Promise<readonly Event[]> {
  const { body } = await world.call({ operation: 'list-events', ...of, after: 0, limit: 500 });
  return (body as unknown as { data: { events: Event[] } }).data.events;
}

function node(world: World, index: number) {
  const found = world.nodes[index];
  assert.ok(found);
  return found;
}

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

/** Kills the controller before its `dieAt`-th effect of the deed, starts another 50 ms later, and lets it finish. */
async function interrupted(dieAt: number | undefined, deed: (world: World) => Promise<void>): Promise<World> {
  const world = await clusterAtWork();
  world.killController();
  await world.startController(dieAt);
  await world.run(1200);
  await deed(world);
  if (world.isControllerDead) {
    await world.run(50);
    await world.startController();
  }
  return world;
}

async function hang(world: World): Promise<void> {
  node(world, 0).stop();
  for (let ms = 0; ms < 1500 && !world.isControllerDead; ms += 50) await world.run(50);
}

async function switchOver(world: World): Promise<void> {
  if (world.isControllerDead) return;
  await world.call({ operation: 'switchover', ...of, shard: 0, preferredId: undefined });
  if (!world.isControllerDead) await world.run(100);
}

test('a failover that is interrupted before any effect is completed by the next controller', async () => {
  const whole = (await interrupted(undefined, hang)).effects;
  assert.ok(whole.filter((effect) => effect === 'transact').length >= 3, whole.join(' '));
  assert.ok(whole.includes('SHARD') && whole.includes('SETNODES') && whole.includes('apply'));
  for (let dieAt = 0; dieAt < whole.length; dieAt++) {
    const world = await interrupted(dieAt, hang);
    await world.run(3500);
    const status = await statusOf(world);
    const what = `died before effect ${dieAt} ${whole[dieAt] ?? ''}`;
    assert.equal(status.shards[0]?.phase, 'stable', what);
    assert.equal(node(world, 1).isBelieved, true, what);
    assert.equal(status.bindings[0]?.observed, '127.0.0.1:6662', what);
    node(world, 0).resume();
    await world.run(500);
    assert.equal(node(world, 0).record.epoch, status.shards[0]?.epoch, what);
    assert.equal(node(world, 0).version, status.version, what);
    assert.deepEqual(world.violations, [], what);
  }
});

test('a switchover that is interrupted before any effect ends with one master', async () => {
  const whole = (await interrupted(undefined, switchOver)).effects;
  assert.ok(whole.includes('HOLD') && whole.includes('RESIGN') && whole.includes('RELEASE'), whole.join(' '));
  for (let dieAt = 0; dieAt < whole.length; dieAt++) {
    const world = await interrupted(dieAt, switchOver);
    await world.run(3000);
    const status = await statusOf(world);
    const what = `died before effect ${dieAt} ${whole[dieAt] ?? ''}`;
    assert.equal(status.shards[0]?.phase, 'stable', what);
    assert.equal(world.nodes.filter((each) => each.isBelieved).length, 1, what);
    assert.deepEqual(world.violations, [], what);
    const master = world.nodes.find((each) => each.isBelieved);
    assert.equal(status.bindings[0]?.observed, master?.addr, what);
  }
});
