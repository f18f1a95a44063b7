/** A master that only the balancer does not reach, and everything that looks like one and is none. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperationError } from '@holdfast/base';
import type { ApiReply } from './api.ts';
import type { FakeNode } from './testing/fake-node.ts';
import { World } from './testing/world.ts';

const of = { namespace: 'holdfast', cluster: 'local' } as const;
const [address, readers] = ['127.0.0.1:7000', '127.0.0.1:7100'];

interface Event {
  readonly kind: string;
  readonly cause: string | null;
  readonly message: string;
  readonly timings: Readonly<Record<string, number>>;
}

interface Status {
  readonly shards: readonly {
    readonly epoch: number;
    readonly phase: string;
    readonly nodes: readonly { readonly balancer: { readonly reachable: boolean } | null }[];
  }[];
}

function data<T>(reply: ApiReply): T {
  assert.ok(reply.status >= 200 && reply.status < 300, `${reply.status} ${JSON.stringify(reply.body)}`);
  return (reply.body as { data: T }).data;
}

/** One shard behind the balancer, at work. */
async function clusterAtWork({ nodes = 2, controllers = ['only'] } = {}): Promise<World> {
  const world = new World({ nodes });
  world.shards = [world.nodes];
  if (controllers.length === 1) await world.startController();
  else for (const name of controllers) await world.startShared(name);
  data(await world.call({ operation: 'create-namespace', namespace: 'holdfast' }));
  const addrs = world.nodes.map(({ addr }) => addr);
  const request = { name: 'local', nodes: addrs, replicas: nodes, password: '' };
  const lbs = { masterLbs: [address], replicaLbs: [readers] };
  data(await world.call({ operation: 'create-cluster', namespace: 'holdfast', request: { ...request, ...lbs } }));
  for (const node of world.nodes) node.sequence = 100;
  await world.run(500);
  return world;
}

async function statusOf(world: World): Promise<Status['shards'][0]> {
  const [shard] = data<Status>(await world.call({ operation: 'get-status', ...of })).shards;
  assert.ok(shard);
  return shard;
}

async function eventsOf(world: World): Promise<readonly Event[]> {
  return data<{ events: Event[] }>(await world.call({ operation: 'list-events', ...of, after: 0, limit: 500 })).events;
}

function node(world: World, index: number): FakeNode {
  const found = world.nodes[index];
  assert.ok(found);
  return found;
}

function leadsTo(world: World, which = address): string | null | undefined {
  return world.balancer.current.bindings.find((binding) => binding.address === which)?.backend;
}

const serves = (world: World, index: number): boolean =>
  node(world, index).isBelieved && leadsTo(world) === node(world, index).addr;

test('the way from the balancer to the master breaks: clients are served again before its lease would have ended', async () => {
  const world = await clusterAtWork();
  const a = node(world, 0);
  world.balancer.connections.set(address, new Map([[a.addr, 8]]));
  world.cutFromBalancer(a);
  const tookMs = await world.until('b serves', 3000, () => serves(world, 1));
  assert.ok(tookMs <= 1000, `${tookMs} ms`);
  assert.equal(world.balancer.current.bindings.find((binding) => binding.address === address)?.drainMs, 0);
  assert.equal(world.balancer.connections.get(address)?.size, 0, 'nobody there can be told: they are cut at once');
  await world.run(500);
  const told = a.told.map((line) => line.split(' ')[0]);
  assert.deepEqual(told.slice(told.indexOf('HOLD')), ['HOLD', 'RESIGN', 'RELEASE', 'SHARD', 'SETNODES']);
  assert.equal((await statusOf(world)).phase, 'stable');
  assert.deepEqual(world.violations, []);
  const events = await eventsOf(world);
  assert.ok((events.find(({ kind }) => kind === 'lb-unreached')?.timings['silent_ms'] ?? 0) >= 650);
  const done = events.find(({ kind }) => kind === 'switchover-done');
  assert.equal(done?.cause, 'lb-unreached');
  assert.ok((done?.timings['lb_moved_ms'] ?? Infinity) <= 1300, JSON.stringify(done));
  assert.deepEqual(
    (await statusOf(world)).nodes.map(({ balancer }) => balancer?.reachable),
    [false, true],
  );
});

test('readers are not sent to a replica that the balancer does not reach, and are when it does again', async () => {
  const world = await clusterAtWork();
  world.cutFromBalancer(node(world, 0));
  await world.until('b serves', 3000, () => serves(world, 1));
  await world.run(3000);
  assert.equal(leadsTo(world, readers), null);
  world.unreachedSince.clear();
  await world.until('readers have a', 1500, () => leadsTo(world, readers) === node(world, 0).addr);
  const kinds = (await eventsOf(world)).map(({ kind }) => kind);
  assert.ok(kinds.includes('lb-reached'));
  assert.equal(serves(world, 1), true, 'a master that serves stays');
});

test('of three nodes the one that the balancer reaches takes over', async () => {
  const world = await clusterAtWork({ nodes: 3 });
  world.cutFromBalancer(node(world, 0), node(world, 1));
  await world.until('c serves', 1100, () => serves(world, 2));
  assert.deepEqual(world.violations, []);
});

