import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { FatalError, OperationError, silentLogger } from '@holdfast/base';
import type { Binding } from '../driver.ts';
import { defaultLimits, type BalancerLimits } from '../limits.ts';
import { freePort } from '@holdfast/base/testing';
import { closeOf, connectTo, startBackend, startDeafBackend } from '../testing/sockets.ts';
import { L4Balancer } from './l4-balancer.ts';

interface Rig {
  readonly balancer: L4Balancer;
  readonly address: string;
  /** Applies bindings of the one address with the next revision. */
  point(backend: string | null, drainMs?: number | null, more?: Partial<Binding>): Promise<void>;
  restart(): Promise<L4Balancer>;
}

async function startRig(t: TestContext, limits: Partial<BalancerLimits> = {}): Promise<Rig> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-lb-'));
  const path = join(directory, 'bindings.json');
  const options = { path, limits: { ...defaultLimits, ...limits }, logger: silentLogger };
  let balancer = await L4Balancer.start(options);
  t.after(async () => {
    await balancer.close();
    rmSync(directory, { recursive: true });
  });
  const address = `127.0.0.1:${await freePort()}`;
  let revision = 0;
  return {
    get balancer(): L4Balancer {
      return balancer;
    },
    address,
    async point(backend, drainMs = 0, more = {}): Promise<void> {
      const bindings = [{ address, backend, drainMs, ...more }];
      const { failed } = await balancer.apply({ revision: ++revision, bindings });
      assert.deepEqual(failed, []);
    },
    async restart(): Promise<L4Balancer> {
      await balancer.close();
      return (balancer = await L4Balancer.start(options));
    },
  };
}

/** Waits turn by turn of the event loop until `holds`; a test that never gets there runs into its time limit. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await nextTurn();
}

async function countTo(balancer: L4Balancer, backend: string): Promise<number> {
  const { bindings } = await balancer.observe();
  const counts = bindings.flatMap(({ connections }) => connections).filter((entry) => entry.backend === backend);
  return counts.reduce((sum, { count }) => sum + count, 0);
}

/** Far more than all kernel buffers on the way hold. */
const fillMax = 256 * 1024 * 1024;

/** Writes until nothing moves any more for many turns; returns the bytes that the kernel took. */
async function fill(socket: Socket): Promise<number> {
  const chunk = Buffer.alloc(64 * 1024, 'q');
  let taken = 0;
  for (let quiet = 0; quiet < 50 && taken < fillMax;) {
    const before = taken;
    if (socket.writableLength === 0) socket.write(chunk, () => (taken += chunk.length));
    await nextTurn();
    quiet = taken === before ? quiet + 1 : 0;
  }
  return taken;
}

/** A backend that accepts and never reads. */
const frozen = (socket: Socket): unknown => socket.pause();

test('bytes pass in both directions, also large ones, unchanged', async (t) => {
  const rig = await startRig(t);
  const backend = await startBackend(t);
  await rig.point(backend.address);
  const client = await connectTo(t, rig.address);
  const sent = Array.from({ length: 200_000 }, (_, i) => `line ${i}\r\n`).join('');
  client.socket.write(sent);
  assert((await client.receive(sent.length)) === sent);
});

test('a half-close of the client reaches the backend, whose answer still comes back', async (t) => {
  const rig = await startRig(t);
  const backend = await startBackend(t, (socket) => {
    let received = '';
    socket.on('data', (chunk) => (received += chunk));
    socket.on('end', () => socket.end(`got ${received.length}`));
  });
  await rig.point(backend.address);
  const client = await connectTo(t, rig.address);
  client.socket.end('x'.repeat(300_000));
  assert.equal(await client.ended, 'end');
  assert.equal(client.received(), 'got 300000');
  await until(() => rig.balancer.connectionCount === 0);
});

test('a half-close of the backend reaches the client, which may still send', async (t) => {
  const rig = await startRig(t);
  const backend = await startBackend(t, (socket) => {
    socket.end('greeting');
    socket.on('data', () => undefined);
  });
  await rig.point(backend.address);
  const client = await connectTo(t, rig.address);
  assert.equal(await client.ended, 'end');
  assert.equal(client.received(), 'greeting');
  client.socket.end('late words');
  await until(() => backend.received() === 'late words');
  await until(() => rig.balancer.connectionCount === 0);
});

