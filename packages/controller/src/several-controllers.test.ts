/** Three controllers on one store: one leads, all grant; whoever dies or stands still, the others finish what it began. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiReply } from './api.ts';
import type { FakeNode } from './testing/fake-node.ts';
import type { Fate } from './testing/life.ts';
import { World } from './testing/world.ts';

const of = { namespace: 'holdfast', cluster: 'local' } as const;
const names = ['controllera', 'controllerb', 'controllerc'] as const;
const [first, second, third] = names;

function data<T>(reply: ApiReply): T {
  assert.ok(reply.status >= 200 && reply.status < 300, `${reply.status} ${JSON.stringify(reply.body)}`);
  return (reply.body as { data: T }).data;
}

interface ShardStatus {
  readonly epoch: number;
  readonly phase: string;
  readonly isr: readonly string[];
  readonly isr_version: number;
  readonly controllers: readonly string[];
}

interface Status {
  readonly version: number;
  readonly shards: readonly ShardStatus[];
  readonly bindings: readonly { readonly observed: string | null }[];
  readonly controllers: readonly { readonly id: string; readonly leader: boolean; readonly alive: boolean }[];
}

interface Event {
  readonly kind: string;
  readonly cause: string | null;
  readonly message: string;
}

async function statusOf(world: World): Promise<Status & { readonly shard: ShardStatus }> {
  const status = data<Status>(await world.call({ operation: 'get-status', ...of }));
  const [shard] = status.shards;
  assert.ok(shard);
  return { ...status, shard };
}

async function eventsOf(world: World): Promise<readonly Event[]> {
  const call = { operation: 'list-events', ...of, after: 0, limit: 500 } as const;
  return data<{ events: Event[] }>(await world.call(call)).events;
}

function node(world: World, index: number): FakeNode {
  const found = world.nodes[index];
  assert.ok(found);
  return found;
}

/** One shard of two nodes under three controllers, at work; the first leads. */
async function clusterAtWork(replication: 'sync' | 'async' = 'async'): Promise<World> {
  const world = new World({ nodes: 2, settings: { replication } });
  for (const each of world.nodes) each.replicationMode = replication;
  world.shards = [world.nodes];
  for (const name of names) await world.startShared(name);
  data(await world.call({ operation: 'create-namespace', namespace: 'holdfast' }));
  const request = {
    name: 'local',
    nodes: world.nodes.map(({ addr }) => addr),
    replicas: 2,
    password: '',
    masterLbs: ['127.0.0.1:7000'],
    replicaLbs: ['127.0.0.1:7100'],
  };
  data(await world.call({ operation: 'create-cluster', namespace: 'holdfast', request }));
  for (const each of world.nodes) each.sequence = 100;
  await world.run(1500);
  assert.equal(world.leader, first);
  return world;
}

function leadsTo(world: World): string | null | undefined {
  return world.balancer.current.bindings.find(({ address }) => address === '127.0.0.1:7000')?.backend;
}

test('all controllers count for a lease, every one tells the same, one leads', async () => {
  const world = await clusterAtWork();
  const { shard, controllers } = await statusOf(world);
  assert.deepEqual([...shard.controllers], [...names]);
  assert.deepEqual(
    controllers.map(({ id, leader, alive }) => [id, leader, alive]),
    [
      [first, true, true],
      [second, false, true],
      [third, false, true],
    ],
  );
  assert.deepEqual(node(world, 0).record.controllers, [...names]);
  const follower = await world.controllerOf(second).call({ operation: 'get-status', ...of });
  assert.deepEqual(data<Status>(follower).shards[0]?.epoch, 1);
  assert.deepEqual(data<Status>(follower).bindings, (await statusOf(world)).bindings);
});

test('a write at a follower is sent to the leader, and nowhere while there is none', async () => {
  const world = await clusterAtWork();
  const call = { operation: 'switchover', ...of, shard: 0, preferredId: undefined } as const;
  const reply = await world.controllerOf(second).call(call);
  assert.deepEqual([reply.status, reply.redirectTo], [307, `http://${first}`]);
  world.life(first).kill();
  world.life(third).kill();
  await world.until('the follower leads', 3000, () => world.leader === second);
  assert.equal((await world.call(call)).status, 200, 'it leads now');
});

