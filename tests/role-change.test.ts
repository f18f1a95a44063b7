/**
 * Trap 10 of the design: whatever can wait ends at a role change. Nothing of it is executed by a node that is no longer the
 * master, and what was not executed is answered so where there is time for an answer.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { RespClient } from '@holdfast/resp';
import { ask, idA, idB, keepLeased, report, shard, topology, type Peer } from './support/fenced-peers.ts';
import { startNode, until } from './support/node-process.ts';
import { RawPeer } from './support/raw-peer.ts';

const unblocked = '-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)\r\n';
const moved = /^-MOVED \d+ 127\.0\.0\.1:7900\r\n$/;

interface Pair {
  readonly a: Peer;
  readonly b: Peer;
  /** Lets A's lease lapse. */
  readonly stopLease: () => void;
  /** Of A. */
  readonly client: RespClient;
}

/** Two armed nodes: A is master of epoch 1 and holds the lease, B follows it. */
async function pair(t: TestContext): Promise<Pair> {
  const peer = async (id: string): Promise<Peer> => {
    const node = await startNode(t, { args: ['--cluster-enabled', 'yes', '--use-rsid-psync', 'yes'] });
    const control = await node.client(node.controlPort);
    assert.equal(await ask(control, 'CLUSTERX', 'SETNODEID', id), 'OK');
    return { id, node, control };
  };
  const [a, b] = [await peer(idA), await peer(idB)];
  await topology([a, b], a, b, 1);
  for (const each of [a, b]) assert.equal(await shard(each, 1, a), 'OK');
  const stopLease = keepLeased(a, 1);
  t.after(stopLease);
  await until(
    () => report(a, 1),
    (facts) => Number(facts.get('lease_remaining_ms')) > 0,
  );
  await until(
    () => report(b, 1),
    (facts) => facts.get('master_link_status') === 'up',
  );
  return { a, b, stopLease, client: await a.node.client() };
}

/** A planned switchover from A to B. */
async function switchOver({ a, b }: Pair, t: TestContext): Promise<void> {
  await ask(a.control, 'CLUSTERX', 'RESIGN', '1');
  assert.equal(await shard(b, 2, b), 'OK');
  await topology([b], b, a, 2);
  t.after(keepLeased(b, 2));
  await until(
    () => report(b, 2),
    (facts) => Number(facts.get('lease_remaining_ms')) > 0,
  );
  assert.equal(await ask(a.control, 'CLUSTERX', 'RELEASE', '1', '127.0.0.1:7900'), 'OK');
}

function connect(t: TestContext, peer: Peer, ...lines: string[]): RawPeer {
  const raw = new RawPeer(peer.node.port);
  t.after(() => raw.destroy());
  raw.send(lines.map((line) => `${line}\r\n`).join(''));
  return raw;
}

function blocked(client: RespClient, count: number): Promise<string> {
  return until(
    () => ask(client, 'INFO', 'clients'),
    (info) => info.includes(`blocked_clients:${count}\r\n`),
  );
}

async function valueAt(peer: Peer, key: string): Promise<string> {
  return ask(await peer.node.client(), 'GET', key);
}

test('a switchover ends blocking commands, WAIT and subscriptions with an answer, and the connections', async (t) => {
  const both = await pair(t);
  const { a, b, client } = both;
  const popping = connect(t, a, 'PING', 'BLPOP {k}list 0', 'SET {k}behind executed');
  const reading = connect(t, a, 'XREAD BLOCK 0 STREAMS {k}stream $');
  const waiting = connect(t, a, 'WAIT 7 0');
  await blocked(client, 3);
  const subscribed = connect(t, a, 'SUBSCRIBE news');
  await subscribed.until(() => subscribed.text.includes('news'));
  await switchOver(both, t);
  for (const peer of [popping, reading, waiting, subscribed]) await peer.until(() => peer.closed);
  assert.equal(popping.text, `+PONG\r\n${unblocked}`);
  assert.equal(reading.text, unblocked);
  assert.equal(waiting.text, unblocked);
  assert.match(subscribed.text, /^\*3\r\n\$9\r\nsubscribe\r\n.*:1\r\n$/s);
  assert.equal(await valueAt(b, '{k}behind'), 'nil', 'nothing that was sent behind a wait is executed');
});

