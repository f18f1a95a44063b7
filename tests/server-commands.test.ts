/** Namespaces, MONITOR, backups and renamed commands on `bin/holdfast-server`, where files, restarts and sockets matter. */
import assert from 'node:assert/strict';
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { ReplyError, itemsOf, textOf, type CommandArgument, type RespClient } from '@holdfast/resp';
import { freePorts } from '@holdfast/base/testing';
import { startNode, until, type NodeProcess } from './support/node-process.ts';
import { RawPeer } from './support/raw-peer.ts';
import { scratchDirectory } from './support/scratch-directory.ts';

async function ask(client: RespClient, ...args: [CommandArgument, ...CommandArgument[]]): Promise<string> {
  return shown(await client.command(...args));
}

function shown(reply: Awaited<ReturnType<RespClient['command']>>): string {
  if (reply === null) return 'nil';
  if (reply instanceof ReplyError) return reply.message;
  const items = itemsOf(reply);
  if (items !== undefined) return `[${items.map(shown).join(' ')}]`;
  return textOf(reply) ?? String(reply);
}

interface Configured {
  readonly dir: string;
  readonly file: string;
  start(): Promise<NodeProcess>;
}

/** A node with a configuration file, which may be started again. */
async function configured(t: TestContext, text: string): Promise<Configured> {
  const dir = scratchDirectory('server');
  const file = join(dir, 'kvrocks.conf');
  writeFileSync(file, text);
  const [port = 0] = await freePorts(1);
  return { dir, file, start: () => startNode(t, { dir, port, args: ['-c', file] }) };
}

async function clientOf(t: TestContext, node: NodeProcess, secret?: string): Promise<RespClient> {
  const client = await node.client();
  t.after(() => client.close());
  if (secret !== undefined) assert.equal(await ask(client, 'AUTH', secret), 'OK');
  return client;
}

async function restart(node: NodeProcess, place: Configured): Promise<NodeProcess> {
  node.signal('SIGTERM');
  assert.equal(await node.exited(), 0);
  return place.start();
}

for (const inDatabase of [false, true]) {
  const where = inDatabase ? 'the database' : 'the file';
  test(`namespaces of ${where} survive a restart, separate keys, and stay users`, async (t) => {
    const place = await configured(t, `requirepass top\nrepl-namespace-enabled ${inDatabase ? 'yes' : 'no'}\n`);
    let node = await place.start();
    let admin = await clientOf(t, node, 'top');
    assert.equal(await ask(admin, 'NAMESPACE', 'ADD', 'app', 'token'), 'OK');
    assert.equal(await ask(admin, 'SET', 'k', 'of all'), 'OK');
    assert.equal(/^namespace\.app token$/m.test(readFileSync(place.file, 'utf8')), !inDatabase);
    node = await restart(node, place);
    const user = await clientOf(t, node, 'token');
    assert.equal(await ask(user, 'NAMESPACE', 'CURRENT'), 'app');
    assert.equal(await ask(user, 'GET', 'k'), 'nil');
    assert.equal(await ask(user, 'SET', 'k', 'of app'), 'OK');
    const refused = 'ERR admin permission required to perform the command';
    assert.equal(await ask(user, 'NAMESPACE', 'GET', '*'), refused);
    assert.equal(await ask(user, 'RESET'), 'RESET');
    assert.equal(await ask(user, 'FLUSHALL'), 'NOAUTH Authentication required.', 'RESET gives nobody rights');
    assert.equal(await ask(user, 'AUTH', 'token'), 'OK');
    assert.equal(await ask(user, 'FLUSHDB'), 'OK');
    admin = await clientOf(t, node, 'top');
    assert.equal(await ask(admin, 'GET', 'k'), 'of all', 'FLUSHDB is of the namespace alone');
    assert.equal(await ask(admin, 'NAMESPACE', 'DEL', 'app'), 'OK');
    const late = await clientOf(t, node);
    assert.equal(await ask(late, 'AUTH', 'token'), 'ERR Invalid password');
    node = await restart(node, place);
    assert.equal(await ask(await clientOf(t, node, 'top'), 'NAMESPACE', 'GET', '*'), '[__namespace top]');
  });
}

