/**
 * Clients that wait, against a real node: who is served, in which order, by what, and how a wait ends otherwise. Each
 * peer speaks RESP by hand, so that what arrives, and that nothing else does, is seen byte by byte.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { RespClient } from '@holdfast/resp';
import { ask } from './support/fenced-peers.ts';
import { startNode, until, type NodeProcess } from './support/node-process.ts';
import { RawPeer } from './support/raw-peer.ts';

async function waiter(t: TestContext, node: NodeProcess, ...lines: string[]): Promise<RawPeer> {
  const peer = new RawPeer(node.port);
  t.after(() => peer.destroy());
  peer.send(lines.map((line) => `${line}\r\n`).join(''));
  await peer.flushed();
  return peer;
}

/** Resolves when so many clients wait. */
function blocked(client: RespClient, count: number): Promise<string> {
  return until(
    () => ask(client, 'INFO', 'clients'),
    (info) => info.includes(`blocked_clients:${count}\r\n`),
  );
}

async function heard(peer: RawPeer, text: string): Promise<void> {
  await peer.until(() => peer.text.length >= text.length || peer.closed);
  assert.equal(peer.text, text);
}

test('who waits is served in the order in which it came, each by one element, and goes on with what it sent behind', async (t) => {
  const node = await startNode(t);
  const client = await node.client();
  const first = await waiter(t, node, 'BLPOP a b 0', 'PING');
  await blocked(client, 1);
  const second = await waiter(t, node, 'BLPOP b 0');
  await blocked(client, 2);
  assert.match(await ask(client, 'CLIENT', 'LIST'), /flags=b .*cmd=blpop/);
  assert.equal(await ask(client, 'RPUSH', 'b', 'x'), '1');
  await heard(first, '*2\r\n$1\r\nb\r\n$1\r\nx\r\n+PONG\r\n');
  assert.equal(second.text, '');
  assert.equal(await ask(client, 'RPUSH', 'b', 'y', 'z'), '2');
  await heard(second, '*2\r\n$1\r\nb\r\n$1\r\ny\r\n');
  assert.equal(await ask(client, 'LLEN', 'b'), '1', 'nobody else waits');
  await blocked(client, 0);
});

test('a transaction serves as a whole: what it took back again was never there', async (t) => {
  const node = await startNode(t);
  const client = await node.client();
  const peer = await waiter(t, node, 'BLPOP a 0');
  await blocked(client, 1);
  await Promise.all([
    ask(client, 'MULTI'),
    ask(client, 'RPUSH', 'a', 'x'),
    ask(client, 'DEL', 'a'),
    ask(client, 'EXEC'),
  ]);
  assert.equal(await ask(client, 'PING'), 'PONG');
  assert.equal(peer.text, '');
  await Promise.all([ask(client, 'MULTI'), ask(client, 'RPUSH', 'a', 'x', 'y'), ask(client, 'EXEC')]);
  await heard(peer, '*2\r\n$1\r\na\r\n$1\r\nx\r\n');
});

test('what a served command writes serves the next, along a chain of keys', async (t) => {
  const node = await startNode(t);
  const client = await node.client();
  const third = await waiter(t, node, 'BLPOP c 0');
  const second = await waiter(t, node, 'BLMOVE b c LEFT RIGHT 0');
  const first = await waiter(t, node, 'BLMOVE a b LEFT RIGHT 0');
  await blocked(client, 3);
  assert.equal(await ask(client, 'RPUSH', 'a', 'x'), '1');
  await heard(first, '$1\r\nx\r\n');
  await heard(second, '$1\r\nx\r\n');
  await heard(third, '*2\r\n$1\r\nc\r\n$1\r\nx\r\n');
  assert.equal(await ask(client, 'EXISTS', 'a', 'b', 'c'), '0');
});

test('a wait ends by its time, by CLIENT UNBLOCK in either way, and not for a client that does not wait', async (t) => {
  const node = await startNode(t);
  const client = await node.client();
  const timed = await waiter(t, node, 'BLPOP a 0.02', 'PING');
  await heard(timed, '*-1\r\n+PONG\r\n');
  const peer = await waiter(t, node, 'CLIENT ID', 'BLPOP a 0', 'BLPOP a 100', 'PING');
  await blocked(client, 1);
  await peer.until(() => peer.text.endsWith('\r\n'));
  const id = /^:([0-9]+)\r\n/.exec(peer.text)?.[1] ?? '';
  assert.equal(await ask(client, 'CLIENT', 'UNBLOCK', id), '1');
  await blocked(client, 1);
  assert.equal(await ask(client, 'CLIENT', 'UNBLOCK', id, 'ERROR'), '1');
  await heard(peer, `:${id}\r\n*-1\r\n-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n+PONG\r\n`);
  assert.equal(await ask(client, 'CLIENT', 'UNBLOCK', id), '0');
  assert.equal(await ask(client, 'CLIENT', 'UNBLOCK', '999999'), '0');
  assert.match(await ask(client, 'CLIENT', 'UNBLOCK', id, 'NOW'), /^ERR CLIENT UNBLOCK reason should be/);
});

