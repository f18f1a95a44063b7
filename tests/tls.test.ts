/** TLS on real nodes: who gets in, what CONFIG SET changes, replication, and what a broken file says. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test, type TestContext } from 'node:test';
import { connect, createSecureContext, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { tlsConnector } from '@holdfast/base/real';
import { ReplyError, RespClient, textOf, type CommandArgument } from '@holdfast/resp';
import { TestAuthority, withoutOpenssl, type CertificateFiles } from './support/certificates.ts';
import { freePorts } from '@holdfast/base/testing';
import { startNode, until, type NodeProcess } from './support/node-process.ts';
import { scratchDirectory } from './support/scratch-directory.ts';

const binary = join(import.meta.dirname, '..', 'bin', 'holdfast-server');
const skip = withoutOpenssl();
const bytesOf = ({ cert, key }: CertificateFiles): { cert: Buffer; key: Buffer } => ({
  cert: readFileSync(cert),
  key: readFileSync(key),
});

/** A node that speaks TLS, and what is needed to talk to it. */
interface TlsNode {
  readonly node: NodeProcess;
  readonly tlsPort: number;
  /** Over plain TCP. */
  readonly plain: RespClient;
  /** `PING` over TLS with these options: the reply, or `refused`. */
  ping(options?: ConnectionOptions): Promise<string>;
}

async function startTlsNode(t: TestContext, authority: TestAuthority, ...args: string[]): Promise<TlsNode> {
  const [tlsPort = 0] = await freePorts(1);
  const own = authority.issue(`node-${tlsPort}`);
  const node = await startNode(t, { args: [...tlsArgs(tlsPort, own, authority), ...args] });
  const plain = await node.client();
  t.after(() => plain.close());
  const client = bytesOf(authority.issue('client'));
  const ping = (options: ConnectionOptions = client): Promise<string> => pingOver(tlsPort, authority, options);
  return { node, tlsPort, plain, ping };
}

function tlsArgs(tlsPort: number, { cert, key }: CertificateFiles, { cert: ca }: TestAuthority): string[] {
  const files = ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', ca];
  return ['--tls-port', String(tlsPort), ...files];
}

function open(port: number, authority: TestAuthority, options: ConnectionOptions): TLSSocket {
  const ca = readFileSync(authority.cert);
  const socket = connect({ host: '127.0.0.1', port, ca, checkServerIdentity: () => undefined, ...options });
  // Those that matter are asked for by who waits; the end of a node is one too.
  return socket.on('error', () => undefined);
}

function pingOver(port: number, authority: TestAuthority, options: ConnectionOptions): Promise<string> {
  const socket = open(port, authority, options);
  return new Promise((resolve) => {
    socket.on('error', () => resolve('refused'));
    socket.on('close', () => resolve('refused'));
    socket.once('data', (chunk: Buffer) => {
      resolve(chunk.toString());
      socket.end();
    });
    socket.write('PING\r\n');
  });
}

async function ask(client: RespClient, ...args: [CommandArgument, ...CommandArgument[]]): Promise<string> {
  const reply = await client.command(...args);
  return reply instanceof ReplyError ? reply.message : (textOf(reply) ?? String(reply));
}

