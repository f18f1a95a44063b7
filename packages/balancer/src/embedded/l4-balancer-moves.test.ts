/** Addresses that move to another backend: what becomes of the connections to the old one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countTo, fill, frozen, startRig, until } from '../testing/l4-rig.ts';
import { closeOf, connectTo, startBackend, startDeafBackend } from '../testing/sockets.ts';

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
