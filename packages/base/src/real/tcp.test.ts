import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { endWith, fdOf, peerEnded, sendLast } from './index.ts';

/** A server on a thread of its own, which answers with `endWith` and then stands still until it is woken. */
const standingServer = `
const { createServer } = require('node:net');
const { workerData, parentPort } = require('node:worker_threads');
const gate = new Int32Array(workerData.gate);
import(workerData.module).then(({ endWith }) => {
  const server = createServer((socket) => {
    endWith(socket, Buffer.from('bye'));
    Atomics.wait(gate, 0, 0);
    server.close();
    socket.destroy();
  });
  server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
});
`;

test('the end arrives with the last bytes, although the event loop that sent them stands still', async () => {
  const gate = new SharedArrayBuffer(4);
  const module = new URL('./index.ts', import.meta.url).href;
  const worker = new Worker(standingServer, { eval: true, workerData: { gate, module } });
  const [port] = (await once(worker, 'message')) as [number];
  const socket = connect(port, '127.0.0.1');
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await once(socket, 'end');
  assert.equal(text, 'bye');
  Atomics.store(new Int32Array(gate), 0, 1);
  Atomics.notify(new Int32Array(gate), 0);
  await once(worker, 'exit');
});

test('more bytes than the kernel takes at once arrive whole before the end', async () => {
  const bytes = Buffer.alloc(32 * 1024 * 1024, 'x');
  const server = createServer((socket) => endWith(socket, bytes)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  let received = 0;
  socket.on('data', (chunk: Buffer) => (received += chunk.length));
  await once(socket, 'end');
  assert.equal(received, bytes.length);
  server.close();
});

test('what is no socket takes no last bytes and has no peer that ended', () => {
  for (const fd of [-1, 0x7fffffff]) {
    assert.equal(sendLast(fd, Buffer.from('bye')), -1);
    assert.equal(sendLast(fd, Buffer.alloc(0)), -1);
    assert.equal(peerEnded(fd), false);
  }
  assert.throws(() => sendLast('3' as unknown as number, Buffer.alloc(0)), /a number and bytes are expected/);
  assert.throws(() => peerEnded('3' as unknown as number), /a number is expected/);
});

test('the peer has ended when its end has arrived and nothing before it is unread', async (t) => {
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => void sockets.push(socket));
  t.after(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  await Promise.all([once(client, 'connect'), once(server, 'connection')]);
  const [socket] = sockets;
  const fd = fdOf(socket as Socket) ?? -1;
  assert.equal(peerEnded(fd), false, 'it may still send');
  endWith(client, Buffer.from('bye'));
  assert.equal(peerEnded(fd), false, 'bytes are unread');
  const seen: boolean[] = [];
  socket?.on('data', () => seen.push(peerEnded(fd)));
  socket?.resume();
  await once(socket as Socket, 'end');
  assert.deepEqual(seen, [true], 'the end came with the bytes');
  socket?.end();
});
