/** Where real nodes listen besides one address: Unix sockets, several addresses, inherited sockets; and how many get in. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Connector } from '@holdfast/base';
import { realTimers, socketTransport, tcpConnector } from '@holdfast/base/real';
import { ReplyError, RespClient, textOf, type CommandArgument } from '@holdfast/resp';
import { freePorts } from '@holdfast/base/testing';
import { startNode, until } from './support/node-process.ts';
import { RawPeer } from './support/raw-peer.ts';
import { scratchDirectory } from './support/scratch-directory.ts';

const binary = join(import.meta.dirname, '..', 'bin', 'holdfast-server');

async function ask(client: RespClient, ...args: [CommandArgument, ...CommandArgument[]]): Promise<string> {
  const reply = await client.command(...args);
  return reply instanceof ReplyError ? reply.message : (textOf(reply) ?? String(reply));
}

/** Connects to a Unix socket, whatever endpoint is asked for. */
function unixConnector(path: string): Connector {
  return {
    connect: async () => {
      const socket = connect({ path, allowHalfOpen: true });
      await once(socket, 'connect');
      return socketTransport(socket);
    },
  };
}

/** Runs a server that ends by itself. */
async function run(args: readonly string[]): Promise<{ status: number | null; output: string }> {
  const child = spawn(binary, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await once(child, 'close');
  return { status: child.exitCode, output };
}

const options = { timers: realTimers, connectTimeoutMs: 5000, commandTimeoutMs: 20_000 };

test('a Unix socket alone: mode, address in CLIENT LIST, password as anywhere, removed at the end', async (t) => {
  const path = join(scratchDirectory('listen'), 'node.sock');
  const args = ['--port', '0', '--unixsocket', path, '--unixsocketperm', '0600', '--requirepass', 'secret'];
  const node = await startNode(t, { connector: unixConnector(path), args });
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const client = await node.client();
  assert.equal(await ask(client, 'GET', 'key'), 'NOAUTH Authentication required.');
  assert.equal(await ask(client, 'AUTH', 'secret'), 'OK');
  assert.match(await ask(client, 'CLIENT', 'LIST'), new RegExp(`addr=${path}:0 laddr=${path}:0 `));
  assert.equal(await ask(client, 'CLIENT', 'KILL', `${path}:0`), 'OK');
  node.signal('SIGTERM');
  assert.equal(await node.exited(), 0, node.output());
  assert.equal(existsSync(path), false);
});

test('the socket of a dead process is replaced; that of a living one, and any other file, refuses the start', async (t) => {
  const dir = scratchDirectory('listen');
  const path = join(dir, 'node.sock');
  const [port = 0] = await freePorts(1);
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--unixsocket', path];
  const first = await startNode(t, { port, args });
  const other = await run(['--dir', join(dir, 'other'), '--unixsocket', path]);
  assert.equal(other.status, 1);
  assert.match(other.output, new RegExp(`cannot listen on ${path}: another process listens on it`));
  assert.ok(existsSync(path), 'who was refused removes nothing');
  first.signal('SIGKILL');
  await first.exited();
  assert.ok(existsSync(path));
  const second = await startNode(t, { port, args });
  const client = await RespClient.connect(unixConnector(path), { host: '', port: 0 }, options);
  assert.equal(await ask(client, 'PING'), 'PONG');
  client.close();
  second.signal('SIGTERM');
  await second.exited();
  writeFileSync(path, 'precious');
  const third = await run(['--dir', join(dir, 'third'), '--unixsocket', path]);
  assert.equal(third.status, 1);
  assert.match(third.output, /the file exists and is no socket; nothing was changed/);
  rmSync(path);
  const long = await run(['--dir', join(dir, 'long'), '--unixsocket', join(dir, 'x'.repeat(120))]);
  assert.match(long.output, /the path is longer than 107 bytes/);
});

test(
  'a Unix socket that may not be made says so',
  { skip: process.getuid?.() === 0 && 'root may write anywhere' },
  async () => {
    const dir = scratchDirectory('listen');
    chmodSync(dir, 0o500);
    const { status, output } = await run(['--dir', scratchDirectory('listen'), '--unixsocket', join(dir, 'node.sock')]);
    assert.equal(status, 1);
    assert.match(output, /cannot listen on .*node\.sock: .*EACCES/);
  },
);

test('several addresses: IPv4 and IPv6 wildcards side by side; what begins with - may be missing', async (t) => {
  const hasIpv6 = await canListen('::1');
  const [port = 0] = await freePorts(1);
  const node = await startNode(t, { port, args: ['--bind', hasIpv6 ? '* ::* -192.0.2.1' : '* -::* -192.0.2.1'] });
  for (const host of hasIpv6 ? ['127.0.0.1', '::1'] : ['127.0.0.1']) {
    const client = await RespClient.connect(tcpConnector, { host, port }, options);
    assert.equal(await ask(client, 'PING'), 'PONG', host);
    client.close();
  }
  node.signal('SIGTERM');
  assert.equal(await node.exited(), 0);
  const { status, output } = await run([
    '--dir',
    scratchDirectory('listen'),
    '--port',
    String(port),
    '--bind',
    '192.0.2.1',
  ]);
  assert.equal(status, 1);
  assert.match(output, /cannot listen on 192\.0\.2\.1:\d+: .*EADDRNOTAVAIL/);
});

async function canListen(host: string): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(0, host);
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}