test('MONITOR shows what others do, in the order of execution, until RESET; secrets never', async (t) => {
  const place = await configured(t, '');
  const node = await place.start();
  const client = await clientOf(t, node);
  const watcher = new RawPeer(node.port);
  t.after(() => watcher.socket.destroy());
  watcher.send('MONITOR\r\n');
  await watcher.until(() => watcher.text === '+OK\r\n');
  assert.match(await ask(client, 'INFO', 'clients'), /monitor_clients:1\r\n/);
  await ask(client, 'MULTI');
  await ask(client, 'SET', 'k', 'v "w"');
  await ask(client, 'EXEC');
  await ask(client, 'EVAL', "return redis.call('GET', KEYS[1])", '1', 'k');
  await ask(client, 'AUTH', 'hunter2');
  await ask(client, 'CONFIG', 'SET', 'requirepass', 'hunter2');
  await ask(client, 'ECHO', 'end');
  await watcher.until(() => watcher.text.includes('"end"'));
  const lines = watcher.text
    .split('\r\n')
    .map((line) => line.replace(/^\+\d+\.\d{6} \[0 (?:127\.0\.0\.1:\d+|(lua))\]/, '$1'));
  assert.deepEqual(lines, [
    '+OK',
    ' "INFO" "clients"',
    ' "MULTI"',
    ' "SET" "k" "v \\"w\\""',
    ' "EXEC"',
    ' "EVAL" "return redis.call(\'GET\', KEYS[1])" "1" "k"',
    'lua "GET" "k"',
    ' "AUTH" "(redacted)"',
    ' "ECHO" "end"',
    '',
  ]);
  watcher.send('RESET\r\n');
  await watcher.until(() => watcher.text.endsWith('+RESET\r\n'));
  assert.match(await ask(client, 'INFO', 'clients'), /monitor_clients:0\r\n/);
});

test('who monitors and does not read is cut, and nobody else is held up', async (t) => {
  const place = await configured(t, 'client-output-buffer-limit pubsub 1mb 0 0\n');
  const node = await place.start();
  const client = await clientOf(t, node);
  const watcher = new RawPeer(node.port);
  t.after(() => watcher.socket.destroy());
  watcher.send('MONITOR\r\n');
  await watcher.until(() => watcher.text === '+OK\r\n');
  watcher.socket.pause();
  const value = 'x'.repeat(500_000);
  await until(
    async () => {
      assert.equal(await ask(client, 'SET', 'k', value), 'OK');
      return ask(client, 'INFO', 'clients');
    },
    (text) => text.includes('monitor_clients:0\r\n'),
  );
});

test('a backup is a database that a node starts on', async (t) => {
  const place = await configured(t, '');
  const node = await place.start();
  const client = await clientOf(t, node);
  assert.equal(await ask(client, 'LASTSAVE'), '-1');
  assert.equal(await ask(client, 'SET', 'k', 'before'), 'OK');
  assert.equal(await ask(client, 'BGSAVE'), 'OK');
  await until(
    () => ask(client, 'INFO', 'persistence'),
    (text) => text.includes('bgsave_in_progress:0\r\n'),
  );
  assert.match(await ask(client, 'INFO', 'persistence'), /last_bgsave_time:\d+\r\nlast_bgsave_status:ok\r\n/);
  assert.ok(Number(await ask(client, 'LASTSAVE')) > 1_700_000_000);
  assert.equal(await ask(client, 'SET', 'k', 'after'), 'OK');
  const backup = join(place.dir, 'backup');
  assert.ok(existsSync(join(backup, 'CURRENT')));
  const dir = scratchDirectory('restored');
  cpSync(backup, join(dir, 'db'), { recursive: true });
  const restored = await startNode(t, { dir });
  assert.equal(await ask(await clientOf(t, restored), 'GET', 'k'), 'before');
  assert.equal(await ask(client, 'FLUSHBACKUP'), 'OK');
  await until(
    () => Promise.resolve(existsSync(backup) || existsSync(`${backup}.tmp`)),
    (isThere) => !isThere,
  );
});

test('renamed commands work by their new name, in transactions too, and removed ones are unknown', async (t) => {
  const place = await configured(t, 'rename-command EXEC RUN\nrename-command FLUSHALL ""\nrename-command SET Put\n');
  const client = await clientOf(t, await place.start());
  assert.match(await ask(client, 'FLUSHALL'), /^ERR unknown command 'FLUSHALL'/);
  assert.match(await ask(client, 'SET', 'a', '1'), /^ERR unknown command 'SET'/);
  assert.equal(await ask(client, 'MULTI'), 'OK');
  assert.equal(await ask(client, 'put', 'a', '1'), 'QUEUED');
  assert.equal(await ask(client, 'RUN'), '[OK]');
  assert.equal(await ask(client, 'GET', 'a'), '1');
  assert.equal(
    await ask(client, 'CONFIG', 'GET', 'rename-command'),
    '[rename-command EXEC RUN rename-command FLUSHALL "" rename-command SET Put]',
  );
});