test('a balancer that reaches nobody moves nothing, and that is said once', async () => {
  const world = await clusterAtWork();
  world.cutFromBalancer(...world.nodes);
  await world.run(5000);
  assert.equal((await statusOf(world)).epoch, 1);
  const waits = (await eventsOf(world)).filter(({ kind }) => kind === 'switchover-waits');
  assert.deepEqual(
    waits.map(({ cause, message }) => [cause, message]),
    [['lb-unreached', 'shard 0: the balancer reaches no other node of the shard that answers']],
  );
});

test('a second time within ten seconds is waited for', async () => {
  const world = await clusterAtWork();
  world.cutFromBalancer(node(world, 0));
  await world.until('b serves', 1100, () => serves(world, 1));
  await world.run(500);
  world.unreachedSince.clear();
  world.cutFromBalancer(node(world, 1));
  await world.run(8000);
  assert.equal(serves(world, 1), true);
  await world.until('a serves', 2500, () => serves(world, 0));
  assert.deepEqual(world.violations, []);
});

test('a stalled main loop that answers the balancer nothing is no broken way, whenever it ends', async () => {
  for (const stallMs of [600, 690, 770, 2000]) {
    const world = await clusterAtWork();
    node(world, 0).stall();
    await world.run(stallMs);
    node(world, 0).unstall();
    await world.run(2000);
    assert.equal((await statusOf(world)).epoch, 1, `${stallMs} ms`);
  }
});

test('news of the balancer that is late when the stall is over moves nothing', async () => {
  const world = await clusterAtWork();
  node(world, 0).stall();
  await world.run(2000);
  const { silenceOf } = world.balancer;
  world.balancer.silenceOf = (backend) => (backend === node(world, 0).addr ? 2000 : silenceOf(backend));
  node(world, 0).unstall();
  await world.run(150);
  world.balancer.silenceOf = silenceOf;
  await world.run(2000);
  assert.equal((await statusOf(world)).epoch, 1);
});

test('a hung master is failed over as ever: it is not the balancer that tells', async () => {
  const world = await clusterAtWork();
  node(world, 0).stop();
  const tookMs = await world.until('b serves', 3000, () => serves(world, 1));
  assert.ok(tookMs <= 1015, `${tookMs} ms`);
  const events = await eventsOf(world);
  assert.equal(events.find(({ kind }) => kind === 'failover-started')?.cause, 'no-reply');
  assert.deepEqual(
    events.filter(({ kind }) => /^(lb-un|switchover-)/.test(kind)),
    [],
  );
});

test('a balancer that does not answer, or cannot probe, decides nothing', async () => {
  const world = await clusterAtWork();
  world.cutFromBalancer(node(world, 0));
  await world.run(500);
  world.balancer.failure = new OperationError('BALANCER_NO_ANSWER', 'silent', { outcome: 'unknown' });
  await world.run(3000);
  assert.equal((await statusOf(world)).epoch, 1);
  assert.deepEqual(
    (await statusOf(world)).nodes.map(({ balancer }) => balancer),
    [null, null],
  );
  world.balancer.failure = undefined;
  await world.until('b serves', 1100, () => serves(world, 1));
});

test('a candidate that does not catch up leaves the master where it is; it is asked again', async () => {
  const world = await clusterAtWork();
  node(world, 0).sequence = 200;
  world.cutFromBalancer(node(world, 0));
  await world.run(1800);
  assert.equal(node(world, 0).isBelieved, true);
  assert.ok(node(world, 0).told.includes('UNHOLD 1'));
  assert.match(
    (await eventsOf(world)).find(({ kind }) => kind === 'switchover-waits')?.message ?? '',
    /did not catch up while clients were held/,
  );
  node(world, 1).sequence = 200;
  await world.until('b serves', 1500, () => serves(world, 1));
});

test('while a controller does not hear the master either, nothing is done', async () => {
  const controllers = ['controllera', 'controllerb', 'controllerc'];
  const world = await clusterAtWork({ controllers });
  const other = controllers.find((name) => name !== world.leader) ?? '';
  world.partition(other, node(world, 0));
  await world.run(1000);
  world.cutFromBalancer(node(world, 0));
  await world.run(3000);
  assert.equal((await statusOf(world)).epoch, 1);
  world.cut.clear();
  await world.until('b serves', 1100, () => serves(world, 1));
  assert.deepEqual(world.violations, []);
});

test('the controller dies before any effect of it: the next one brings it to its end', async () => {
  const run = async (dieAt: number | undefined): Promise<World> => {
    const world = await clusterAtWork();
    world.killController();
    await world.startController(dieAt);
    await world.run(1200);
    world.cutFromBalancer(node(world, 0));
    for (let ms = 0; ms < 1500 && !world.isControllerDead; ms += 50) await world.run(50);
    if (!world.isControllerDead) return world;
    await world.run(50);
    await world.startController();
    return world;
  };
  const whole = (await run(undefined)).effects;
  assert.ok(whole.includes('HOLD') && whole.includes('RESIGN') && whole.includes('RELEASE'), whole.join(' '));
  for (let dieAt = 0; dieAt < whole.length; dieAt++) {
    const world = await run(dieAt);
    await world.run(3000);
    const what = `died before effect ${dieAt} ${whole[dieAt] ?? ''}`;
    assert.equal((await statusOf(world)).phase, 'stable', what);
    assert.equal(serves(world, 1), true, what);
    assert.deepEqual(world.violations, [], what);
  }
});
