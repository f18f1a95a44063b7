/**
 * Synchronous replication with real processes and a hand-written controller: what is acknowledged is on every in-sync
 * replica, whatever is stopped or killed, and nothing is read that is not.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { encodeCommand, ReplyError, textOf, type RespClient } from '@holdfast/resp';
import { startNode, until, type NodeProcess } from './support/node-process.ts';

const leaseMs = 1000;

interface Peer {
  readonly id: string;
  readonly node: NodeProcess;
  readonly control: RespClient;
}

async function ask(client: RespClient, ...args: string[]): Promise<string> {
  const reply = await client.command(...args);
  if (reply instanceof ReplyError) return reply.message;
  return typeof reply === 'number' ? String(reply) : (textOf(reply) ?? 'nil');
}

function fields(text: string): Map<string, string> {
  return new Map(
    text
      .trim()
      .split('\r\n')
      .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
  );
}

async function report(peer: Peer, epoch: number, token = ''): Promise<Map<string, string>> {
  const tokenArgs = token === '' ? [] : [token];
  return fields(
    await ask(peer.control, 'CLUSTERX', 'HEARTBEAT', peer.id, String(leaseMs), String(epoch), ...tokenArgs),
  );
}

async function info(client: RespClient): Promise<Map<string, string>> {
  return fields(await ask(client, 'INFO', 'replication'));
}

/** What the store of a controller would hold of one shard; `push` makes nodes obey it. */
class Shard {
  readonly peers: readonly Peer[];
  epoch = 0;
  isrVersion = 0;
  master: Peer;
  isr: string[] = [];
  #processId = '';
  #version = 0;
  #renewing = false;

  constructor(peers: readonly [Peer, ...Peer[]]) {
    this.peers = peers;
    this.master = peers[0];
  }

  get client(): Promise<RespClient> {
    return this.master.node.client();
  }

  async member(peer: Peer): Promise<string> {
    return `${peer.id}:${(await report(peer, 0)).get('log_id') ?? ''}`;
  }