test('a timeout that comes after RESIGN is answered', async (t) => {
  const both = await pair(t);
  const { a, client } = both;
  const popping = connect(t, a, 'BLPOP list 0.05');
  await blocked(client, 1);
  await ask(a.control, 'CLUSTERX', 'RESIGN', '1');
  await popping.until(() => popping.text !== '' || popping.closed);
  assert.match(popping.text, /^\*-1\r\n|^-UNBLOCKED /);
});

test('of a MULTI that meets a switchover nothing runs: its next command is moved, and its EXEC aborted', async (t) => {
  const both = await pair(t);
  const { a, b } = both;
  const queueing = connect(t, a, 'MULTI', 'SET {k}one queued');
  const executing = connect(t, a, 'MULTI', 'SET {k}two queued');
  for (const peer of [queueing, executing]) await peer.until(() => peer.text === '+OK\r\n+QUEUED\r\n');
  await switchOver(both, t);
  queueing.send('SET {k}one again\r\nEXEC\r\n');
  executing.send('EXEC\r\n');
  for (const peer of [queueing, executing]) await peer.until(() => peer.closed);
  const [, second] = queueing.text.split('+QUEUED\r\n');
  assert.match(second ?? '', /^-MOVED \d+ 127\.0\.0\.1:7900\r\n-EXECABORT Transaction discarded\r\n$/);
  assert.match(executing.text.split('+QUEUED\r\n')[1] ?? '', moved);
  for (const key of ['{k}one', '{k}two']) assert.equal(await valueAt(b, key), 'nil');
});

test('what CLIENT PAUSE holds is moved by a switchover and not executed when the pause ends', async (t) => {
  const both = await pair(t);
  const { a, b, client } = both;
  assert.equal(await ask(client, 'CLIENT', 'PAUSE', '100000', 'WRITE'), 'OK');
  const writing = connect(t, a, 'SET {k} paused');
  const executing = connect(t, a, 'MULTI', 'SET {k} paused', 'EXEC');
  await blocked(client, 2);
  await switchOver(both, t);
  for (const peer of [writing, executing]) await peer.until(() => peer.closed);
  assert.match(writing.text, moved);
  assert.match(executing.text.split('+QUEUED\r\n')[1] ?? '', moved);
  const late = await a.node.client();
  assert.equal(await ask(late, 'CLIENT', 'UNPAUSE'), 'OK');
  assert.equal(await valueAt(b, '{k}'), 'nil');
});

test('a lease that lapses ends waits with an answer, although nobody asks anything', async (t) => {
  const both = await pair(t);
  const { a, client, stopLease } = both;
  const popping = connect(t, a, 'BLPOP list 0');
  const subscribed = connect(t, a, 'SUBSCRIBE news');
  await blocked(client, 1);
  await subscribed.until(() => subscribed.text.includes('news'));
  stopLease();
  for (const peer of [popping, subscribed]) await peer.until(() => peer.closed);
  assert.equal(popping.text, unblocked);
});

test('SHARD that names another master ends waits with an answer', async (t) => {
  const both = await pair(t);
  const { a, b, client } = both;
  const popping = connect(t, a, 'BLPOP list 0');
  await blocked(client, 1);
  assert.equal(await shard(a, 2, b), 'OK');
  await popping.until(() => popping.closed);
  assert.equal(popping.text, unblocked);
});

test('SLAVEOF ends the waits of a master that becomes a replica, as in Redis', async (t) => {
  const master = await startNode(t);
  const node = await startNode(t);
  const client = await node.client();
  const popping = new RawPeer(node.port);
  t.after(() => popping.destroy());
  popping.send('BLPOP list 0\r\n');
  await blocked(client, 1);
  assert.equal(await ask(client, 'SLAVEOF', '127.0.0.1', String(master.port)), 'OK');
  await popping.until(() => popping.closed);
  assert.equal(popping.text, unblocked);
});