test('a flow in one direction only goes on', async (t) => {
  const rig = await startRig(t);
  const total = 4 * 1024 * 1024;
  const source = await startBackend(t, (socket) => void socket.end(Buffer.alloc(total, 'd')));
  await rig.point(source.address);
  const reader = await connectTo(t, rig.address);
  await reader.ended;
  assert.equal(reader.received().length, total);
  const sink = await startBackend(t, (socket) => socket.on('data', () => undefined));
  await rig.point(sink.address);
  const writer = await connectTo(t, rig.address);
  writer.socket.end(Buffer.alloc(total, 'u'));
  await until(() => sink.received().length === total);
});

test('when the address moves with drainMs 0, old connections are reset before apply resolves', async (t) => {
  const rig = await startRig(t);
  const [old, next] = [await startBackend(t), await startBackend(t)];
  await rig.point(old.address);
  const clients = await Promise.all(Array.from({ length: 20 }, () => connectTo(t, rig.address)));
  for (const client of clients) client.socket.write('ping');
  for (const client of clients) assert.equal(await client.receive(4), 'ping');
  const sides = [...(await old.connections(20))].map(closeOf);
  await rig.point(next.address);
  assert.equal(await countTo(rig.balancer, old.address), 0);
  for (const client of clients) assert.equal(await client.ended, 'ECONNRESET');
  assert.deepEqual(new Set(await Promise.all(sides)), new Set(['ECONNRESET']));
  const again = await connectTo(t, rig.address);
  again.socket.write('pong');
  assert.equal(await again.receive(4), 'pong');
  assert.equal(next.received(), 'pong');
  const { counters } = (await rig.balancer.observe()).bindings[0] ?? {};
  assert.equal(counters?.cut, 20);
});

test('nothing a client sent reaches the old backend after the move, whatever was queued for it', async (t) => {
  const rig = await startRig(t);
  const old = await startBackend(t, frozen);
  const next = await startBackend(t);
  await rig.point(old.address);
  const client = await connectTo(t, rig.address);
  const [socket] = await old.connections(1);
  assert(socket !== undefined);
  // What is queued anywhere between the client and the old backend is what must not arrive.
  const written = await fill(client.socket);
  await rig.point(next.address);
  assert.equal(await client.ended, 'ECONNRESET');
  let arrived = 0;
  socket.on('data', (chunk: Buffer) => (arrived += chunk.length));
  const closed = closeOf(socket);
  socket.resume();
  assert.equal(await closed, 'ECONNRESET');
  // A close instead of the reset would go on delivering this process's send queue, and end without an error.
  assert(arrived < written, `${arrived} of ${written} bytes arrived`);
});

test('with a drain time old connections live on and are reset when it is over; new ones go to the new backend', async (t) => {
  const rig = await startRig(t);
  const [old, next] = [await startBackend(t), await startBackend(t)];
  await rig.point(old.address);
  const client = await connectTo(t, rig.address);
  client.socket.write('1');
  await client.receive(1);
  await rig.point(next.address, 60_000);
  client.socket.write('2');
  assert.equal(await client.receive(2), '12');
  const fresh = await connectTo(t, rig.address);
  fresh.socket.write('3');
  await fresh.receive(1);
  // A shorter time counts; saying a longer one again does not give the old connection more.
  await rig.point(next.address, 50);
  await rig.point(next.address, 60_000);
  assert.equal(await client.ended, 'ECONNRESET');
  assert.equal(next.received(), '3');
  fresh.socket.write('4');
  assert.equal(await fresh.receive(2), '34');
});

test('a connection that drains and whose backend is bound again stays', async (t) => {
  const rig = await startRig(t);
  const [one, two] = [await startBackend(t), await startBackend(t)];
  await rig.point(one.address);
  const toOne = await connectTo(t, rig.address);
  toOne.socket.write('a');
  await toOne.receive(1);
  await rig.point(two.address, 60_000);
  const toTwo = await connectTo(t, rig.address);
  toTwo.socket.write('b');
  await toTwo.receive(1);
  await rig.point(one.address, 100);
  assert.equal(await toTwo.ended, 'ECONNRESET');
  toOne.socket.write('c');
  assert.equal(await toOne.receive(2), 'ac');
});