  /** SHARD, then SETNODES, to those that answer; the lease runs when it returns. */
  async promote(master: Peer, isr: readonly Peer[], reached: readonly Peer[] = this.peers): Promise<void> {
    this.#renewing = false;
    this.epoch++;
    this.isrVersion = 0;
    this.master = master;
    this.isr = await Promise.all(isr.map((peer) => this.member(peer)));
    this.#processId = (await report(master, 0)).get('process_id') ?? '';
    await this.push(reached);
    this.#version++;
    for (const { control } of reached)
      assert.equal(await ask(control, 'CLUSTERX', 'SETNODES', this.#lines(), String(this.#version)), 'OK');
    this.#keepLeased(master, this.epoch);
    await until(
      () => report(master, this.epoch),
      (facts) => Number(facts.get('lease_remaining_ms')) > 0,
    );
  }

  async push(reached: readonly Peer[] = this.peers): Promise<void> {
    const { epoch, isrVersion, master, isr } = this;
    const args = [String(epoch), String(isrVersion), String(leaseMs), master.id, this.#processId, isr.join(',')];
    for (const { control } of reached) assert.equal(await ask(control, 'CLUSTERX', 'SHARD', ...args), 'OK');
  }

  /** Waits for what the master asks for, and confirms it. */
  async grantRequest(expected: RegExp, reached: readonly Peer[]): Promise<void> {
    const asked = await until(
      () => report(this.master, this.epoch),
      (facts) => expected.test(facts.get('isr_request') ?? ''),
    );
    const [, version, change = ''] = /^\d+:(\d+):(.*)$/.exec(asked.get('isr_request') ?? '') ?? [];
    assert.equal(Number(version), this.isrVersion);
    const member = change.slice(1);
    this.isr = change.startsWith('+') ? [...this.isr, member] : this.isr.filter((each) => each !== member);
    this.isrVersion++;
    await this.push(reached);
  }

  #lines(): string {
    return this.peers
      .map((peer, i) => {
        const role = peer === this.master ? 'master - 0-16383' : `slave ${this.master.id}`;
        return `${peer.id} 127.0.0.1 ${peer.node.port} ${role} 127.0.0.1 ${7900 + i}`;
      })
      .join('\n');
  }

  #keepLeased(peer: Peer, epoch: number): void {
    this.#renewing = true;
    void (async (): Promise<void> => {
      for (let token = ''; this.#renewing && this.epoch === epoch;) {
        token = (await report(peer, epoch, token)).get('lease_token') ?? '';
        await new Promise((resolve) => setTimeout(resolve, leaseMs / 12));
      }
    })().catch(() => undefined);
  }

  end(): void {
    this.#renewing = false;
  }
}

async function start(t: TestContext, count: number, args: readonly string[] = []): Promise<Shard> {
  const peers: Peer[] = [];
  for (const letter of 'abc'.slice(0, count)) {
    const node = await startNode(t, { args: ['--cluster-enabled', 'yes', '--use-rsid-psync', 'yes', ...args] });
    const control = await node.client(node.controlPort);
    const id = letter.repeat(40);
    assert.equal(await ask(control, 'CLUSTERX', 'SETNODEID', id), 'OK');
    peers.push({ id, node, control });
  }
  const shard = new Shard(peers as [Peer, ...Peer[]]);
  t.after(() => shard.end());
  return shard;
}

/** Two nodes, both in the ISR, replicating. */
async function pair(t: TestContext, args: readonly string[] = []): Promise<{ shard: Shard; a: Peer; b: Peer }> {
  const shard = await start(t, 2, args);
  const [a, b] = shard.peers as [Peer, Peer];
  await shard.promote(a, [a, b]);
  await linked(b, shard.epoch);
  return { shard, a, b };
}

async function linked(peer: Peer, epoch: number): Promise<void> {
  await until(
    () => report(peer, epoch),
    (facts) => facts.get('master_link_status') === 'up',
  );
}

/** A connection whose answer is looked at without waiting for it. */
class Raw {
  readonly socket: Socket;
  heard = '';

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => (this.heard += chunk.toString()));
    socket.on('error', () => undefined);
  }

  static async open(t: TestContext, port: number): Promise<Raw> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    t.after(() => void socket.destroy());
    return new Raw(socket);
  }

  send(...command: string[]): void {
    this.socket.write(encodeCommand(command));
  }

  async hears(expected: RegExp): Promise<void> {
    await until(
      () => Promise.resolve(this.heard),
      (heard) => expected.test(heard),
    );
  }
}

test('what is acknowledged survives the death of the master that acknowledged it', async (t) => {
  const { shard, a, b } = await pair(t);
  const client = await shard.client;
  for (let i = 0; i < 200; i++) assert.equal(await ask(client, 'SET', `key${i}`, String(i)), 'OK');
  a.node.signal('SIGKILL');
  await a.node.exited();
  await shard.promote(b, [b], [b]);
  const after = await shard.client;
  for (let i = 0; i < 200; i++) assert.equal(await ask(after, 'GET', `key${i}`), String(i));
});