describe('TLS', { skip }, () => {
  let authority: TestAuthority;
  let stranger: TestAuthority;
  before(() => {
    authority = new TestAuthority();
    stranger = new TestAuthority();
  });
  after(() => {
    authority.remove();
    stranger.remove();
  });

  test('certificates of clients are asked for as tls-auth-clients says, which may change at run time', async (t) => {
    const { plain, ping } = await startTlsNode(t, authority);
    const foreign = bytesOf(stranger.issue('client'));
    const none = {};
    const seen = async (): Promise<string[]> => [await ping(), await ping(none), await ping(foreign)];
    assert.deepEqual(await seen(), ['+PONG\r\n', 'refused', 'refused'], 'nothing set means yes');
    assert.equal(await ask(plain, 'CONFIG', 'SET', 'tls-auth-clients', 'optional'), 'OK');
    assert.deepEqual(await seen(), ['+PONG\r\n', '+PONG\r\n', 'refused'], 'who shows one shows a good one');
    assert.equal(await ask(plain, 'CONFIG', 'SET', 'tls-auth-clients', 'no'), 'OK');
    assert.deepEqual(await seen(), ['+PONG\r\n', '+PONG\r\n', '+PONG\r\n']);
    assert.equal(await ask(plain, 'CONFIG', 'SET', 'tls-auth-clients', 'yes'), 'OK');
    assert.deepEqual(await seen(), ['+PONG\r\n', 'refused', 'refused']);
  });

  test('a session that was begun before certificates were asked for does not open the door afterwards', async (t) => {
    const { plain, tlsPort, ping } = await startTlsNode(t, authority, '--tls-auth-clients', 'no');
    const socket = open(tlsPort, authority, { maxVersion: 'TLSv1.2' });
    await once(socket, 'secureConnect');
    const session = socket.getSession();
    assert.ok(session !== undefined);
    socket.destroy();
    const again = open(tlsPort, authority, { maxVersion: 'TLSv1.2', session });
    await once(again, 'secureConnect');
    assert.equal(again.isSessionReused(), true);
    again.destroy();
    assert.equal(await ask(plain, 'CONFIG', 'SET', 'tls-auth-clients', 'yes'), 'OK');
    assert.equal(await ping({ maxVersion: 'TLSv1.2', session }), 'refused');
  });

  test('versions and ciphers are those of the directives', async (t) => {
    const { plain, tlsPort, ping } = await startTlsNode(t, authority, '--tls-auth-clients', 'no');
    const spoken = async (options: ConnectionOptions): Promise<string> => {
      const socket = open(tlsPort, authority, options);
      await once(socket, 'secureConnect');
      const shown = `${socket.getProtocol()} ${socket.getCipher().name}`;
      socket.destroy();
      return shown;
    };
    assert.equal(await spoken({}), 'TLSv1.3 TLS_AES_256_GCM_SHA384');
    const set = (name: string, value: string): Promise<string> => ask(plain, 'CONFIG', 'SET', name, value);
    assert.equal(await set('tls-ciphersuites', 'TLS_CHACHA20_POLY1305_SHA256'), 'OK');
    assert.equal(await spoken({}), 'TLSv1.3 TLS_CHACHA20_POLY1305_SHA256');
    assert.equal(await set('tls-protocols', 'TLSv1.2'), 'OK');
    assert.equal(await ping({ minVersion: 'TLSv1.3' }), 'refused');
    assert.equal(await set('tls-ciphers', 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384'), 'OK');
    const theirs = 'ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256';
    assert.equal(await spoken({ ciphers: theirs }), 'TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384');
    assert.equal(await set('tls-prefer-server-ciphers', 'yes'), 'OK');
    assert.equal(await spoken({ ciphers: theirs }), 'TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256');
    assert.match(await set('tls-protocols', 'SSLv3'), /tls-protocols: expected words of TLSv1, .*got 'SSLv3'/);
    assert.match(await set('tls-ciphers', 'nothing-like-it'), /tls-ciphers nothing-like-it: no cipher match/);
    assert.match(await set('tls-ciphersuites', 'AES128-SHA'), /'AES128-SHA' is no suite of TLSv1.3/);
    assert.equal(await ask(plain, 'CONFIG', 'GET', 'tls-protocols'), 'tls-protocols,TLSv1.2');
    assert.equal(await ping(), '+PONG\r\n', 'what was refused has changed nothing');
  });

  test('a renewed certificate is shown to new connections; open ones go on', async (t) => {
    const dir = scratchDirectory('tls');
    const files = { cert: join(dir, 'node.crt'), key: join(dir, 'node.key') };
    const put = ({ cert, key }: CertificateFiles): void => {
      copyFileSync(cert, files.cert);
      copyFileSync(key, files.key);
    };
    put(authority.issue('first'));
    const [tlsPort = 0] = await freePorts(1);
    const node = await startNode(t, { args: [...tlsArgs(tlsPort, files, authority), '--tls-auth-clients', 'no'] });
    const plain = await node.client();
    t.after(() => plain.close());
    const shown = async (): Promise<{ socket: TLSSocket; name: string }> => {
      const socket = open(tlsPort, authority, {});
      await once(socket, 'secureConnect');
      t.after(() => socket.destroy());
      return { socket, name: String(socket.getPeerCertificate().subject.CN) };
    };
    const before = await shown();
    assert.equal(before.name, 'first');
    put(authority.issue('second'));
    assert.equal(await ask(plain, 'CONFIG', 'SET', 'tls-cert-file', files.cert), 'OK');
    assert.equal((await shown()).name, 'second');
    before.socket.write('PING\r\n');
    assert.equal(String((await once(before.socket, 'data'))[0]), '+PONG\r\n');
    writeFileSync(files.key, 'no key any more');
    assert.match(await ask(plain, 'CONFIG', 'SET', 'tls-key-file', files.key), /tls-key-file .*node\.key: /);
    assert.equal((await shown()).name, 'second');
  });

  test('a change that is refused for another directive’s sake is taken back', async (t) => {
    const { plain, ping } = await startTlsNode(t, authority);
    const reply = await ask(plain, 'CONFIG', 'SET', 'tls-auth-clients', 'no', 'maxclients', '2000000000');
    assert.match(reply, /'maxclients'\) - The operating system is not able to handle .*, try with \d+$/);
    assert.equal(await ping({}), 'refused');
    assert.equal(await ask(plain, 'CONFIG', 'SET', 'tls-auth-clients', 'no', 'maxclients', '100'), 'OK');
    assert.equal(await ping({}), '+PONG\r\n');
  });

  test('a key with a passphrase opens with it; a wrong one is named by its file and never shown', async (t) => {
    const files = authority.issue('secret', 'open sesame');
    const [tlsPort = 0] = await freePorts(1);
    const args = [...tlsArgs(tlsPort, files, authority), '--tls-auth-clients', 'no'];
    const node = await startNode(t, { args: [...args, '--tls-key-file-pass', 'open sesame'] });
    assert.equal(await pingOver(tlsPort, authority, {}), '+PONG\r\n');
    const plain = await node.client();
    const reply = await ask(plain, 'CONFIG', 'SET', 'tls-key-file-pass', 'hunter2hunter2');
    assert.match(reply, /tls-key-file .*secret\.key: /);
    assert.doesNotMatch(reply + node.output(), /hunter2|sesame/);
    plain.close();
    const { status, output } = runServer(t, [...args, '--tls-key-file-pass', 'hunter2hunter2']);
    assert.equal(status, 1);
    assert.match(output, /tls-key-file .*secret\.key: /);
    assert.doesNotMatch(output, /hunter2/);
  });

  test('files that cannot be used refuse the start, by directive, name and reason', (t) => {
    const dir = scratchDirectory('tls');
    const own = authority.issue('own');
    const other = authority.issue('other');
    const junk = join(dir, 'junk');
    writeFileSync(junk, 'nothing');
    mkdirSync(join(dir, 'empty'));
    const refused = (args: readonly string[]): string => {
      const { status, output } = runServer(t, ['--tls-port', '1', ...args]);
      assert.equal(status, 1, output);
      return output.trim().split('\n').at(-1) ?? '';
    };
    const files = ['--tls-cert-file', own.cert, '--tls-key-file', own.key];
    assert.match(refused([]), /tls-ca-cert-file: clients' certificates cannot be verified/);
    assert.match(refused(['--tls-auth-clients', 'no']), /tls-cert-file: no file is named/);
    assert.match(
      refused([...files, '--tls-ca-cert-file', junk]),
      /tls-ca-cert-file .*junk: there is no certificate in it/,
    );
    assert.match(refused([...files, '--tls-ca-cert-dir', join(dir, 'empty')]), /tls-ca-cert-dir .*empty: there is no/);
    assert.match(refused([...files, '--tls-ca-cert-file', join(dir, 'gone')]), /tls-ca-cert-file .*gone: no such file/);
    const swapped = ['--tls-auth-clients', 'no', '--tls-cert-file', own.cert, '--tls-key-file', other.key];
    assert.match(refused(swapped), /tls-key-file .*other\.key: the key is not that of the certificate in .*own\.crt/);
    const replication = ['--tls-auth-clients', 'no', '--tls-replication', 'yes'];
    assert.match(refused([...files, ...replication]), /tls-replication: the master's certificate cannot be verified/);
  });

  test('authorities may stand in a folder, and a node may speak nothing but TLS', async (t) => {
    const dir = scratchDirectory('tls');
    copyFileSync(authority.cert, join(dir, 'any-name.pem'));
    writeFileSync(join(dir, 'README'), 'not a certificate');
    const own = authority.issue('only-tls');
    const [port = 0] = await freePorts(1);
    const context = createSecureContext({ ca: readFileSync(authority.cert), ...bytesOf(authority.issue('client')) });
    const args = ['--port', '0', '--tls-port', String(port), '--tls-cert-file', own.cert, '--tls-key-file', own.key];
    const node = await startNode(t, {
      port,
      connector: tlsConnector(() => context),
      args: [...args, '--tls-ca-cert-dir', dir],
    });
    const client = await node.client();
    assert.equal(await ask(client, 'SET', 'key', 'x'.repeat(3_000_000)), 'OK');
    assert.equal((await ask(client, 'GET', 'key')).length, 3_000_000);
    assert.match(await ask(client, 'CLIENT', 'LIST'), new RegExp(`laddr=127\\.0\\.0\\.1:${port} `));
    client.close();
  });

  test('the last answer of a connection arrives before its end, which is TLS’s own', async (t) => {
    const { tlsPort } = await startTlsNode(t, authority, '--tls-auth-clients', 'no');
    const socket = open(tlsPort, authority, {});
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.write('ECHO a\r\nQUIT\r\nPING\r\n');
    await once(socket, 'end');
    assert.equal(text, '$1\r\na\r\n+OK\r\n');
  });

  test('who speaks no TLS, or nothing at all, or half a handshake, gets nothing and costs others nothing', async (t) => {
    const { plain, tlsPort, ping, node } = await startTlsNode(t, authority);
    const silent = Array.from({ length: 50 }, () => connectTcp(tlsPort, '127.0.0.1'));
    const halves = silent.slice(0, 20);
    for (const socket of silent) socket.on('error', () => undefined);
    await Promise.all(silent.map((socket) => once(socket, 'connect')));
    for (const socket of halves) socket.write(Buffer.from('16030100', 'hex'));
    const loud = connectTcp(tlsPort, '127.0.0.1');
    loud.on('error', () => undefined);
    loud.write('SET key by-plain-text\r\n');
    let got = '';
    loud.on('data', (chunk: Buffer) => (got += chunk.toString('latin1')));
    await once(loud, 'close');
    assert.doesNotMatch(got, /OK|ERR/);
    assert.equal(await ask(plain, 'EXISTS', 'key'), '0');
    assert.equal(await ping(), '+PONG\r\n');
    for (const socket of silent) socket.destroy();
    node.signal('SIGTERM');
    assert.equal(await node.exited(), 0, 'unfinished handshakes do not keep it');
  });

  test('hundreds of clients that come at once all get in', async (t) => {
    const { tlsPort } = await startTlsNode(t, authority, '--tls-auth-clients', 'no');
    const replies = await Promise.all(Array.from({ length: 300 }, () => pingOver(tlsPort, authority, {})));
    assert.deepEqual(new Set(replies), new Set(['+PONG\r\n']));
  });

  test('one port may take both: what speaks TLS by its first byte, and the rest', async (t) => {
    const [port = 0] = await freePorts(1);
    const args = [...tlsArgs(port, authority.issue('both'), authority), '--tls-auth-clients', 'no'];
    const node = await startNode(t, { port, args });
    const idle = Array.from({ length: 5 }, () => connectTcp(port, '127.0.0.1'));
    await Promise.all(idle.map((socket) => once(socket, 'connect')));
    const plain = await node.client();
    assert.equal(await ask(plain, 'PING'), 'PONG');
    assert.equal(await pingOver(port, authority, {}), '+PONG\r\n');
    const own = authority.issue('replica-of-both');
    const [replicaPort = 0] = await freePorts(1);
    const link = ['--tls-replication', 'yes', '--slaveof', `127.0.0.1 ${port}`];
    const follower = await startNode(t, { args: [...tlsArgs(replicaPort, own, authority), ...link] });
    const replica = await follower.client();
    await plain.command('SET', 'key', 'value');
    await until(
      () => ask(replica, 'GET', 'key'),
      (value) => value === 'value',
    );
    replica.close();
    const [late] = idle;
    late?.write('PING\r\n');
    assert.equal(String((await once(late as Socket, 'data'))[0]), '+PONG\r\n');
    assert.equal(await ask(plain, 'CONFIG', 'SET', 'timeout', '1'), 'OK');
    await once(connectTcp(port, '127.0.0.1').resume(), 'close');
    plain.close();
    node.signal('SIGTERM');
    assert.equal(await node.exited(), 0, 'those that have said nothing do not keep it');
  });

  test('a PROXY header comes before TLS', async (t) => {
    const proxies = ['--proxy-protocol', 'optional', '--proxy-protocol-trusted', '127.0.0.1'];
    const { tlsPort } = await startTlsNode(t, authority, '--tls-auth-clients', 'no', ...proxies);
    const raw = connectTcp(tlsPort, '127.0.0.1');
    raw.write('PROXY TCP4 192.0.2.7 10.0.0.9 4660 7000\r\n');
    const socket = connect({ socket: raw, ca: readFileSync(authority.cert), checkServerIdentity: () => undefined });
    socket.on('error', () => undefined);
    t.after(() => socket.destroy());
    socket.write('CLIENT LIST\r\n');
    assert.match(String((await once(socket, 'data'))[0]), / addr=192\.0\.2\.7:4660 laddr=10\.0\.0\.9:7000 /);
  });

  test('unfinished handshakes count as clients', async (t) => {
    const { plain, tlsPort, ping } = await startTlsNode(t, authority, '--maxclients', '3');
    const silent = [1, 2].map(() => connectTcp(tlsPort, '127.0.0.1'));
    for (const socket of silent) socket.on('error', () => undefined);
    await Promise.all(silent.map((socket) => once(socket, 'connect')));
    assert.equal(await ping(), 'refused');
    assert.match(await ask(plain, 'INFO', 'stats'), /rejected_connections:[1-9]/);
    for (const socket of silent) socket.destroy();
    await until(
      () => ping(),
      (reply) => reply === '+PONG\r\n',
    );
  });

  test('a replica follows over TLS, in full and in part, and only a master of its authority', async (t) => {
    const master = await startTlsNode(t, authority);
    await master.plain.command('SET', 'before', '1');
    const start = async (of: TestAuthority, ca: TestAuthority): Promise<RespClient> => {
      const own = of.issue('replica');
      const [tlsPort = 0] = await freePorts(1);
      const args = [...tlsArgs(tlsPort, own, ca), '--tls-replication', 'yes'];
      const node = await startNode(t, { args: [...args, '--slaveof', `127.0.0.1 ${master.tlsPort}`] });
      const client = await node.client();
      t.after(() => client.close());
      return client;
    };
    const replica = await start(authority, authority);
    await until(
      () => ask(replica, 'GET', 'before'),
      (value) => value === '1',
    );
    await master.plain.command('SET', 'after', '2');
    await until(
      () => ask(replica, 'GET', 'after'),
      (value) => value === '2',
    );
    const links = await ask(master.plain, 'INFO', 'replication');
    assert.match(links, /connected_slaves:1/);

    const distrustful = await start(authority, stranger);
    const refused = await start(stranger, authority);
    await master.plain.command('SET', 'last', '3');
    await until(
      () => ask(replica, 'GET', 'last'),
      (value) => value === '3',
    );
    for (const client of [distrustful, refused]) {
      assert.match(await ask(client, 'INFO', 'replication'), /master_link_status:down/);
      assert.equal(await ask(client, 'GET', 'before'), 'null');
    }
    assert.match(await ask(master.plain, 'INFO', 'replication'), /connected_slaves:1/);
  });
});

/** Runs a server that ends by itself. */
function runServer(t: TestContext, args: readonly string[]): { status: number | null; output: string } {
  const all = ['--port', '1', '--dir', join(scratchDirectory('tls'), 'data'), ...args];
  const { status, stdout, stderr } = spawnSync(binary, all, { encoding: 'utf8', timeout: 30_000 });
  return { status, output: stdout + stderr };
}