test('an address that moves on while it drains gives the connections of its second backend their own time', async (t) => {
  const rig = await startRig(t);
  const [one, two] = [await startBackend(t), await startBackend(t)];
  await rig.point(one.address);
  const toOne = await connectTo(t, rig.address);
  toOne.socket.write('a');
  await toOne.receive(1);
  await rig.point(two.address, 200);
  const toTwo = await connectTo(t, rig.address);
  toTwo.socket.write('b');
  await toTwo.receive(1);
  await rig.point(one.address, 60_000);
  // Another balancer's drain of the first length, begun later, says when that would be over.
  const clock = await startRig(t);
  await clock.point(one.address);
  const witness = await connectTo(t, clock.address);
  witness.socket.write('w');
  await witness.receive(1);
  await clock.point(two.address, 200);
  assert.equal(await witness.ended, 'ECONNRESET');
  toTwo.socket.write('c');
  assert.equal(await Promise.race([toTwo.receive(2), toTwo.ended]), 'bc');
  toOne.socket.write('d');
  assert.equal(await toOne.receive(2), 'ad');
});

test('an address that moves on while it drains does not give its first backend more time', async (t) => {
  const rig = await startRig(t);
  const [one, two, three] = [await startBackend(t), await startBackend(t), await startBackend(t)];
  await rig.point(one.address);
  const toOne = await connectTo(t, rig.address);
  toOne.socket.write('a');
  await toOne.receive(1);
  await rig.point(two.address, 100);
  await rig.point(three.address, 60_000);
  assert.equal(await toOne.ended, 'ECONNRESET');
});

test('with drainMs null nothing is ever cut, and a running drain is called off', async (t) => {
  const rig = await startRig(t);
  const [old, next] = [await startBackend(t), await startBackend(t)];
  await rig.point(old.address);
  const client = await connectTo(t, rig.address);
  client.socket.write('1');
  await client.receive(1);
  await rig.point(next.address, 400);
  await rig.point(next.address, null);
  // Another balancer's drain of the same length, begun later, says when the first would be over.
  const clock = await startRig(t);
  await clock.point(old.address);
  const witness = await connectTo(t, clock.address);
  witness.socket.write('w');
  await witness.receive(1);
  await clock.point(next.address, 400);
  assert.equal(await witness.ended, 'ECONNRESET');
  client.socket.write('2');
  assert.equal(await client.receive(2), '12');
});

test('a connection that is still connecting to the old backend is cut with the others', async (t) => {
  const rig = await startRig(t, { connectTimeoutMs: 60_000 });
  const next = await startBackend(t);
  const deaf = await startDeafBackend(t);
  await rig.point(deaf);
  const client = await connectTo(t, rig.address);
  client.socket.write('held');
  await until(async () => (await countTo(rig.balancer, deaf)) === 1);
  await rig.point(next.address);
  assert.equal(await client.ended, 'ECONNRESET');
  assert.equal(rig.balancer.connectionCount, 0);
  assert.equal(next.received(), '');
});

test('without a backend a connection is accepted and reset', async (t) => {
  const rig = await startRig(t);
  await rig.point(null);
  const client = await connectTo(t, rig.address);
  assert.equal(await client.ended, 'ECONNRESET');
  const backend = await startBackend(t);
  await rig.point(backend.address);
  const served = await connectTo(t, rig.address);
  served.socket.write('x');
  await served.receive(1);
  await rig.point(null);
  assert.equal(await served.ended, 'ECONNRESET');
  const { counters } = (await rig.balancer.observe()).bindings[0] ?? {};
  assert.deepEqual(counters, { accepted: 2, resetUnbound: 1, resetByLimit: 0, connectFailed: 0, cut: 1 });
});

test('a backend that refuses shows as a reset', async (t) => {
  const rig = await startRig(t);
  await rig.point(`127.0.0.1:${await freePort()}`);
  const client = await connectTo(t, rig.address);
  assert.equal(await client.ended, 'ECONNRESET');
  const { counters } = (await rig.balancer.observe()).bindings[0] ?? {};
  assert.equal(counters?.connectFailed, 1);
});

test('a backend that does not accept in time shows as a reset', async (t) => {
  const rig = await startRig(t, { connectTimeoutMs: 100 });
  await rig.point(await startDeafBackend(t));
  const client = await connectTo(t, rig.address);
  assert.equal(await client.ended, 'ECONNRESET');
});

test('a backend that resets resets the client, and a client that resets resets the backend', async (t) => {
  const rig = await startRig(t);
  const backend = await startBackend(t);
  await rig.point(backend.address);
  const first = await connectTo(t, rig.address);
  (await backend.connections(1))[0]?.resetAndDestroy();
  assert.equal(await first.ended, 'ECONNRESET');
  const second = await connectTo(t, rig.address);
  second.socket.write('x');
  await second.receive(1);
  const [, socket] = await backend.connections(2);
  assert(socket !== undefined);
  const closed = closeOf(socket);
  second.socket.resetAndDestroy();
  assert.equal(await closed, 'ECONNRESET');
  await until(() => rig.balancer.connectionCount === 0);
});