test('nothing is answered while an in-sync replica stands still, reads included, until its removal is confirmed', async (t) => {
  const { shard, a, b } = await pair(t);
  const [writer, reader] = [await Raw.open(t, a.node.port), await Raw.open(t, a.node.port)];
  writer.send('SET', 'key', 'old');
  await writer.hears(/^\+OK\r\n$/);

  b.node.signal('SIGSTOP');
  writer.send('SET', 'key', 'new');
  await until(
    () => info(a.control),
    (facts) => Number(facts.get('unreleased_sequences')) > 0,
  );
  reader.send('GET', 'key');
  // Asked for after the timeout, and still nothing is answered: only a confirmed removal counts.
  await until(
    () => report(a, 1),
    (facts) => (facts.get('isr_request') ?? '').startsWith(`1:0:-${b.id}:`),
  );
  reader.send('PING');
  assert.equal(await ask(await a.node.client(), 'PING'), 'PONG', 'what depends on no data does not wait');
  assert.deepEqual([writer.heard, reader.heard], ['+OK\r\n', '']);

  await shard.grantRequest(/-b+:/, [a]);
  await writer.hears(/^\+OK\r\n\+OK\r\n$/);
  await reader.hears(/^\$3\r\nnew\r\n\+PONG\r\n$/);

  // It comes back by itself, and counts again once that is confirmed.
  b.node.signal('SIGCONT');
  await shard.grantRequest(/\+b+:/, [a, b]);
  writer.send('SET', 'key', 'newest');
  await writer.hears(/^\+OK\r\n\+OK\r\n\+OK\r\n$/);
  const facts = await info(a.control);
  assert.deepEqual([facts.get('isr'), facts.get('isr_version')], [`${a.id},${b.id}`, '2']);
});

test('a replica that died is asked to be removed at once, not after the timeout', async (t) => {
  const { shard, a, b } = await pair(t, ['--isr-timeout-ms', '60000']);
  const writer = await Raw.open(t, a.node.port);
  b.node.signal('SIGKILL');
  await b.node.exited();
  writer.send('SET', 'key', 'value');
  await shard.grantRequest(/-b+:/, [a]);
  await writer.hears(/^\+OK\r\n$/);
});

test('below min-isr writes are refused before they are executed, and accepted again when a replica is back', async (t) => {
  const { shard, a, b } = await pair(t, ['--min-isr', '2']);
  const client = await shard.client;
  assert.equal(await ask(client, 'SET', 'key', 'kept'), 'OK');
  const { dir, port, controlPort } = b.node;
  b.node.signal('SIGKILL');
  await b.node.exited();
  await shard.grantRequest(/-b+:/, [a]);
  assert.equal(await ask(client, 'SET', 'key', 'lost'), 'NOREPLICAS Not enough good replicas to write.');
  assert.equal(await ask(client, 'GET', 'key'), 'kept');

  const args = ['--cluster-enabled', 'yes', '--use-rsid-psync', 'yes', '--min-isr', '2'];
  const node = await startNode(t, { dir, port, controlPort, args });
  const again: Peer = { id: b.id, node, control: await node.client(controlPort) };
  await shard.grantRequest(/\+b+:/, [a, again]);
  assert.equal(await ask(client, 'SET', 'key', 'again'), 'OK');
});

test('a killed node keeps the id of its log', async (t) => {
  const { shard, b } = await pair(t);
  assert.equal(await ask(await shard.client, 'SET', 'key', 'value'), 'OK');
  const before = readFileSync(join(b.node.dir, 'log-id'), 'utf8').split(' ')[0] ?? '';
  b.node.signal('SIGKILL');
  await b.node.exited();
  const { dir, port, controlPort } = b.node;
  const args = ['--cluster-enabled', 'yes'];
  const again = await startNode(t, { dir, port, controlPort, args });
  assert.match(await ask(await again.client(controlPort), 'INFO', 'replication'), new RegExp(`log_id:${before}\r`));
});

test('the first batch of a mastership says its epoch, on every node', async (t) => {
  const { shard, a, b } = await pair(t);
  assert.equal(await ask(await shard.client, 'SET', 'key', 'one'), 'OK');
  for (const peer of [a, b]) assert.equal((await report(peer, 1)).get('last_epoch'), '1');
  await shard.promote(b, [a, b]);
  await linked(a, 2);
  assert.equal(await ask(await shard.client, 'SET', 'key', 'two'), 'OK');
  for (const peer of [a, b]) assert.equal((await report(peer, 2)).get('last_epoch'), '2');
  const reader = await a.node.client();
  assert.equal(await ask(reader, 'READONLY'), 'OK');
  assert.equal(await ask(reader, 'GET', 'key'), 'two');
});

