/** MULTI, EXEC and WATCH against a real node, also across a crash and between namespaces. */
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ReplyError, textOf, itemsOf, type RespClient } from '@holdfast/resp';
import { ask } from './support/fenced-peers.ts';
import { startNode } from './support/node-process.ts';
import { RawPeer } from './support/raw-peer.ts';
import { scratchDirectory } from './support/scratch-directory.ts';

const keys = Array.from({ length: 40 }, (_, i) => `key${i}`);
const padding = 'x'.repeat(2000);

/** The number in each key, `none` for absent ones. */
async function numbers(client: RespClient): Promise<string[]> {
  const reply = await client.command('MGET', ...keys);
  const items = itemsOf(reply) ?? [];
  return items.map((item) => (item === null ? 'none' : (textOf(item) ?? '').slice(0, -padding.length)));
}

test('a transaction is there as a whole or not at all after kill -9, and after it nothing older', async (t) => {
  const dir = scratchDirectory('exec');
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

test('EXEC answers when each of its commands is done: a change of role, and what follows it, in both protocols', async (t) => {
  const dir = scratchDirectory('exec');
  const file = join(dir, 'node.conf');
  writeFileSync(file, '# of the test\n');
  const master = await startNode(t);
  const node = await startNode(t, { dir, args: ['-c', file] });
  for (const protocol of [2, 3]) {
    const peer = new RawPeer(node.port);
    t.after(() => peer.destroy());
    const says = async (lines: readonly string[], expected: string): Promise<void> => {
      const from = peer.text.length;
      peer.send([...lines, 'ECHO end', ''].join('\r\n'));
      await peer.until(() => peer.closed || peer.text.slice(from).endsWith('$3\r\nend\r\n'));
      const text = peer.text.slice(from);
      assert.equal(text.slice(0, -9).replaceAll('\r\n', ' ').trim(), expected);
    };
    peer.send(`HELLO ${protocol}\r\nECHO end\r\n`);
    await peer.until(() => peer.text.endsWith('$3\r\nend\r\n'));
    await says(
      [
        'MULTI',
        'SET a 1',
        `SLAVEOF 127.0.0.1 ${node.port}`,
        'SLAVEOF no.such.host.invalid 1',
        'INCR a',
        'EXEC',
        'GET a',
      ],
      "+OK +QUEUED +QUEUED +QUEUED +QUEUED *4 +OK -ERR can't replicate itself " +
        '-ERR Can not resolve hostname: no.such.host.invalid :2 $1 2',
    );
    await says(
      ['MULTI', `SLAVEOF 127.0.0.1 ${master.port}`, 'CONFIG REWRITE', 'SET a 2', 'EXEC'],
      "+OK +QUEUED +QUEUED +QUEUED *3 +OK +OK -READONLY You can't write against a read only slave.",
    );
    assert.match(readFileSync(file, 'utf8'), new RegExp(`^slaveof 127.0.0.1 ${master.port}$`, 'm'));
    await says(
      ['MULTI', 'SLAVEOF NO ONE', 'SET a 3', 'CONFIG REWRITE', 'EXEC', 'GET a'],
      '+OK +QUEUED +QUEUED +QUEUED *3 +OK +OK +OK $1 3',
    );
    assert.match(readFileSync(file, 'utf8'), /^slaveof no one$/m);
  }
  // It cannot be written any more, which its own reply tells.
  rmSync(file);
  const client = await node.client();
  assert.equal(await ask(client, 'MULTI'), 'OK');
  assert.equal(await ask(client, 'CONFIG', 'REWRITE'), 'QUEUED');
  const [refused] = itemsOf(await client.command('EXEC')) ?? [];
  assert.match(refused instanceof ReplyError ? refused.message : 'no error', /^ERR Rewriting config file: /);
});