test('a listening socket may be inherited', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
  const dir = scratchDirectory('listen');
  const args = ['--dir', dir, '--port', '0', '--socket-fd', '3'];
  const child = spawn(binary, args, { stdio: ['ignore', 'ignore', 'inherit', fd] });
  t.after(() => child.kill('SIGKILL'));
  server.close();
  const client = await RespClient.connect(tcpConnector, { host: '127.0.0.1', port }, options);
  assert.equal(await ask(client, 'PING'), 'PONG');
  client.close();
  child.kill('SIGTERM');
  const [status] = (await once(child, 'exit')) as [number];
  assert.equal(status, 0);
  const bad = await run(['--dir', dir, '--socket-fd', '77']);
  assert.equal(bad.status, 1);
  assert.match(bad.output, /cannot listen on descriptor 77: /);
});

test('who comes above maxclients reads why, although it has sent something; the number may change', async (t) => {
  const node = await startNode(t, { args: ['--maxclients', '2'] });
  const first = await node.client();
  const second = await until(
    () => node.client().catch(() => undefined),
    (client) => client !== undefined,
  );
  assert.equal(await ask(first, 'PING'), 'PONG');
  const refusal = '-ERR max number of clients reached\r\n';
  for (let i = 0; i < 20; i++) {
    const peer = new RawPeer(node.port);
    peer.send('PING\r\n'.repeat(1000));
    await peer.until(() => peer.closed);
    assert.equal(peer.text, refusal);
  }
  assert.equal(await ask(first, 'CONFIG', 'SET', 'maxclients', '3'), 'OK');
  const third = await node.client();
  assert.equal(await ask(third, 'PING'), 'PONG');
  assert.equal(await ask(first, 'CONFIG', 'SET', 'maxclients', '1'), 'OK');
  assert.equal(await ask(third, 'PING'), 'PONG', 'who is in stays');
  for (const client of [first, second, third]) client?.close();
});