test('an epoch change cuts links; a replica in another epoch is not streamed to and may not be read', async (t) => {
  const { shard, a, b } = await pair(t);
  const client = await shard.client;
  assert.equal(await ask(client, 'SET', 'key', 'value'), 'OK');
  // B alone hears of the next epoch, in which A is to go on as master.
  const processId = (await report(a, 0)).get('process_id') ?? '';
  const record = ['2', '0', String(leaseMs), a.id, processId, shard.isr.join(',')];
  assert.equal(await ask(b.control, 'CLUSTERX', 'SHARD', ...record), 'OK');
  assert.equal((await report(b, 2)).get('master_link_status'), 'down');
  const reader = await b.node.client();
  assert.equal(await ask(reader, 'READONLY'), 'OK');
  assert.match(await ask(reader, 'GET', 'key'), /^MASTERDOWN/);
  // Its attach tells A that its epoch is over, for good, before any controller does.
  await until(
    () => Promise.resolve(readFileSync(join(a.node.dir, 'fence.conf'), 'utf8')),
    (text) => /^resigned 1$/m.test(text),
  );
  assert.equal((await report(a, 1)).get('lease_remaining_ms'), '0');

  shard.epoch = 2;
  assert.equal(await ask(a.control, 'CLUSTERX', 'SHARD', ...record), 'OK');
  await linked(b, 2);
  assert.equal(await ask(reader, 'GET', 'key'), 'value');
});

test('read-mode confirm: a read waits for a word of the in-sync replica, a stopped one gives none', async (t) => {
  const { shard, a, b } = await pair(t, ['--read-mode', 'confirm']);
  const client = await shard.client;
  assert.equal(await ask(client, 'SET', 'key', 'value'), 'OK');
  assert.equal(await ask(client, 'GET', 'key'), 'value');
  b.node.signal('SIGSTOP');
  const reader = await Raw.open(t, a.node.port);
  reader.send('GET', 'key');
  await until(
    () => info(a.control),
    (facts) => Number(facts.get('unreleased_bytes')) > 0,
  );
  assert.equal(reader.heard, '');
  b.node.signal('SIGCONT');
  await reader.hears(/^\$5\r\nvalue\r\n$/);
});

test('RESIGN does not wait for a silent replica: what it keeps waiting is in the final sequence and unknown to its client', async (t) => {
  const { shard, a, b } = await pair(t);
  const writer = await Raw.open(t, a.node.port);
  b.node.signal('SIGSTOP');
  writer.send('SET', 'key', 'value');
  await until(
    () => info(a.control),
    (facts) => Number(facts.get('unreleased_sequences')) > 0,
  );
  const sequence = (await info(a.control)).get('master_repl_offset');
  const closed = once(writer.socket, 'close');
  assert.equal(await ask(a.control, 'CLUSTERX', 'RESIGN', '1'), sequence);
  await closed;
  assert.equal(writer.heard, '');
  b.node.signal('SIGCONT');
  await shard.promote(b, [b], [b]);
  assert.equal(await ask(await shard.client, 'GET', 'key'), 'value');
});

test('CONFIG SET replication-mode async lets go of what waits', async (t) => {
  const { shard, a, b } = await pair(t);
  const client = await shard.client;
  assert.equal(await ask(client, 'SET', 'key', 'value'), 'OK');
  b.node.signal('SIGSTOP');
  const writer = await Raw.open(t, a.node.port);
  writer.send('SET', 'key', 'new');
  await until(
    () => info(a.control),
    (facts) => Number(facts.get('unreleased_sequences')) > 0,
  );
  assert.equal(writer.heard, '');
  assert.equal(await ask(a.control, 'CONFIG', 'SET', 'replication-mode', 'async'), 'OK');
  await writer.hears(/^\+OK\r\n$/);
});
