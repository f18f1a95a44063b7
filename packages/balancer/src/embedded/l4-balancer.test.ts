/** Bytes, limits and bindings of the embedded balancer; what a move does is in `l4-balancer-moves.test.ts`. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FatalError, OperationError, silentLogger } from '@holdfast/base';
import { freePort } from '@holdfast/base/testing';
import { defaultLimits } from '../limits.ts';
import { countTo, fill, fillMax, frozen, startRig, until } from '../testing/l4-rig.ts';
import { closeOf, connectTo, startBackend, startDeafBackend } from '../testing/sockets.ts';
import { L4Balancer } from './l4-balancer.ts';

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