test('followers keep a lease alive while nobody leads, and the next leader changes nothing', async () => {
  const world = await clusterAtWork();
  world.life(first).kill();
  for (let ms = 0; ms < 5000; ms++) {
    await world.run(1);
    assert.equal(node(world, 0).isBelieved, true, `after ${ms} ms`);
  }
  assert.notEqual(world.leader, undefined);
  assert.equal((await statusOf(world)).shard.epoch, 1);
  const told = (await eventsOf(world)).filter(({ kind }) => kind === 'leader-elected');
  assert.deepEqual(
    told.map(({ message }) => message),
    [`controller ${world.leader ?? ''} leads`],
  );
});

test('a store that is out of reach for ten seconds stops no master, and nothing is changed', async () => {
  const world = await clusterAtWork();
  world.shared.goDown();
  for (let ms = 0; ms < 10_000; ms++) {
    await world.run(1);
    assert.equal(node(world, 0).isBelieved, true, `after ${ms} ms`);
  }
  world.shared.comeBack();
  await world.until('somebody leads', 3000, () => world.leader !== undefined);
  await world.run(3000);
  assert.equal((await statusOf(world)).shard.epoch, 1);
  node(world, 0).stop();
  await world.until('a failover works again', 1500, () => node(world, 1).isBelieved);
  assert.deepEqual(world.violations, []);
});

test('nothing is granted and nobody promoted by a minority', async () => {
  const world = await clusterAtWork();
  world.life(second).kill();
  world.life(third).kill();
  node(world, 0).stop();
  await world.run(6000);
  assert.equal(node(world, 1).isBelieved, false);
  assert.deepEqual(world.violations, []);
});

test('a promotion waits for the answers of a majority and for the longest promise among them', async () => {
  const world = await clusterAtWork();
  // The master is heard by the third alone: two do not, which is a majority, and its lease runs out.
  world.life(second).pause();
  world.life(third).pause();
  node(world, 0).stop();
  await world.run(1500);
  assert.equal((await statusOf(world)).shard.epoch, 1, 'one suspicion is not enough');
  world.life(second).resume();
  await world.until('the epoch is taken', 3000, () => node(world, 1).isBelieved);
  assert.deepEqual(world.violations, []);
});

test('a leader that promised nothing itself waits for those who did, however long they take to answer', async () => {
  const world = await clusterAtWork();
  world.partition(first, node(world, 0));
  await world.run(1500);
  assert.equal(node(world, 0).isBelieved, true, 'by the leases of the other two');
  world.life(second).pause();
  world.life(third).pause();
  const failover = { operation: 'failover', ...of, shard: 0, preferredId: undefined, acceptDataLoss: false } as const;
  void world.controller.call(failover);
  await world.run(200);
  assert.equal((await statusOf(world)).shard.epoch, 2);
  world.life(second).resume();
  world.life(third).resume();
  await world.until('b is master', 1500, () => node(world, 1).isBelieved);
  assert.equal(node(world, 0).isBelieved, false);
  assert.deepEqual(world.violations, []);
});

test('a master that only the leader does not hear is not called dead', async () => {
  const world = await clusterAtWork();
  world.partition(first, node(world, 0));
  for (let ms = 0; ms < 3000; ms++) {
    await world.run(1);
    assert.equal(node(world, 0).isBelieved, true, `after ${ms} ms`);
  }
  assert.equal((await statusOf(world)).shard.epoch, 1);
  assert.ok((await eventsOf(world)).some(({ kind }) => kind === 'master-suspected'));
});

test('a master that a majority does not hear is replaced though one controller still hears it', async () => {
  const world = await clusterAtWork();
  world.partition(first, node(world, 0));
  world.partition(second, node(world, 0));
  await world.until('b is master', 1300, () => node(world, 1).isBelieved);
  await world.run(500);
  assert.equal(node(world, 0).isBelieved, false);
  assert.deepEqual(world.violations, []);
});

