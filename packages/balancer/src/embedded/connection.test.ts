import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { endWith, fdOf, peerEnded } from '@holdfast/base/real';
import { parseEndpoint } from '../endpoint.ts';
import { closeOf, connectTo, startBackend, type Backend, type Client } from '../testing/sockets.ts';
import { ProxiedConnection } from './connection.ts';

interface Joined {
  readonly connection: ProxiedConnection;
  /** The accepted socket. */
  readonly side: Socket;
  readonly client: Client;
  readonly backend: Backend;
}

/** A connection that has carried `before` there and back. */
async function join(t: TestContext): Promise<Joined> {
  const backend = await startBackend(t);
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const client = await connectTo(t, `127.0.0.1:${(server.address() as AddressInfo).port}`);
  const [side] = await accepted;
  const connection = new ProxiedConnection({
    client: side,
    backend: backend.address,
    endpoint: parseEndpoint(backend.address) ?? assert.fail(),
    header: undefined,
    connectTimeoutMs: 5_000,
    keepAliveMs: 5_000,
    onConnectFailed: () => assert.fail(),
    onClosed: () => undefined,
  });
  client.socket.write('before');
  await client.receive(6);
  return { connection, side, client, backend };
}

test('what arrives from the client after the cut is not forwarded, not even in the same turn', async (t) => {
  const { connection, side, client, backend } = await join(t);
  const [socket] = await backend.connections(1);
  assert(socket !== undefined);
  const ended = closeOf(socket);
  connection.cut();
  side.emit('data', Buffer.from('after'));
  assert.equal(await ended, 'ECONNRESET');
  await connection.closed;
  assert.equal(backend.received(), 'before');
  connection.cut();
  assert.equal(await client.ended, 'ECONNRESET');
});

test('a connection is cut at any point of a half-close', async (t) => {
  // Node passes the end on over several ticks, after which libuv has the shutdown under way until the next turn.
  for (let ticks = 0; ticks < 6; ticks++) {
    const { connection, side, client } = await join(t);
    const cutAfter = (left: number): void => {
      if (left === 0) connection.cut();
      else process.nextTick(() => cutAfter(left - 1));
    };
    side.once('end', () => cutAfter(ticks));
    client.socket.end();
    await connection.closed;
    assert.equal(await client.ended, 'ECONNRESET');
  }
});

test('last bytes that came with their end leave with it: who reads them finds the end behind them', async (t) => {
  for (let round = 0; round < 10; round++) {
    const { client, backend, connection } = await join(t);
    const [socket] = await backend.connections(1);
    assert(socket !== undefined);
    const seen: boolean[] = [];
    client.socket.on('data', () => seen.push(peerEnded(fdOf(client.socket) ?? -1)));
    endWith(socket, Buffer.from('MOVED'));
    assert.equal(await client.ended, 'end');
    assert.deepEqual(seen, [true]);
    client.socket.end();
    await connection.closed;
  }
});