test('a reader that does not read stops the sender instead of filling memory', async (t) => {
  const rig = await startRig(t);
  const flooder = await startBackend(t, frozen);
  await rig.point(flooder.address);
  const before = process.memoryUsage().arrayBuffers;
  const reader = await connectTo(t, rig.address);
  reader.socket.pause();
  const [socket] = await flooder.connections(1);
  assert(socket !== undefined);
  const written = await fill(socket);
  const grown = process.memoryUsage().arrayBuffers - before;
  assert(written < fillMax / 2, `the sender was not stopped before ${written} bytes`);
  assert(grown < 32 * 1024 * 1024, `array buffers grew by ${grown} bytes`);
  reader.socket.resume();
  await reader.receive(written);
});

test('connections over a limit are reset, and a place that becomes free is given again', async (t) => {
  const rig = await startRig(t, { connectionsPerAddressMax: 2 });
  const backend = await startBackend(t);
  await rig.point(backend.address);
  const held = [await connectTo(t, rig.address), await connectTo(t, rig.address)];
  for (const client of held) {
    client.socket.write('x');
    await client.receive(1);
  }
  assert.equal(await (await connectTo(t, rig.address)).ended, 'ECONNRESET');
  assert.equal(await countTo(rig.balancer, backend.address), 2);
  held[0]?.socket.destroy();
  await until(() => rig.balancer.connectionCount === 1);
  const next = await connectTo(t, rig.address);
  next.socket.write('y');
  assert.equal(await next.receive(1), 'y');
});

test('the limit over all addresses counts the connections of every address', async (t) => {
  const rig = await startRig(t, { connectionsMax: 1 });
  const backend = await startBackend(t);
  const other = `127.0.0.1:${await freePort()}`;
  const bindings = [rig.address, other].map((address) => ({ address, backend: backend.address, drainMs: 0 }));
  await rig.balancer.apply({ revision: 1, bindings });
  const held = await connectTo(t, rig.address);
  held.socket.write('x');
  await held.receive(1);
  assert.equal(await (await connectTo(t, other)).ended, 'ECONNRESET');
});

test('cut resets the connections to one backend only and counts them', async (t) => {
  const rig = await startRig(t);
  const [old, next] = [await startBackend(t), await startBackend(t)];
  await rig.point(old.address);
  const before = await connectTo(t, rig.address);
  before.socket.write('x');
  await before.receive(1);
  await rig.point(next.address, null);
  const after = await connectTo(t, rig.address);
  after.socket.write('y');
  await after.receive(1);
  assert.equal(await rig.balancer.cut(rig.address, old.address), 1);
  assert.equal(await before.ended, 'ECONNRESET');
  assert.equal(await rig.balancer.cut(rig.address, old.address), 0);
  assert.equal(await rig.balancer.cut('127.0.0.1:1', next.address), 0);
  after.socket.write('z');
  assert.equal(await after.receive(2), 'yz');
});

test('an address that is taken is reported, and served as soon as it is free', async (t) => {
  const rig = await startRig(t, { listenRetryMs: 10 });
  const backend = await startBackend(t);
  const blocker = createServer().listen(Number(rig.address.split(':')[1]), '127.0.0.1');
  await once(blocker, 'listening');
  const free = `127.0.0.1:${await freePort()}`;
  const bindings = [rig.address, free].map((address) => ({ address, backend: backend.address, drainMs: 0 }));
  const applied = await rig.balancer.apply({ revision: 1, bindings });
  const reason = `${rig.address} is taken by another process`;
  assert.deepEqual(applied, { revision: 1, failed: [{ address: rig.address, reason }] });
  const [taken, served] = (await rig.balancer.observe()).bindings;
  assert.deepEqual([taken?.listening, taken?.error], [false, reason]);
  assert.deepEqual([served?.listening, served?.error], [true, null]);
  blocker.close();
  await until(async () => (await rig.balancer.observe()).bindings[0]?.listening === true);
  assert.deepEqual(await rig.balancer.apply({ revision: 1, bindings }), { revision: 1, failed: [] });
  const client = await connectTo(t, rig.address);
  client.socket.write('x');
  assert.equal(await client.receive(1), 'x');
});