test('controllers that came count from the next epoch on', async () => {
  const world = await clusterAtWork();
  await world.startShared('controllerd');
  await world.run(500);
  assert.deepEqual([...(await statusOf(world)).shard.controllers], [...names]);
  data(await world.call({ operation: 'switchover', ...of, shard: 0, preferredId: undefined }));
  await world.run(300);
  assert.deepEqual([...(await statusOf(world)).shard.controllers], [...names, 'controllerd']);
  assert.deepEqual(node(world, 1).record.controllers, [...names, 'controllerd']);
});

test('a controller is taken from the list when it is gone, not while it is alive', async () => {
  const world = await clusterAtWork();
  const call = { operation: 'delete-controller', controller: third } as const;
  assert.equal((await world.call(call)).status, 409);
  world.life(third).kill();
  await world.run(2500);
  assert.equal((await world.call(call)).status, 204);
  assert.deepEqual(
    (await statusOf(world)).controllers.map(({ id }) => id),
    [first, second],
  );
});

// ISR.

function isrRequest(world: World, change: '+' | '-', isrVersion: number, logId = node(world, 1).record.logId): string {
  const master = node(world, 0).record;
  return `${master.epoch}:${isrVersion}:${change}${node(world, 1).nodeId}:${logId}`;
}

test('an ISR request of the master is committed once, and the master hears of it at once', async () => {
  const world = await clusterAtWork('sync');
  const before = await statusOf(world);
  assert.deepEqual(before.shard.isr, [node(world, 0).nodeId]);
  node(world, 0).isrRequest = isrRequest(world, '+', 0);
  await world.until('the master knows', 130, () => node(world, 0).record.isrVersion === 1);
  await world.run(300);
  const { shard } = await statusOf(world);
  assert.deepEqual([shard.isr_version, [...shard.isr]], [1, world.nodes.map(({ nodeId }) => nodeId)]);
  assert.equal(node(world, 1).record.isrVersion, 1, 'the others hear of it too');
  node(world, 0).isrRequest = isrRequest(world, '-', 1);
  await world.until('it left', 130, () => node(world, 0).record.isrVersion === 2);
  const kinds = (await eventsOf(world)).map(({ kind }) => kind).filter((kind) => kind.startsWith('isr-'));
  assert.deepEqual(kinds, ['isr-expanded', 'isr-shrunk']);
});

test('an ISR request for a log that the node does not have is refused, and said once', async () => {
  const world = await clusterAtWork('sync');
  node(world, 0).isrRequest = isrRequest(world, '+', 0, 'f'.repeat(20));
  await world.run(1000);
  assert.equal((await statusOf(world)).shard.isr_version, 0);
  assert.equal((await eventsOf(world)).filter(({ kind }) => kind === 'isr-refused').length, 1);
});

test('in sync mode nobody outside the ISR is promoted unless an operator accepts the loss', async () => {
  const world = await clusterAtWork('sync');
  node(world, 0).stop();
  await world.run(3000);
  assert.equal((await statusOf(world)).shard.epoch, 1);
  const failover = { operation: 'failover', ...of, shard: 0, preferredId: undefined } as const;
  assert.equal((await world.call({ ...failover, acceptDataLoss: false })).status, 409);
  const reply = await world.call({ ...failover, acceptDataLoss: true });
  assert.equal(reply.status, 200, JSON.stringify(reply.body));
  await world.until('b has its lease', 15, () => node(world, 1).isBelieved);
  const started = (await eventsOf(world)).find(({ kind }) => kind === 'failover-started');
  assert.match(started?.cause ?? '', /accepted the loss.*may be lost/);
  assert.deepEqual(world.violations, []);
});

test('in sync mode a member of the ISR takes over by itself', async () => {
  const world = await clusterAtWork('sync');
  node(world, 0).isrRequest = isrRequest(world, '+', 0);
  await world.until('the master knows', 130, () => node(world, 0).record.isrVersion === 1);
  node(world, 0).stop();
  const tookMs = await world.until('b is master', 1500, () => node(world, 1).isBelieved);
  assert.ok(tookMs <= 1100, `${tookMs} ms`);
  await world.run(300);
  assert.deepEqual([...(await statusOf(world)).shard.isr], [node(world, 1).nodeId], 'never the old master');
});