test('what is pushed for a client that has gone stays for the next', async (t) => {
  const node = await startNode(t);
  const client = await node.client();
  for (const leave of [(peer: RawPeer) => peer.destroy(), (peer: RawPeer) => peer.socket.end()]) {
    const peer = await waiter(t, node, 'BLPOP a 0');
    await blocked(client, 1);
    leave(peer);
    await blocked(client, 0);
    assert.equal(await ask(client, 'RPUSH', 'a', 'x'), '1');
    assert.equal(await ask(client, 'LPOP', 'a'), 'x');
  }
});

test('a client that waits may send more than is read ahead, and is answered in order', async (t) => {
  const node = await startNode(t);
  const client = await node.client();
  const pings = 50_000;
  const peer = new RawPeer(node.port, 1024 * 1024);
  t.after(() => peer.destroy());
  peer.send(`BLPOP a 0\r\n${'PING\r\n'.repeat(pings)}`);
  await blocked(client, 1);
  assert.equal(await ask(client, 'RPUSH', 'a', 'x'), '1');
  const served = '*2\r\n$1\r\na\r\n$1\r\nx\r\n';
  await peer.until(() => peer.received >= served.length + pings * 7);
  assert.equal(peer.text, served + '+PONG\r\n'.repeat(pings));
});

test('in EXEC nothing waits: the command answers as if its time were up', async (t) => {
  const node = await startNode(t);
  const peer = await waiter(t, node, 'MULTI', 'BLPOP a 0', 'SET b 1', 'EXEC');
  await heard(peer, '+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n*-1\r\n+OK\r\n');
});

test('CLIENT REPLY SKIP leaves out the reply of a wait, and only that', async (t) => {
  const node = await startNode(t);
  const client = await node.client();
  const peer = await waiter(t, node, 'CLIENT REPLY SKIP', 'BLPOP a 0', 'PING');
  await blocked(client, 1);
  assert.equal(await ask(client, 'RPUSH', 'a', 'x'), '1');
  await heard(peer, '+PONG\r\n');
});

test('CLIENT PAUSE WRITE holds writes, also in EXEC, and nothing else; PAUSE ALL holds reads too', async (t) => {
  const node = await startNode(t);
  const client = await node.client();
  const transaction = await waiter(t, node, 'MULTI', 'SET in exec');
  assert.equal(await ask(client, 'CLIENT', 'PAUSE', '100000', 'WRITE'), 'OK');
  const writer = await waiter(t, node, 'GET a', 'SET a 1', 'GET a');
  transaction.send('EXEC\r\n');
  await blocked(client, 2);
  await heard(writer, '$-1\r\n');
  assert.equal(await ask(client, 'GET', 'a'), 'nil');
  assert.match(await ask(client, 'SET', 'b'), /^ERR wrong number of arguments/);
  const reading = await waiter(t, node, 'MULTI', 'GET a', 'EXEC');
  await heard(reading, '+OK\r\n+QUEUED\r\n*1\r\n$-1\r\n');
  assert.equal(await ask(client, 'CLIENT', 'UNPAUSE'), 'OK');
  await heard(writer, '$-1\r\n+OK\r\n$1\r\n1\r\n');
  await heard(transaction, '+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n');

  const began = performance.now();
  assert.equal(await ask(client, 'CLIENT', 'PAUSE', '150'), 'OK');
  assert.equal(await ask(client, 'CLIENT', 'PAUSE', '1', 'WRITE'), 'OK', 'neither shorter nor laxer');
  const reader = await waiter(t, node, 'GET a');
  await heard(reader, '$1\r\n1\r\n');
  assert.ok(performance.now() - began >= 149, 'it was held until the end of the pause');
});

test('XREAD BLOCK on a replica is served by what its master writes, and WATCH there notices it', async (t) => {
  const master = await startNode(t);
  const replica = await startNode(t, { args: ['--slaveof', `127.0.0.1 ${master.port}`] });
  const [writer, client] = [await master.client(), await replica.client()];
  await until(
    () => ask(client, 'INFO', 'replication'),
    (info) => info.includes('master_link_status:up'),
  );
  const reading = await waiter(t, replica, 'XREAD BLOCK 0 STREAMS stream $');
  await blocked(client, 1);
  const watching = await waiter(t, replica, 'WATCH stream', 'MULTI', 'PING');
  await heard(watching, '+OK\r\n+OK\r\n+QUEUED\r\n');
  assert.equal(await ask(writer, 'XADD', 'other', '1-1', 'f', 'v'), '1-1');
  assert.equal(await ask(writer, 'XADD', 'stream', '7-1', 'f', 'v'), '7-1');
  await heard(reading, '*1\r\n*2\r\n$6\r\nstream\r\n*1\r\n*2\r\n$3\r\n7-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n');
  watching.send('EXEC\r\n');
  await heard(watching, '+OK\r\n+OK\r\n+QUEUED\r\n*-1\r\n');
});
