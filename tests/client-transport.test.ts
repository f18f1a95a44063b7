/** The two ways by which a node reads and writes its clients' sockets do the same, and may be changed while clients are there. */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { textOf } from '@holdfast/resp';
import { startNode, until, type NodeProcess } from './support/node-process.ts';
import { RawPeer } from './support/raw-peer.ts';

/** Sends requests and the end behind them. @returns all that comes back until the peer's end. */
async function sayAndEnd(port: number, ...requests: Uint8Array[]): Promise<Buffer> {
  const socket: Socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  for (const request of requests) socket.write(request);
  socket.end();
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

async function setTransport(node: NodeProcess, value: 'yes' | 'no'): Promise<void> {
  const client = await node.client();
  assert.equal(textOf(await client.command('CONFIG', 'SET', 'native-transport', value)), 'OK');
  client.close();
}

for (const native of ['yes', 'no'] as const) {
  test(`native-transport ${native}: everything sent is answered before the end, whatever its size`, async (t) => {
    const node = await startNode(t);
    await setTransport(node, native);
    const pings = Buffer.from('PING\r\n'.repeat(20_000));
    assert.equal((await sayAndEnd(node.port, pings)).toString(), '+PONG\r\n'.repeat(20_000));

    const value = Buffer.alloc(5 * 1024 * 1024, 'v');
    const set = Buffer.concat([
      Buffer.from(`*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$${value.length}\r\n`),
      value,
      Buffer.from('\r\n'),
    ]);
    const gets = Buffer.from('GET big\r\n'.repeat(3));
    const answer = Buffer.concat([Buffer.from(`$${value.length}\r\n`), value, Buffer.from('\r\n')]);
    const said = await sayAndEnd(node.port, set, gets, Buffer.from('QUIT\r\n'));
    assert.ok(said.equals(Buffer.concat([Buffer.from('+OK\r\n'), answer, answer, answer, Buffer.from('+OK\r\n')])));

    const odd = await sayAndEnd(node.port, Buffer.from('PING\r\n*1\r\n$-5\r\nPING\r\n'));
    assert.equal(odd.toString(), '+PONG\r\n-ERR Protocol error: invalid bulk length\r\n');
    const cut = await sayAndEnd(node.port, Buffer.from('PING\r\n*1\r\n$4\r\nPI'));
    assert.equal(cut.toString(), '+PONG\r\n', 'half a request is nothing');
  });

  test(`native-transport ${native}: who waits and goes is forgotten, who is killed learns it`, async (t) => {
    const node = await startNode(t);
    await setTransport(node, native);
    const client = await node.client();
    const waiting = new RawPeer(node.port);
    const blocked = async (count: number): Promise<void> => {
      const isSo = new RegExp(`blocked_clients:${count}\\b`);
      await until(
        () => client.command('INFO', 'clients'),
        (info) => isSo.test(textOf(info) ?? ''),
      );
    };
    waiting.send('BLPOP list 0\r\n');
    await blocked(1);
    waiting.socket.resetAndDestroy();
    await blocked(0);

    const killed = new RawPeer(node.port);
    killed.send('CLIENT ID\r\n');
    await killed.until(() => killed.text.endsWith('\r\n'));
    await client.command('CLIENT', 'KILL', 'ID', killed.text.slice(1, -2));
    await killed.until(() => killed.closed);
  });
}

test('connections that are open when native-transport changes go on as they are', async (t) => {
  const node = await startNode(t);
  const before = await node.client();
  await before.command('SET', 'key', 'value');
  await setTransport(node, 'no');
  const between = await node.client();
  await setTransport(node, 'yes');
  const after = await node.client();
  for (const client of [before, between, after]) assert.equal(textOf(await client.command('GET', 'key')), 'value');
});
