/** `bin/holdfast-server` as one process: its life, its command line and file, and what every single node must do. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { ReplyError, itemsOf, textOf, type CommandArgument, type RespClient } from '@holdfast/resp';
import { freePorts } from '@holdfast/base/testing';
import { startNode, until, type NodeProcess } from './support/node-process.ts';
import { RawPeer } from './support/raw-peer.ts';
import { scratchDirectory } from './support/scratch-directory.ts';

const binary = join(import.meta.dirname, '..', 'bin', 'holdfast-server');

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the server until it ends by itself. */
async function run(args: readonly string[], input = ''): Promise<Ended> {
  const child = spawn(binary, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const got = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (got.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (got.stderr += text));
  child.stdin.on('error', () => undefined).end(input);
  await once(child, 'close');
  return { status: child.exitCode, ...got };
}

/** A reply as one line: errors by their message, arrays in brackets. */
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

async function nodeAndClient(t: TestContext, ...args: string[]): Promise<{ node: NodeProcess; client: RespClient }> {
  const node = await startNode(t, { args });
  const client = await node.client();
  t.after(() => client.close());
  return { node, client };
}

test('SIGTERM ends the node cleanly: status 0, no pid file, the data there after the restart', async (t) => {
  const dir = scratchDirectory('alone');
  const first = await startNode(t, { dir });
  const pidFile = join(dir, 'kvrocks.pid');
  assert.equal(Number(readFileSync(pidFile, 'utf8')), first.child.pid, 'the launcher becomes the server');
  const client = await first.client();
  await client.command('SET', 'key', 'value');
  await client.command('HSET', 'hash', 'field', 'value');
  first.signal('SIGTERM');
  assert.equal(await first.exited(), 0, first.output());
  assert.equal(existsSync(pidFile), false);
  const second = await startNode(t, { dir });
  const again = await second.client();
  assert.equal(await ask(again, 'GET', 'key'), 'value');
  assert.equal(await ask(again, 'HGET', 'hash', 'field'), 'value');
  again.close();
});

test('log files by level beside links with their names; those of earlier processes go when it is time', async (t) => {
  const logs = scratchDirectory('alone');
  const args = ['--log-dir', logs];
  const first = await startNode(t, { args: [...args, '--log-retention-days', '1'] });
  const own = (word: string): string[] => readdirSync(logs).filter((name) => name.startsWith(`kvrocks.log.${word}.`));
  assert.deepEqual([own('INFO').length, own('ERROR').length], [1, 0]);
  assert.match(readFileSync(join(logs, 'kvrocks.INFO'), 'utf8'), /"msg":"ready"/);
  first.signal('SIGTERM');
  assert.equal(await first.exited(), 0, first.output());
  await startNode(t, { args });
  assert.equal(own('INFO').length, 2, 'without a number of days they are kept');
  writeFileSync(join(logs, 'other.log'), 'not ours');
  const last = await startNode(t, { args: [...args, '--log-retention-days', '0'] });
  assert.deepEqual(
    own('INFO').map((name) => name.endsWith(`.${last.child.pid}`)),
    [true],
  );
  assert.ok(existsSync(join(logs, 'other.log')));
});

test('SIGTERM ends a node whose clients are paused', async (t) => {
  const { node, client } = await nodeAndClient(t);
  const held = await node.client();
  await client.command('CLIENT', 'PAUSE', '1000000');
  const lost = assert.rejects(held.command('SET', 'a', '1'));
  await until(
    () => ask(client, 'INFO', 'clients'),
    (text) => text.includes('blocked_clients:1'),
  );
  node.signal('SIGTERM');
  assert.equal(await node.exited(), 0, node.output());
  await lost;
});

test('SIGTERM ends a master whose replica is attached, and the replica that has lost it', async (t) => {
  const [master, replica] = [await startNode(t), await startNode(t)];
  const client = await replica.client();
  await client.command('SLAVEOF', '127.0.0.1', String(master.port));
  await until(
    () => ask(client, 'INFO', 'replication'),
    (text) => text.includes('link_status:up'),
  );
  client.close();
  master.signal('SIGTERM');
  assert.equal(await master.exited(), 0, master.output());
  replica.signal('SIGTERM');
  assert.equal(await replica.exited(), 0, replica.output());
});

test('kill -9 loses no acknowledged write', async (t) => {
  const dir = scratchDirectory('alone');
  const first = await startNode(t, { dir });
  const client = await first.client();
  const acknowledged: number[] = [];
  let sent = 0;
  const writers = Array.from({ length: 20 }, async () => {
    try {
      for (;;) {
        const n = sent++;
        await client.command('SET', `key:${n}`, `value:${n}`);
        acknowledged.push(n);
        if (acknowledged.length === 500) first.signal('SIGKILL');
      }
    } catch {
      // The connection went with the node.
    }
  });
  await Promise.all(writers);
  assert.equal(await first.exited(), 'SIGKILL');
  assert.ok(acknowledged.length >= 500);
  const second = await startNode(t, { dir });
  const again = await second.client();
  for (const n of acknowledged) assert.equal(await ask(again, 'GET', `key:${n}`), `value:${n}`);
  again.close();
});

test('SHUTDOWN ends it as SIGTERM does, and the connection just closes', async (t) => {
  const { node, client } = await nodeAndClient(t);
  await client.command('SET', 'key', 'value');
  const peer = new RawPeer(node.port);
  peer.send('SHUTDOWN\r\n');
  await peer.until(() => peer.closed);
  assert.equal(peer.text, '');
  assert.equal(await node.exited(), 0);
});

test('a bad value refuses the start, naming file, line, directive and what is allowed', async () => {
  const file = join(scratchDirectory('alone'), 'kvrocks.conf');
  writeFileSync(file, '# comment\nport 6666\nmaxclients many\n');
  const { status, stdout } = await run(['-c', file]);
  assert.equal(status, 1);
  assert.match(stdout, /^Failed to load config\. Error: /);
  for (const named of [file, /#L3|line 3/i, 'maxclients', 'many', 'a whole number']) {
    assert.match(stdout, typeof named === 'string' ? new RegExp(named.replaceAll('.', '\\.')) : named);
  }
});

test('an unknown directive is a warning with its line, and the node starts', async (t) => {
  const dir = scratchDirectory('alone');
  const file = join(dir, 'kvrocks.conf');
  const [port = 0] = await freePorts(1);
  writeFileSync(file, `port ${port}\nno-such-directive yes\ndir ${dir}\n`);
  const node = await startNode(t, { dir, port, args: ['-c', file] });
  assert.match(node.output(), /Warning: .*no-such-directive/);
  assert.match(node.output(), /kvrocks\.conf.*2|line 2|#L2/);
});

test('the configuration may come from standard input, and the command line wins over it', async () => {
  const dir = scratchDirectory('alone');
  const [port = 0, wrong = 0] = await freePorts(2);
  const child = spawn(binary, ['-c', '-', '--port', String(port)], { stdio: ['pipe', 'ignore', 'inherit'] });
  const exited = once(child, 'exit');
  child.stdin.end(`port ${wrong}\ndir ${dir}\nmaxclients 77\n`);
  const peer = await until(
    async () => {
      const asking = new RawPeer(port);
      asking.send('CONFIG GET maxclients\r\n');
      await asking.until(() => asking.closed || asking.received > 0);
      return asking;
    },
    ({ received }) => received > 0,
  );
  assert.equal(peer.text, '*2\r\n$10\r\nmaxclients\r\n$2\r\n77\r\n');
  peer.destroy();
  child.kill('SIGTERM');
  assert.equal((await exited)[0], 0);
});

test('-v, -h and nonsense on the command line', async () => {
  const version = await run(['-v']);
  assert.equal(version.status, 0);
  assert.match(version.stdout, /^holdfast [0-9]+\.[0-9]+\.[0-9]+ .*kvrocks/);
  const help = await run(['-h']);
  assert.equal(help.status, 0);
  assert.match(help.stdout, /-c/);
  const nonsense = await run(['whatever']);
  assert.equal(nonsense.status, 1);
  assert.match(nonsense.stderr, /whatever/);
});

test('a taken port or a directory in use ends the start with status 1 and one line', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  t.after(() => void taken.close());
  const { port } = taken.address() as { port: number };
  const dir = scratchDirectory('alone');
  const busy = await run(['--port', String(port), '--dir', dir]);
  assert.equal(busy.status, 1);
  assert.equal(busy.stderr, `holdfast-server: cannot listen on 127.0.0.1:${port}: the address is already in use\n`);
  const node = await startNode(t);
  const [other = 0] = await freePorts(1);
  const second = await run(['--port', String(other), '--dir', node.dir]);
  assert.equal(second.status, 1);
  assert.match(second.stderr, /^holdfast-server: [^\n]+\n$/);
});

test('with requirepass nothing runs before AUTH', async () => {
  const dir = scratchDirectory('alone');
  const [port = 0] = await freePorts(1);
  const child = spawn(binary, ['--port', String(port), '--dir', dir, '--requirepass', 'secret'], { stdio: 'ignore' });
  const exited = once(child, 'exit');
  const first = await until(
    async () => {
      const peer = new RawPeer(port);
      peer.send(
        'SET a 1\r\nGET a\r\nCONFIG GET *\r\nNOSUCH\r\nMULTI\r\nSHUTDOWN\r\nAUTH wrong\r\nEXISTS a\r\nAUTH secret\r\n',
      );
      peer.send('EXISTS a\r\nPING\r\n');
      await peer.until(() => peer.closed || /PONG/.test(peer.text));
      return peer;
    },
    ({ received }) => received > 0,
  );
  const noAuth = '-NOAUTH Authentication required.\r\n';
  assert.equal(first.text, `${noAuth.repeat(6)}-ERR Invalid password\r\n${noAuth}+OK\r\n:0\r\n+PONG\r\n`);
  first.destroy();
  const large = new RawPeer(port);
  large.send('*2\r\n$4\r\nAUTH\r\n$100000000\r\n');
  await large.until(() => large.closed);
  assert.match(large.text, /unauthenticated bulk length/);
  child.kill('SIGTERM');
  assert.equal((await exited)[0], 0);
});

test('CONFIG SET holds at once, REWRITE keeps it with comments and order, start-only directives are refused', async (t) => {
  const dir = scratchDirectory('alone');
  const file = join(dir, 'kvrocks.conf');
  const [port = 0] = await freePorts(1);
  writeFileSync(file, `# first\nmaxclients 500\n\n# second\nport ${port}\n`);
  const node = await startNode(t, { dir, port, args: ['-c', file] });
  const client = await node.client();
  assert.equal(await ask(client, 'CONFIG', 'GET', 'maxclients'), '[maxclients 500]');
  assert.equal(await ask(client, 'CONFIG', 'SET', 'maxclients', '600'), 'OK');
  assert.equal(await ask(client, 'CONFIG', 'SET', 'timeout', '99'), 'OK');
  assert.match(
    await ask(client, 'CONFIG', 'SET', 'maxclients', 'x'),
    /^ERR CONFIG SET failed \(possibly related to argument 'maxclients'\) - expected a whole number/,
  );
  assert.match(await ask(client, 'CONFIG', 'SET', 'port', '1'), /'port'\) - can't set immutable config/);
  assert.equal(await ask(client, 'CONFIG', 'REWRITE'), 'OK');
  client.close();
  const text = readFileSync(file, 'utf8');
  assert.match(text, /^# first\nmaxclients 600\n\n# second\n/);
  assert.match(text, /^timeout 99$/m);
  node.signal('SIGTERM');
  assert.equal(await node.exited(), 0);
  const again = await startNode(t, { dir, port, args: ['-c', file] });
  const later = await again.client();
  assert.equal(await ask(later, 'CONFIG', 'GET', 'maxclients'), '[maxclients 600]');
  later.close();
});

test('SLAVEOF is kept by CONFIG REWRITE, so that a restart does not make a master of a replica', async (t) => {
  const master = await startNode(t);
  const dir = scratchDirectory('alone');
  const file = join(dir, 'kvrocks.conf');
  writeFileSync(file, '# a replica soon\n');
  const { port } = master;
  const node = await startNode(t, { dir, args: ['-c', file] });
  const client = await node.client();
  assert.equal(await ask(client, 'SLAVEOF', '127.0.0.1', String(port)), 'OK');
  await until(
    () => ask(client, 'INFO', 'replication'),
    (info) => /master_link_status:up/.test(info),
  );
  assert.equal(await ask(client, 'CONFIG', 'GET', 'slaveof'), `[slaveof 127.0.0.1 ${port}]`);
  assert.equal(await ask(client, 'CONFIG', 'REWRITE'), 'OK');
  client.close();
  node.signal('SIGTERM');
  assert.equal(await node.exited(), 0);
  const again = await startNode(t, { dir, args: ['-c', file] });
  const later = await again.client();
  await until(
    () => ask(later, 'INFO', 'replication'),
    (info) => /role:slave\r\n[^]*master_link_status:up/.test(info),
  );
  assert.equal(await ask(later, 'SLAVEOF', 'NO', 'ONE'), 'OK');
  assert.equal(await ask(later, 'CONFIG', 'REWRITE'), 'OK');
  assert.doesNotMatch(readFileSync(file, 'utf8'), /^slaveof 127/m);
  later.close();
});

test('CONFIG REWRITE without a file says so', async (t) => {
  const { client } = await nodeAndClient(t);
  assert.equal(await ask(client, 'CONFIG', 'REWRITE'), 'ERR the server is running without a config file');
});

test('rename-command gives another name or takes the command away', async (t) => {
  const dir = scratchDirectory('alone');
  const file = join(dir, 'kvrocks.conf');
  const [port = 0] = await freePorts(1);
  writeFileSync(file, 'rename-command GET fetch\nrename-command FLUSHALL ""\n');
  const node = await startNode(t, { dir, port, args: ['-c', file] });
  const client = await node.client();
  await client.command('SET', 'a', '1');
  assert.equal(await ask(client, 'fetch', 'a'), '1');
  assert.match(await ask(client, 'GET', 'a'), /^ERR unknown command/);
  assert.match(await ask(client, 'FLUSHALL'), /^ERR unknown command/);
  client.close();
});

test('MULTI queues, EXEC runs all or nothing, an error while queueing aborts', async (t) => {
  const { node, client } = await nodeAndClient(t);
  assert.equal(await ask(client, 'MULTI'), 'OK');
  assert.equal(await ask(client, 'SET', 'a', '1'), 'QUEUED');
  assert.equal(await ask(client, 'INCR', 'a'), 'QUEUED');
  assert.equal(await ask(client, 'HGET', 'a', 'f'), 'QUEUED');
  const other = await node.client();
  assert.equal(await ask(other, 'GET', 'a'), 'nil', 'nothing is run before EXEC');
  const wrongType = 'WRONGTYPE Operation against a key holding the wrong kind of value';
  assert.equal(await ask(client, 'EXEC'), `[OK 2 ${wrongType}]`);
  assert.equal(await ask(other, 'GET', 'a'), '2');
  await client.command('MULTI');
  await client.command('SET', 'a', '9');
  assert.match(await ask(client, 'NOSUCH'), /^ERR unknown command/);
  assert.match(await ask(client, 'EXEC'), /^EXECABORT Transaction discarded/);
  assert.equal(await ask(client, 'GET', 'a'), '2');
  assert.equal(await ask(client, 'EXEC'), 'ERR EXEC without MULTI');
  other.close();
});

test('WATCH: a write by another, an expiry and FLUSHALL are conflicts; own writes too, reads are none', async (t) => {
  const { node, client } = await nodeAndClient(t);
  const other = await node.client();
  const execAfter = async (...changes: (() => Promise<unknown>)[]): Promise<string> => {
    await client.command('WATCH', 'k');
    for (const change of changes) await change();
    await client.command('MULTI');
    await client.command('PING');
    return ask(client, 'EXEC');
  };
  assert.equal(await execAfter(() => other.command('GET', 'k')), '[PONG]');
  assert.equal(await execAfter(() => other.command('SET', 'k', '1')), 'nil');
  assert.equal(await execAfter(), '[PONG]', 'an EXEC ends the watching');
  assert.equal(await execAfter(() => client.command('SET', 'k', '2')), 'nil');
  assert.equal(await execAfter(() => other.command('SET', 'unrelated', '2')), '[PONG]');
  assert.equal(await execAfter(() => other.command('EXPIRE', 'k', '1000')), 'nil');
  assert.equal(await execAfter(() => other.command('FLUSHALL')), 'nil');
  const unwatched = await execAfter(
    () => other.command('SET', 'k', '3'),
    () => client.command('UNWATCH'),
  );
  assert.equal(unwatched, '[PONG]');
  await other.command('SET', 'k', '4', 'PX', '100');
  const expired = await execAfter(() =>
    until(
      () => other.command('EXISTS', 'k'),
      (exists) => exists === 0,
    ),
  );
  assert.equal(expired, 'nil');
  other.close();
});

test('a transaction that is queued when its client goes is never run', async (t) => {
  const { node, client } = await nodeAndClient(t);
  const peer = new RawPeer(node.port);
  peer.send('MULTI\r\nSET gone 1\r\n');
  await peer.until(() => peer.text.includes('QUEUED'));
  peer.destroy();
  await until(
    () => ask(client, 'INFO', 'clients'),
    (info) => /connected_clients:1\r\n/.test(info),
  );
  assert.equal(await ask(client, 'EXISTS', 'gone'), '0');
});

test('CLIENT LIST, KILL and REPLY', async (t) => {
  const { node, client } = await nodeAndClient(t);
  await client.command('CLIENT', 'SETNAME', 'keeper');
  const victim = new RawPeer(node.port);
  victim.send('CLIENT SETNAME victim\r\n');
  await victim.until(() => victim.received > 0);
  const list = await ask(client, 'CLIENT', 'LIST');
  assert.match(list, /^id=[0-9]+ addr=127\.0\.0\.1:[0-9]+ .*name=keeper /m);
  const id = /^id=([0-9]+) .*name=victim /m.exec(list)?.[1] ?? '';
  assert.equal(await ask(client, 'CLIENT', 'KILL', 'ID', id), '1');
  await victim.until(() => victim.closed);
  assert.equal(await ask(client, 'CLIENT', 'KILL', '127.0.0.1:1'), 'ERR No such client');
  const silent = new RawPeer(node.port);
  silent.send('CLIENT REPLY OFF\r\nSET a 1\r\nPING\r\nCLIENT REPLY ON\r\nCLIENT REPLY SKIP\r\nPING\r\nGET a\r\n');
  await silent.until(() => silent.received >= 12);
  assert.equal(silent.text, '+OK\r\n$1\r\n1\r\n');
  silent.destroy();
});

test('QUIT and a half-closed connection get every reply before the end', async (t) => {
  const node = await startNode(t);
  const quitting = new RawPeer(node.port);
  quitting.send('SET a 1\r\nQUIT\r\nSET a 2\r\n');
  await quitting.until(() => quitting.closed);
  assert.equal(quitting.text, '+OK\r\n+OK\r\n');
  const halfClosed = new RawPeer(node.port, 1e9);
  halfClosed.socket.end(`SET big ${'x'.repeat(10_000)}\r\n${'GET big\r\n'.repeat(2000)}GET a\r\n`);
  await halfClosed.until(() => halfClosed.closed);
  assert.equal(halfClosed.received, 5 + 2000 * 10_010 + 7, 'more than the node holds at once, all the same');
  assert.ok(halfClosed.text.endsWith('$1\r\n1\r\n'), 'what came after QUIT was not executed');
});

test('a value larger than what is held for a slow reader comes whole, and the connection goes on', async (t) => {
  const { client } = await nodeAndClient(t);
  for (const mebibytes of [1, 2, 40]) {
    const value = Buffer.alloc(mebibytes * 1024 * 1024, 'v');
    assert.equal(await ask(client, 'SET', 'large', value), 'OK');
    assert.equal((await ask(client, 'GET', 'large')).length, value.length);
    assert.equal(await ask(client, 'PING'), 'PONG');
  }
});

test('redis-benchmark: pipelined writes of many connections share commits', async (t) => {
  const { node, client } = await nodeAndClient(t);
  const before = await figures(client);
  const args = ['-p', String(node.port), '-t', 'set', '-n', '100000', '-c', '50', '-P', '16', '-q'];
  const { stdout } = await promisify(execFile)('redis-benchmark', args);
  const after = await figures(client);
  const commits = after.commits - before.commits;
  const perCommit = 100_000 / commits;
  t.diagnostic(`${stdout.trim().split('\r').at(-1)}; ${commits} commits, ${perCommit.toFixed(1)} commands per commit`);
  assert.ok(commits > 0);
  assert.ok(perCommit > 20, `${perCommit} commands per commit`);
  assert.ok(after.perCommit > 20, `INFO says ${after.perCommit}`);
});

async function figures(client: RespClient): Promise<{ commits: number; perCommit: number }> {
  const info = await ask(client, 'INFO');
  const field = (name: string): number => Number(new RegExp(`^${name}:([0-9.]+)`, 'm').exec(info)?.[1]);
  const found = { commits: field('commits'), perCommit: field('commands_per_commit') };
  assert.ok(!Number.isNaN(found.commits), info);
  return found;
}
