/** MULTI, EXEC and WATCH against a real node, also across a crash and between namespaces. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { textOf, itemsOf, type RespClient } from '@holdfast/resp';
import { ask } from './support/fenced-peers.ts';
import { startNode } from './support/node-process.ts';
import { RawPeer } from './support/raw-peer.ts';

const keys = Array.from({ length: 40 }, (_, i) => `key${i}`);
const padding = 'x'.repeat(2000);

/** The number in each key, `none` for absent ones. */
async function numbers(client: RespClient): Promise<string[]> {
  const reply = await client.command('MGET', ...keys);
  const items = itemsOf(reply) ?? [];
  return items.map((item) => (item === null ? 'none' : (textOf(item) ?? '').slice(0, -padding.length)));
}

test('a transaction is there as a whole or not at all after kill -9, and after it nothing older', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'holdfast-exec-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  let round = 0;
  for (let crash = 0; crash < 4; crash++) {
    const node = await startNode(t, { dir });
    const writer = new RawPeer(node.port, 1);
    const acknowledgedBytes = `+OK\r\n${'+QUEUED\r\n'.repeat(keys.length)}*${keys.length}\r\n${'+OK\r\n'.repeat(keys.length)}`;
    const from = round;
    // More than one batch would hold outside of a transaction (1 MiB in all), several transactions in one tick.
    for (let i = 0; i < 60; i++) {
      round++;
      writer.send(`MULTI\r\n${keys.map((key) => `SET ${key} ${round}${padding}\r\n`).join('')}EXEC\r\n`);
    }
    // In the middle of it, at another place each time.
    await writer.until(() => writer.received > (5 + crash * 7) * acknowledgedBytes.length);
    node.signal('SIGKILL');
    await node.exited();
    const acknowledged = Math.floor(writer.received / acknowledgedBytes.length);
    writer.destroy();

    const again = await startNode(t, { dir });
    const client = await again.client();
    const found = await numbers(client);
    assert.equal(new Set(found).size, 1, `torn: ${found.join(' ')}`);
    assert.ok(Number(found[0]) >= from + acknowledged, `${found[0]} is older than ${from + acknowledged} acknowledged`);
    client.close();
    again.signal('SIGKILL');
    await again.exited();
  }
});

test('WATCH tells a conflict in its own namespace from a write of the same name in another', async (t) => {
  const node = await startNode(t, {
    args: ['--requirepass', 'admin', '--namespace.one', 'token1', '--namespace.two', 'token2'],
  });
  const as = async (token: string): Promise<RespClient> => {
    const client = await node.client();
    assert.equal(await ask(client, 'AUTH', token), 'OK');
    return client;
  };
  const [watcher, same, other] = [await as('token1'), await as('token1'), await as('token2')];
  const execute = async (): Promise<string> => {
    assert.equal(await ask(watcher, 'MULTI'), 'OK');
    assert.equal(await ask(watcher, 'SET', 'result', 'ran'), 'QUEUED');
    const reply = await watcher.command('EXEC');
    return reply === null ? 'conflict' : 'ran';
  };
  for (const [client, command, expected] of [
    [other, ['SET', 'key', '1'], 'ran'],
    [other, ['FLUSHDB'], 'ran'],
    [same, ['SET', 'other', '1'], 'ran'],
    [same, ['SET', 'key', '1'], 'conflict'],
    [same, ['FLUSHDB'], 'conflict'],
  ] as const) {
    assert.equal(await ask(watcher, 'WATCH', 'key'), 'OK');
    assert.equal(await ask(client, ...command), 'OK');
    assert.equal(await execute(), expected, command.join(' '));
  }
});

test('what is refused while queueing aborts EXEC; what fails in EXEC is its own reply', async (t) => {
  const node = await startNode(t);
  const client = await node.client();
  await ask(client, 'SET', 'text', 'x');
  for (const [refused, error] of [
    [['GET'], /^ERR wrong number of arguments for 'get' command$/],
    [['NOSUCH'], /^ERR unknown command 'NOSUCH'/],
    [['CLIENT', 'REPLY', 'OFF'], /^ERR Command not allowed inside a transaction$/],
  ] as const) {
    assert.equal(await ask(client, 'MULTI'), 'OK');
    assert.equal(await ask(client, 'SET', 'a', '1'), 'QUEUED');
    assert.match(await ask(client, ...refused), error);
    assert.equal(await ask(client, 'EXEC'), 'EXECABORT Transaction discarded');
    assert.equal(await ask(client, 'EXISTS', 'a'), '0');
  }
  const peer = new RawPeer(node.port);
  t.after(() => peer.destroy());
  peer.send('MULTI\r\nSET a 1\r\nLPUSH text x\r\nINCR a\r\nEXEC\r\nGET a\r\n');
  const expected =
    '+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n' +
    '*3\r\n+OK\r\n-WRONGTYPE Operation against a key holding the wrong kind of value\r\n:2\r\n$1\r\n2\r\n';
  await peer.until(() => peer.text.length >= expected.length);
  assert.equal(peer.text, expected);
});