// Whatever the leader is doing when it dies or is stopped.

interface Deed {
  readonly name: string;
  readonly replication: 'sync' | 'async';
  /** What the leader's effects must include for the test to say anything. */
  readonly includes: readonly string[];
  begin(world: World): void;
  /** True of a world in which the deed is through. */
  isDone(world: World): boolean;
}

const deeds: readonly Deed[] = [
  {
    name: 'failover',
    replication: 'async',
    includes: ['transact', 'SHARD', 'SETNODES', 'apply'],
    begin: (world) => node(world, 0).stop(),
    isDone: (world) => node(world, 1).isBelieved && leadsTo(world) === '127.0.0.1:6662',
  },
  {
    name: 'switchover',
    replication: 'async',
    includes: ['HOLD', 'transact', 'RESIGN', 'SHARD', 'RELEASE'],
    begin: (world) => void world.controller.call({ operation: 'switchover', ...of, shard: 0, preferredId: undefined }),
    isDone: (world) => world.nodes.some((each) => each.isBelieved && each.addr === leadsTo(world)),
  },
  {
    name: 'ISR change',
    replication: 'sync',
    includes: ['transact', 'SHARD'],
    begin: (world) => void (node(world, 0).isrRequest = isrRequest(world, '+', 0)),
    isDone: (world) => world.nodes.every(({ record }) => record.isrVersion === 1),
  },
  {
    name: 'LB change',
    replication: 'async',
    includes: ['transact', 'apply'],
    begin: (world) => node(world, 1).kill(),
    isDone: (world) =>
      world.balancer.current.bindings.some(({ address, backend }) => address === '127.0.0.1:7100' && backend === null),
  },
];

/** Begins the deed with a leader that meets its fate at one of its effects; returns after it has happened. */
async function interrupted(deed: Deed, fate: Fate): Promise<World> {
  const world = await clusterAtWork(deed.replication);
  world.life(first).fateFromNow(fate);
  deed.begin(world);
  const isMet = (): boolean => world.life(first).isOver || world.life(first).isPaused;
  for (let ms = 0; ms < 6000 && !isMet() && !(ms > 2500 && deed.isDone(world)); ms += 10) await world.run(10);
  return world;
}

/** What the store, the nodes and the balancer hold that a deposed leader could change. */
function facts(world: World, status: Status & { readonly shard: ShardStatus }): unknown {
  const { epoch, isr_version: isrVersion } = status.shard;
  const nodes = world.nodes.map(({ record, version, isBelieved }) => [
    record.epoch,
    record.isrVersion,
    version,
    isBelieved,
  ]);
  return { epoch, isrVersion, version: status.version, nodes, bindings: world.balancer.current };
}

for (const deed of deeds) {
  for (const ending of ['dies', 'is paused'] as const) {
    test(`${deed.name}: the leader ${ending} before any effect, another finishes it`, async () => {
      const whole = (await interrupted(deed, {})).life(first).effectsSinceFate;
      for (const effect of deed.includes) assert.ok(whole.includes(effect), `${effect} in ${whole.join(' ')}`);
      for (let at = 0; at < whole.length; at++) {
        const what = `${deed.name}, ${ending} before effect ${at} ${whole[at] ?? ''}`;
        const world = await interrupted(deed, ending === 'dies' ? { dieAt: at } : { pauseAt: at });
        await world.until(what, 9000, () => world.leader !== undefined && world.leader !== first && deed.isDone(world));
        await world.run(1500);
        const before = await statusOf(world);
        assert.equal(before.shard.phase, 'stable', what);
        if (ending === 'is paused') {
          world.life(first).resume();
          await world.run(1500);
          assert.deepEqual(facts(world, await statusOf(world)), facts(world, before), what);
        }
        assert.deepEqual(world.violations, [], what);
      }
    });
  }
}