test('an address that is no longer wanted is given up with its connections', async (t) => {
  const rig = await startRig(t);
  const backend = await startBackend(t);
  await rig.point(backend.address);
  const client = await connectTo(t, rig.address);
  client.socket.write('x');
  await client.receive(1);
  await rig.balancer.apply({ revision: 2, bindings: [] });
  assert.equal(await client.ended, 'ECONNRESET');
  assert.equal(await (await connectTo(t, rig.address)).ended, 'ECONNREFUSED');
});

test('a stale revision changes nothing', async (t) => {
  const rig = await startRig(t);
  const [one, two] = [await startBackend(t), await startBackend(t)];
  const binding = { address: rig.address, backend: one.address, drainMs: 0 };
  await rig.balancer.apply({ revision: 7, bindings: [binding] });
  const client = await connectTo(t, rig.address);
  client.socket.write('x');
  await client.receive(1);
  const stale = (error: unknown): boolean =>
    error instanceof OperationError && error.code === 'BALANCER_STALE_REVISION';
  for (const revision of [6, 7])
    await assert.rejects(rig.balancer.apply({ revision, bindings: [{ ...binding, backend: two.address }] }), stale);
  assert.deepEqual(await rig.balancer.apply({ revision: 7, bindings: [binding] }), { revision: 7, failed: [] });
  client.socket.write('y');
  assert.equal(await client.receive(2), 'xy');
});

test('of changes under way at once the one with the highest revision stands', async (t) => {
  const rig = await startRig(t);
  const backends = await Promise.all(Array.from({ length: 4 }, () => startBackend(t)));
  const change = (revision: number): Promise<unknown> =>
    rig.balancer.apply({
      revision,
      bindings: [{ address: rig.address, backend: backends[revision % 4]?.address ?? '', drainMs: 0 }],
    });
  await Promise.allSettled([3, 9, 5, 2, 10, 8].map(change));
  const observed = await rig.balancer.observe();
  assert.deepEqual([observed.revision, observed.bindings[0]?.backend], [10, backends[2]?.address]);
});

test('a balancer started again serves and guards what it had before anybody speaks to it', async (t) => {
  const rig = await startRig(t);
  const backend = await startBackend(t);
  const bindings = [{ address: rig.address, backend: backend.address, drainMs: 500, proxy: false }];
  await rig.balancer.apply({ revision: 41, bindings });
  const restarted = await rig.restart();
  const client = await connectTo(t, rig.address);
  client.socket.write('x');
  assert.equal(await client.receive(1), 'x');
  assert.equal((await restarted.observe()).revision, 41);
  await assert.rejects(restarted.apply({ revision: 40, bindings }), /revision 40 is older than 41/);
});

test('a bindings file that cannot be written leaves everything as it was', async (t) => {
  const rig = await startRig(t);
  const backend = await startBackend(t);
  await rig.point(backend.address);
  const broken = await L4Balancer.start({
    path: '/proc/nowhere/bindings.json',
    limits: defaultLimits,
    logger: silentLogger,
  });
  const bindings = [{ address: `127.0.0.1:${await freePort()}`, backend: backend.address, drainMs: 0 }];
  await assert.rejects(
    broken.apply({ revision: 1, bindings }),
    (error) => error instanceof OperationError && error.outcome === 'not-applied' && /cannot write/.test(error.message),
  );
  assert.deepEqual(await broken.observe(), { revision: 0, bindings: [], probes: [] });
});

test('a damaged bindings file stops the start and is named', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-lb-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'bindings.json');
  for (const damaged of [
    '',
    '{',
    'null',
    '{"version":2}',
    '{"version":1,"revision":3}',
    '{"version":1,"revision":0,"bindings":[]}',
  ]) {
    writeFileSync(path, damaged);
    await assert.rejects(
      L4Balancer.start({ path, limits: defaultLimits, logger: silentLogger }),
      (error) =>
        error instanceof FatalError && error.exitStatus === 3 && error.message.startsWith(`${path} is damaged`),
      damaged,
    );
  }
});

test('with proxy the backend first gets a header that names the client', async (t) => {
  const rig = await startRig(t);
  const backend = await startBackend(t, (socket) => socket.on('data', () => undefined));
  await rig.point(backend.address, 0, { proxy: true });
  const client = await connectTo(t, rig.address);
  client.socket.write('PING');
  await until(() => backend.received().endsWith('PING'));
  const header = Buffer.from(backend.received().slice(0, -4), 'latin1');
  assert.equal(header.length, 28);
  assert.equal(header.readUInt16BE(24), client.socket.localPort);
  assert.equal(header.readUInt16BE(26), Number(rig.address.split(':')[1]));
});
