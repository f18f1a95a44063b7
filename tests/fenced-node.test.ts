/**
 * What a real node does when it is fenced: two processes, a hand-written controller, and the traps of a master that
 * was stopped with requests in its socket buffers.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { ask, idA, idB, keepLeased, leaseMs, report, shard, topology, type Peer } from './support/fenced-peers.ts';
import { startNode, until } from './support/node-process.ts';

async function pair(t: TestContext): Promise<{ a: Peer; b: Peer; args: readonly string[] }> {
  const args = ['--cluster-enabled', 'yes', '--use-rsid-psync', 'yes'];
  const peer = async (id: string): Promise<Peer> => {
    const node = await startNode(t, { args });
    const control = await node.client(node.controlPort);
    assert.equal(await ask(control, 'CLUSTERX', 'SETNODEID', id), 'OK');
    return { id, node, control };
  };
  const [a, b] = [await peer(idA), await peer(idB)];
  await topology([a, b], a, b, 1);
  for (const each of [a, b]) assert.equal(await shard(each, 1, a), 'OK');
  return { a, b, args };
}

test('a stopped master runs nothing that waited in its sockets, and joins its successor', async (t) => {
  const { a, b } = await pair(t);
  const stopLease = keepLeased(a, 1);
  await until(
    () => report(a, 1),
    (facts) => Number(facts.get('lease_remaining_ms')) > 0,
  );
  const client = await a.node.client();
  for (let i = 0; i < 100; i++) assert.equal(await ask(client, 'SET', `key${i}`, 'before'), 'OK');
  await until(
    () => report(b, 1),
    (facts) => facts.get('master_link_status') === 'up',
  );

  // Stopped with requests on an old connection and on a connection that the kernel accepts meanwhile.
  const queued = connect(a.node.port, '127.0.0.1');
  await once(queued, 'connect');
  queued.write('PING\r\n');
  await once(queued, 'data');
  a.node.signal('SIGSTOP');
  stopLease();
  const heard: Buffer[] = [];
  queued.on('data', (chunk: Buffer) => heard.push(chunk));
  queued.on('error', () => undefined);
  for (let i = 0; i < 100; i++) queued.write(`SET key${i} zombie\r\n`);
  const late = connect(a.node.port, '127.0.0.1');
  late.on('data', (chunk: Buffer) => heard.push(chunk));
  late.on('error', () => undefined);
  late.write('SET key1 zombie\r\nGET key1\r\n');
  await new Promise((resolve) => setTimeout(resolve, leaseMs + 50)); // the lease ends; nothing to observe from outside

  // B is promoted and takes writes.
  assert.equal(await shard(b, 2, b), 'OK');
  await topology([b], b, a, 2);
  const stopSecond = keepLeased(b, 2);
  t.after(stopSecond);
  await until(
    () => report(b, 2),
    (facts) => Number(facts.get('lease_remaining_ms')) > 0,
  );
  const after = await b.node.client();
  for (let i = 0; i < 100; i++) assert.equal(await ask(after, 'GET', `key${i}`), 'before', 'acknowledged and kept');
  for (let i = 0; i < 50; i++) assert.equal(await ask(after, 'SET', `key${i}`, 'after'), 'OK');

  // A wakes up with everything that waited.
  const closed = [once(queued, 'close'), once(late, 'close')];
  a.node.signal('SIGCONT');
  await Promise.all(closed);
  const said = Buffer.concat(heard).toString();
  assert.ok(!said.includes('OK') && !said.includes('before') && !said.includes('zombie'), `believed: ${said}`);

  // It learns of its successor and follows it; nothing of its own is visible.
  const again = { ...a, control: await a.node.client(a.node.controlPort) };
  const processOfB = (await report(b, 2)).get('process_id') ?? '';
  const record = ['2', '0', String(leaseMs), b.id, processOfB, '-'];
  assert.equal(await ask(again.control, 'CLUSTERX', 'SHARD', ...record), 'OK');
  await topology([again], b, a, 2);
  await until(
    () => report(again, 2),
    (facts) => facts.get('master_link_status') === 'up',
  );
  const reader = await a.node.client();
  assert.equal(await ask(reader, 'READONLY'), 'OK');
  await until(
    () => ask(reader, 'GET', 'key49'),
    (value) => value === 'after',
  );
  assert.equal(await ask(reader, 'GET', 'key99'), 'before');
  assert.match(await ask(reader, 'SET', 'key1', 'x'), /^MOVED \d+ 127\.0\.0\.1:7900$/);
});

test('a master killed and restarted is closed until a new epoch names its new process', async (t) => {
  const { a, args } = await pair(t);
  t.after(keepLeased(a, 1));
  await until(
    () => report(a, 1),
    (facts) => Number(facts.get('lease_remaining_ms')) > 0,
  );
  const client = await a.node.client();
  assert.equal(await ask(client, 'SET', 'kept', 'yes'), 'OK');
  a.node.signal('SIGKILL');
  await a.node.exited();
  assert.ok(existsSync(join(a.node.dir, 'fence.conf')));
  const { dir, port, controlPort } = a.node;
  const node = await startNode(t, { dir, port, controlPort, args });
  const restarted: Peer = { id: idA, node, control: await node.client(controlPort) };
  const fresh = await node.client();
  assert.match(await ask(fresh, 'SET', 'kept', 'no'), /^CLUSTERDOWN/);
  const token = (await report(restarted, 1)).get('lease_token') ?? '';
  await report(restarted, 1, token);
  assert.equal((await report(restarted, 1)).get('lease_remaining_ms'), '0', 'the old epoch is not renewed');
  assert.equal(await shard(restarted, 2, restarted), 'OK');
  t.after(keepLeased(restarted, 2));
  await until(
    () => report(restarted, 2),
    (facts) => Number(facts.get('lease_remaining_ms')) > 0,
  );
  const served = await node.client();
  assert.equal(await ask(served, 'GET', 'kept'), 'yes');
});

test('RESIGN answers held commands with MOVED to the LB address, executing none', async (t) => {
  const { a, b } = await pair(t);
  const stopLease = keepLeased(a, 1);
  t.after(stopLease);
  await until(
    () => report(a, 1),
    (facts) => Number(facts.get('lease_remaining_ms')) > 0,
  );
  const client = await a.node.client();
  assert.equal(await ask(client, 'SET', 'key', 'old'), 'OK');
  const atHold = await ask(a.control, 'CLUSTERX', 'HOLD', '1', '2000');
  const held = ask(client, 'SET', 'key', 'held');
  await until(
    () => report(b, 1),
    (facts) => facts.get('sequence') === atHold,
  );
  assert.equal(await ask(a.control, 'CLUSTERX', 'RESIGN', '1'), atHold);
  assert.equal(await shard(b, 2, b), 'OK');
  await topology([b], b, a, 2);
  t.after(keepLeased(b, 2));
  await until(
    () => report(b, 2),
    (facts) => Number(facts.get('lease_remaining_ms')) > 0,
  );
  assert.equal(await ask(a.control, 'CLUSTERX', 'RELEASE', '1', '127.0.0.1:7900'), 'OK');
  assert.match(await held, /^MOVED \d+ 127\.0\.0\.1:7900$/);
  const after = await b.node.client();
  assert.equal(await ask(after, 'GET', 'key'), 'old');
  assert.match(readFileSync(join(a.node.dir, 'fence.conf'), 'utf8'), /^resigned 1$/m);
});

test('after RESIGN whoever still comes to the old master is sent on and never refused, however late the balancer', async (t) => {
  const { a, b } = await pair(t);
  t.after(keepLeased(a, 1));
  await until(
    () => report(a, 1),
    (facts) => Number(facts.get('lease_remaining_ms')) > 0,
  );
  const moved = /^MOVED \d+ 127\.0\.0\.1:7900$/;
  const old = await a.node.client();
  assert.equal(await ask(old, 'SET', 'key', 'old'), 'OK');
  const sequence = await ask(a.control, 'CLUSTERX', 'RESIGN', '1');
  assert.match(await ask(old, 'SET', 'key', 'held'), moved, 'no RELEASE came: its hold ended by itself');

  // The address still leads here: the client comes back by it.
  for (let turn = 0; turn < 3; turn++) {
    const back = await a.node.client();
    assert.match(await ask(back, 'SET', 'key', `back ${turn}`), moved);
  }
  const held = await a.node.client();
  const answered = Promise.all([ask(held, 'PING'), ask(held, 'SET', 'key', 'behind a reply')]);
  const idle = await a.node.client();
  assert.equal(await ask(idle, 'PING'), 'PONG');
  assert.equal(await ask(a.control, 'CLUSTERX', 'RELEASE', '1', '127.0.0.1:7900'), 'OK');
  const [pong, sentOn] = await answered;
  assert.equal(pong, 'PONG');
  assert.match(sentOn, moved);
  // Between two commands that are sent on, whatever else it asks is answered too.
  const all = await a.node.client();
  const requests = [
    ['SET', 'key', '1'],
    ['PING', 'alive'],
    ['CLUSTER', 'SLOTS'],
    ['DBSIZE'],
    ['MULTI'],
    ['MGET', 'a', 'b'],
  ];
  const answers = await Promise.all(requests.map((request) => ask(all, ...request)));
  assert.equal(answers[1], 'alive');
  for (const index of [0, 2, 3, 4]) assert.match(String(answers[index]), moved, requests[index]?.join(' '));
  assert.match(String(answers[5]), /^CROSSSLOT /);
  assert.match(await ask(idle, 'SET', 'key', 'idle'), moved, 'not closed before it was told');

  // A connection that crossed the repoint arrives after the RELEASE, and is asked for the first time as a replica.
  const crossed = await a.node.client();
  const pipelined = await a.node.client();
  const replies = await Promise.all([ask(pipelined, 'PING'), ask(pipelined, 'GET', 'key')]);
  assert.equal(replies[0], 'PONG');
  assert.match(replies[1], moved);
  assert.equal(await shard(b, 2, b), 'OK');
  await topology([b], b, a, 2);
  assert.equal(await shard(a, 2, b), 'OK');
  const between = await a.node.client();
  assert.match(await ask(between, 'GET', 'key'), moved);
  await topology([a], b, a, 2);
  assert.match(await ask(crossed, 'SET', 'key', 'crossed'), moved);
  assert.equal(await ask(a.control, 'CLUSTERX', 'RELEASE', '1', '127.0.0.1:7900'), 'OK', 'said twice');
  t.after(keepLeased(b, 2));
  await until(
    () => report(b, 2),
    (facts) => Number(facts.get('lease_remaining_ms')) > 0,
  );
  assert.ok(Number(sequence) > 0);
  assert.equal(await ask(await b.node.client(), 'GET', 'key'), 'old', 'nothing that was sent on was executed');
});
