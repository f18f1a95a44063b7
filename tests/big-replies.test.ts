/** Replies of a million elements against a real node: nobody else waits for the whole of them, and nobody pays for a slow reader. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { RespClient } from '@holdfast/resp';
import { ask } from './support/fenced-peers.ts';
import { startNode, until, type NodeProcess } from './support/node-process.ts';
import { RawPeer } from './support/raw-peer.ts';

const elements = 1_000_000;

async function nodeWithList(t: TestContext): Promise<{ node: NodeProcess; client: RespClient }> {
  const node = await startNode(t);
  const client = await node.client();
  const chunk = 10_000;
  for (let from = 0; from < elements; from += chunk) {
    const values = Array.from({ length: chunk }, (_, i) => String(from + i));
    assert.equal(await ask(client, 'RPUSH', 'list', ...values), String(from + chunk));
  }
  return { node, client };
}

/** Bytes that CLIENT LIST shows as unsent, of the connections with this last command. */
async function unsent(client: RespClient, command: string): Promise<number[]> {
  const lines = (await ask(client, 'CLIENT', 'LIST')).split('\n').filter((line) => line.includes(` cmd=${command} `));
  return lines.map((line) => Number(/ omem=([0-9]+)/.exec(line)?.[1]));
}

test('a million elements: others are served meanwhile, a slow reader costs little, and the reply shows one moment', async (t) => {
  const { node, client } = await nodeWithList(t);
  const reader = new RawPeer(node.port, 32 * 1024 * 1024);
  t.after(() => reader.destroy());
  reader.send('LRANGE list 0 -1\r\nPING\r\n');
  await reader.until(() => reader.received > 0);
  assert.equal(await ask(client, 'DEL', 'list'), '1', 'served before the reply has ended');
  let served = 0;
  const isOver = (): boolean => reader.text.endsWith('+PONG\r\n');
  while (!isOver() && served < 20) {
    assert.equal(await ask(client, 'PING'), 'PONG');
    served++;
  }
  assert.ok(served >= 20, `only ${served} others were served meanwhile`);
  await reader.until(isOver);
  const items = reader.text.split('\r\n');
  assert.equal(items[0], `*${elements}`);
  for (let i = 0; i < elements; i += 9973) assert.equal(items[2 + 2 * i], String(i));
  assert.equal(items.length, 2 * elements + 3, 'the whole list, and the reply of PING');
});

test('a reader that does not read holds about a mebibyte, and one that leaves holds nothing up', async (t) => {
  const { node, client } = await nodeWithList(t);
  const readers = Array.from({ length: 3 }, () => {
    const reader = new RawPeer(node.port);
    reader.socket.pause();
    reader.send('LRANGE list 0 -1\r\n');
    return reader;
  });
  const held = await until(
    () => unsent(client, 'lrange'),
    (bytes) => bytes.length === 3 && bytes.every((one) => one > 1024 * 1024),
  );
  assert.ok(
    held.every((bytes) => bytes < 2 * 1024 * 1024),
    `held ${held.join(', ')} bytes`,
  );
  for (const reader of readers) reader.destroy();
  await until(
    () => unsent(client, 'lrange'),
    (bytes) => bytes.length === 0,
  );
  node.signal('SIGTERM');
  assert.equal(await node.exited(), 0, 'no iteration is left open at the end');
});
