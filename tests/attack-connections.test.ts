/** Too many connections, too few file descriptors, and the control port (`support/attack.ts`). */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { randomBelow, seededRandom } from '@holdfast/base';
import { textOf } from '@holdfast/resp';
import { attackWith, pidOf, startSmall, withinBounds } from './support/attack.ts';
import { until } from './support/node-process.ts';
import { RawPeer } from './support/raw-peer.ts';

test('10,000 connections are served; those beyond maxclients are told so', async (t) => {
  const node = await startSmall(t, '--maxclients', '10010');
  const peers: RawPeer[] = [];
  const attack = async (): Promise<void> => {
    while (peers.length < 10_000) {
      const batch = Array.from({ length: 500 }, () => new RawPeer(node.port, 100));
      for (const peer of batch) peer.send('PING\r\n');
      for (const peer of batch) await peer.until(() => peer.received >= 7 || peer.closed);
      peers.push(...batch);
    }
    assert.ok(peers.every((peer) => peer.text === '+PONG\r\n'));
    const beyond = Array.from({ length: 50 }, () => new RawPeer(node.port));
    for (const peer of beyond) peer.send('PING\r\n');
    for (const peer of beyond) await peer.until(() => peer.closed || peer.received > 0);
    const refused = beyond.filter((peer) => peer.text === '-ERR max number of clients reached\r\n');
    assert.equal(refused.length, 40, 'of 50 more, 10 fit');
    for (const peer of peers) peer.send('PING\r\n');
    for (const peer of peers) await peer.until(() => peer.received >= 14);
    for (const peer of [...peers, ...beyond]) peer.destroy();
    const client = await node.client();
    await until(
      () => client.command('INFO', 'clients'),
      (info) => /connected_clients:1\r\n/.test(textOf(info) ?? ''),
    );
    client.close();
  };
  await withinBounds(t, node, attack);
});

test('a node that runs out of file descriptors goes on with those it has', async (t) => {
  const node = await startSmall(t);
  const before = await node.client();
  execFileSync('prlimit', ['--pid', String(pidOf(node)), '--nofile=100:100']);
  const peers = Array.from({ length: 200 }, () => new RawPeer(node.port));
  for (const peer of peers) peer.send('PING\r\n');
  await until(
    () => Promise.resolve(peers.filter((peer) => peer.closed || peer.received > 0).length),
    (settled) => settled > 100,
  );
  assert.equal(textOf(await before.command('SET', 'a', 'b')), 'OK');
  for (const peer of peers) peer.destroy();
  await until(
    async () => {
      const peer = await attackWith(node, 'PING\r\n');
      await peer.until(() => peer.closed || peer.received > 0);
      peer.destroy();
      return peer.text;
    },
    (text) => text === '+PONG\r\n',
  );
  before.close();
});

test('the control port takes garbage, large lengths, many connections and unread replies', async (t) => {
  const node = await startSmall(t, '--cluster-enabled', 'yes');
  const random = seededRandom(22);
  await withinBounds(t, node, async () => {
    for (let round = 0; round < 50; round++) {
      const bytes = Buffer.from(Array.from({ length: 2000 }, () => randomBelow(random, 256)));
      const peer = new RawPeer(node.controlPort);
      peer.send(bytes);
      peer.socket.end();
      await peer.until(() => peer.closed);
      peer.destroy();
    }
    const large = new RawPeer(node.controlPort);
    large.send('*2\r\n$536870912\r\n');
    await large.until(() => large.closed);
    assert.match(large.text, /invalid bulk length/);
    const unread = new RawPeer(node.controlPort);
    unread.socket.pause();
    const heartbeat = `CLUSTERX HEARTBEAT ${'a'.repeat(40)} 1000 0\r\n`;
    for (let i = 0; i < 2000 && !unread.socket.destroyed; i++) unread.send(heartbeat.repeat(100));
    const many = Array.from({ length: 1000 }, () => new RawPeer(node.controlPort));
    for (const peer of many) peer.send('PING\r\n');
    await until(
      () => Promise.resolve(many.filter((peer) => peer.closed || peer.received > 0).length),
      (settled) => settled === many.length,
    );
    assert.ok(
      many.some((peer) => peer.closed),
      'not all of a thousand stay',
    );
    for (const peer of [large, unread, ...many]) peer.destroy();
    await until(
      async () => {
        const peer = new RawPeer(node.controlPort);
        peer.send('PING\r\n');
        await peer.until(() => peer.closed || peer.received > 0);
        peer.destroy();
        return peer.text;
      },
      (text) => text === '+PONG\r\n',
    );
  });
});