test('a limit of open files that is too low for maxclients is told of, and refuses more at run time', async (t) => {
  const dir = scratchDirectory('listen');
  const [port = 0] = await freePorts(1);
  const args = ['--port', String(port), '--dir', dir, '--log-dir', 'stdout'];
  const child = spawn('/bin/sh', ['-c', 'ulimit -n 1000; exec "$0" "$@"', binary, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  let log = '';
  child.stdout.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const client = await until(
    () => RespClient.connect(tcpConnector, { host: '127.0.0.1', port }, options).catch(() => undefined),
    (connected) => connected !== undefined,
  );
  assert.ok(client !== undefined);
  const refusal = /The operating system is not able to handle the specified number of clients, try with 372/;
  assert.match(await ask(client, 'CONFIG', 'SET', 'maxclients', '373'), refusal);
  assert.equal(await ask(client, 'CONFIG', 'SET', 'maxclients', '372'), 'OK');
  assert.match(log, /"clients":372,.*the limit of open files allows fewer clients than maxclients/);
  client.close();
});

test('clients that say nothing for so long as timeout are closed, others not', async (t) => {
  const node = await startNode(t, { args: ['--timeout', '1'] });
  const idle = new RawPeer(node.port);
  const waiting = new RawPeer(node.port);
  const busy = new RawPeer(node.port);
  waiting.send('BLPOP nothing 0\r\n');
  const beat = setInterval(() => busy.send('PING\r\n'), 100);
  t.after(() => clearInterval(beat));
  await idle.until(() => idle.closed);
  assert.deepEqual([waiting.closed, busy.closed], [false, false]);
  for (const peer of [waiting, busy]) peer.destroy();
});

const header = (client: string): string => `PROXY TCP4 ${client} 10.0.0.9 4660 7000\r\n`;

/** What CLIENT LIST says of the connection that begins with these bytes; '' when it was cut. */
async function seenAs(port: number, beginning: string | Buffer): Promise<string> {
  const peer = new RawPeer(port);
  if (beginning.length > 0) peer.send(beginning);
  peer.send('CLIENT LIST\r\n');
  await peer.until(() => peer.closed || peer.text.includes('cmd=client'));
  peer.destroy();
  return (
    / addr=(\S+ laddr=\S+)/.exec(peer.text.split('\n').find((line) => line.includes('cmd=client')) ?? '')?.[1] ?? ''
  );
}

test('behind a balancer clients are known by the address that its PROXY header names', async (t) => {
  const trust = ['--proxy-protocol', 'optional', '--proxy-protocol-trusted', '10.1.0.0/16 127.0.0.0/8 ::1'];
  const { port } = await startNode(t, { args: trust });
  assert.equal(await seenAs(port, header('192.0.2.7')), '192.0.2.7:4660 laddr=10.0.0.9:7000');
  const binary = Buffer.from('0d0a0d0a000d0a515549540a2111000cc00002080a00000912341b58', 'hex');
  assert.equal(await seenAs(port, binary), '192.0.2.8:4660 laddr=10.0.0.9:7000');
  const local = Buffer.from('0d0a0d0a000d0a515549540a20000000', 'hex');
  assert.match(await seenAs(port, local), /^127\.0\.0\.1:\d+ laddr=127\.0\.0\.1:\d+$/);
  assert.match(await seenAs(port, ''), /^127\.0\.0\.1:/, 'it may be left out');
  assert.equal(await seenAs(port, 'PROXY TCP4 nobody 10.0.0.9 1 2\r\n'), '');
  const slow = new RawPeer(port);
  for (const byte of `${header('192.0.2.9')}CLIENT LIST\r\n`) {
    slow.send(byte);
    await slow.flushed();
  }
  await slow.until(() => slow.text.includes('addr=192.0.2.9:4660'));
  slow.destroy();
});

test('where a PROXY header is required nothing of a trusted source runs without one', async (t) => {
  const path = join(scratchDirectory('listen'), 'node.sock');
  const trust = ['--proxy-protocol', 'required', '--proxy-protocol-trusted', '127.0.0.1', '--bind', '127.0.0.1'];
  const node = await startNode(t, { connector: unixConnector(path), args: [...trust, '--unixsocket', path] });
  const peer = new RawPeer(node.port);
  peer.send('SET key value\r\n');
  await peer.until(() => peer.closed);
  assert.equal(peer.text, '');
  assert.equal(await seenAs(node.port, header('192.0.2.7')), '192.0.2.7:4660 laddr=10.0.0.9:7000');
  const client = await node.client();
  assert.equal(await ask(client, 'EXISTS', 'key'), '0');
  client.close();
});

test('who is not trusted is not believed', async (t) => {
  const trust = ['--proxy-protocol', 'required', '--proxy-protocol-trusted', '192.0.2.1'];
  const { port } = await startNode(t, { args: trust });
  assert.match(await seenAs(port, ''), /^127\.0\.0\.1:/);
  assert.match(await seenAs(port, header('192.0.2.7')), /^127\.0\.0\.1:/, 'for it the header is a wrong command');
  const refused = async (...args: string[]): Promise<string> => {
    const { status, output } = await run([
      '--dir',
      scratchDirectory('listen'),
      '--proxy-protocol',
      'required',
      ...args,
    ]);
    assert.equal(status, 1);
    return output;
  };
  assert.match(await refused(), /proxy-protocol needs proxy-protocol-trusted/);
  for (const word of ['here', '10.0.0.0/33', '1.2.3.4/', '::1/8/8'])
    assert.match(await refused('--proxy-protocol-trusted', word), new RegExp(`expected addresses and .*got '${word}'`));
});
