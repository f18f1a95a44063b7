/**
 * Pub/sub on the wire, over real processes: the bytes of Redis where Redis has the command, messages from a master to the
 * subscribers of its replica, and keyspace notifications.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { randomBelow, seededRandom, type Random } from '@holdfast/base';
import { encodeCommand } from '@holdfast/resp';
import { ask, idA, idB, keepLeased, leaseMs, report, shard, topology, type Peer } from './support/fenced-peers.ts';
import { freePorts } from '@holdfast/base/testing';
import { startNode, until } from './support/node-process.ts';
import { startRedis } from './support/redis-server.ts';
import { RawPeer } from './support/raw-peer.ts';

const resp3 = ['--resp3-enabled', 'yes'];

/** Several connections to one server; what each received is read by steps. */
class Peers {
  readonly #port: number;
  readonly #peers = new Map<string, RawPeer>();
  readonly #seen = new Map<string, number>();
  #marks = 0;

  constructor(t: TestContext, port: number) {
    this.#port = port;
    t.after(() => {
      for (const peer of this.#peers.values()) peer.destroy();
    });
  }

  peer(name: string): RawPeer {
    const peer = this.#peers.get(name) ?? new RawPeer(this.#port, 16 * 1024 * 1024);
    this.#peers.set(name, peer);
    return peer;
  }

  /** Sends a command, and a PING behind it whose answer shows that the first is through. @returns what came before that. */
  async say(name: string, ...words: string[]): Promise<string> {
    this.peer(name).send(encodeCommand(words));
    return this.take(name);
  }

  /** What a connection has received since it was looked at last. */
  async take(name: string): Promise<string> {
    const peer = this.peer(name);
    const mark = `mark-${++this.#marks}`;
    peer.send(encodeCommand(['PING', mark]));
    const from = this.#seen.get(name) ?? 0;
    const end = `$${mark.length}\r\n${mark}\r\n`;
    await peer.until(() => peer.text.endsWith(end) || peer.closed);
    this.#seen.set(name, peer.text.length);
    // To a subscriber of RESP2 the answer is an array.
    return peer.text.slice(from, -end.length).replace(/\*2\r\n\$4\r\npong\r\n$/, '');
  }
}

/** Who says what; afterwards everybody's bytes are compared. `a` and `b` speak RESP2, `c` RESP3. */
const session: readonly (readonly [string, ...string[]])[] = [
  ['a', 'UNSUBSCRIBE'],
  ['a', 'PUNSUBSCRIBE'],
  ['a', 'SUNSUBSCRIBE'],
  ['a', 'UNSUBSCRIBE', 'x', 'y'],
  ['a', 'SUBSCRIBE', 'one', 'two', 'one'],
  ['a', 'PSUBSCRIBE', 'o*', '[t]wo'],
  ['a', 'SSUBSCRIBE', 'shard'],
  ['a', 'PING'],
  ['a', 'PING', 'text'],
  ['a', 'GET', 'x'],
  ['a', 'MULTI'],
  ['a', 'PUBLISH', 'one', 'x'],
  ['a', 'SUBSCRIBE'],
  ['c', 'UNSUBSCRIBE'],
  ['c', 'SUNSUBSCRIBE'],
  ['c', 'SUBSCRIBE', 'one'],
  ['c', 'PSUBSCRIBE', '*'],
  ['c', 'SSUBSCRIBE', 'shard', 'other'],
  ['c', 'SET', 'k', 'v'],
  ['b', 'PUBLISH', 'one', 'hello'],
  ['b', 'PUBLISH', 'two', ''],
  ['b', 'PUBLISH', 'three', '\r\n\0'],
  ['b', 'SPUBLISH', 'shard', 'to the shard'],
  ['b', 'SPUBLISH', 'one', 'nobody'],
  ['b', 'PUBLISH', 'one'],
  ['b', 'PUBSUB', 'NUMSUB', 'one', 'two', 'x'],
  ['b', 'PUBSUB', 'NUMSUB'],
  ['b', 'PUBSUB', 'NUMPAT'],
  ['b', 'PUBSUB', 'CHANNELS', 't*'],
  ['b', 'PUBSUB', 'CHANNELS', 'x*'],
  ['b', 'PUBSUB', 'SHARDCHANNELS', 's*'],
  ['b', 'PUBSUB', 'SHARDNUMSUB', 'shard', 'other', 'x'],
  ['b', 'PUBSUB', 'NOTHING'],
  ['b', 'PUBSUB', 'NUMPAT', 'x'],
  ['c', 'PUBSUB', 'NUMSUB', 'one'],
  ['c', 'UNSUBSCRIBE', 'one'],
  ['a', 'UNSUBSCRIBE', 'two'],
  ['a', 'PUNSUBSCRIBE', 'o*', 'nothing'],
  ['b', 'PUBLISH', 'one', 'again'],
  ['b', 'PUBLISH', 'two', 'again'],
  ['c', 'PUNSUBSCRIBE'],
  ['a', 'UNSUBSCRIBE'],
  ['a', 'PUNSUBSCRIBE'],
  ['a', 'SUNSUBSCRIBE'],
  ['a', 'GET', 'x'],
  ['b', 'PUBLISH', 'one', 'gone'],
  ['c', 'RESET'],
  ['c', 'SUBSCRIBE', 'one'],
  ['b', 'PUBLISH', 'one', 'after RESET'],
];

async function play(t: TestContext, port: number): Promise<string[]> {
  const peers = new Peers(t, port);
  await peers.say('c', 'HELLO', '3');
  const heard: string[] = [];
  for (const [name, ...words] of session) {
    heard.push(`${name}: ${words.join(' ')}: ${JSON.stringify(await peers.say(name, ...words))}`);
    for (const one of ['a', 'b', 'c']) heard.push(`${one} hears ${JSON.stringify(await peers.take(one))}`);
  }
  return heard;
}

test('subscribers and publishers get the bytes that Redis sends, over RESP2 and RESP3', async (t) => {
  const redis = await startRedis(t);
  if (redis === undefined) return;
  const node = await startNode(t, { args: resp3 });
  const [ours, theirs] = [await play(t, node.port), await play(t, redis)];
  assert.deepEqual(ours, theirs);
});

test('who publishes to itself reads the reply first, in EXEC the whole array, then the messages', async (t) => {
  const node = await startNode(t, { args: resp3 });
  const peers = new Peers(t, node.port);
  await peers.say('a', 'HELLO', '3');
  await peers.say('a', 'SUBSCRIBE', 'x');
  assert.equal(await peers.say('a', 'PUBLISH', 'x', '1'), ':1\r\n>3\r\n$7\r\nmessage\r\n$1\r\nx\r\n$1\r\n1\r\n');
  const peer = peers.peer('a');
  for (const words of [['MULTI'], ['PUBLISH', 'x', '2'], ['UNSUBSCRIBE', 'y'], ['MPUBLISH', 'x', '3', '4']])
    peer.send(encodeCommand(words));
  const [queued, executed] = (await peers.say('a', 'EXEC')).split('*3\r\n');
  assert.equal(queued, '+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n');
  const message = (text: string): string => `>3\r\n$7\r\nmessage\r\n$1\r\nx\r\n$1\r\n${text}\r\n`;
  const left = '>3\r\n$11\r\nunsubscribe\r\n$1\r\ny\r\n:1\r\n';
  assert.equal(executed, `:1\r\n${left}:2\r\n${message('2')}${message('3')}${message('4')}`);
});

test('CLIENT REPLY OFF silences replies, not confirmations and messages', async (t) => {
  const node = await startNode(t, { args: resp3 });
  const peers = new Peers(t, node.port);
  const silent = peers.peer('a');
  for (const words of [
    ['CLIENT', 'REPLY', 'OFF'],
    ['GET', 'x'],
    ['SUBSCRIBE', 'x'],
  ])
    silent.send(encodeCommand(words));
  const confirmed = '*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n';
  await silent.until(() => silent.text.length >= confirmed.length);
  assert.equal(silent.text, confirmed);
  assert.equal(await peers.say('b', 'PUBLISH', 'x', '1'), ':1\r\n');
  await silent.until(() => silent.text.endsWith('$1\r\n1\r\n'));
  assert.equal(silent.text, `${confirmed}*3\r\n$7\r\nmessage\r\n$1\r\nx\r\n$1\r\n1\r\n`);
});

test('CLIENT LIST and INFO show subscribers, also when they are gone', async (t) => {
  const node = await startNode(t);
  const peers = new Peers(t, node.port);
  await peers.say('a', 'SUBSCRIBE', 'x', 'y');
  await peers.say('a', 'PSUBSCRIBE', 'x*');
  await peers.say('a', 'SSUBSCRIBE', 's');
  const listed = await peers.say('b', 'CLIENT', 'LIST', 'TYPE', 'pubsub');
  assert.match(listed, /flags=P .*sub=2 psub=1 ssub=1 /);
  assert.equal(listed.split('\n').filter((line) => line.startsWith('id=')).length, 1);
  assert.match(
    await peers.say('b', 'INFO', 'stats'),
    /pubsub_channels:2\r\npubsub_patterns:1\r\npubsubshard_channels:1\r\n/,
  );
  peers.peer('a').destroy();
  const stats = (): Promise<string> => peers.say('b', 'INFO', 'stats');
  await until(stats, (text) => /pubsub_channels:0\r\npubsub_patterns:0\r\npubsubshard_channels:0\r\n/.test(text));
});

test('what a master publishes reaches the subscribers of its replica; a replica publishes to its own', async (t) => {
  const master = await startNode(t);
  const replica = await startNode(t, { args: ['--slaveof', `127.0.0.1 ${master.port}`] });
  const client = await replica.client();
  const role = async (): Promise<string> => String(await client.command('INFO', 'replication'));
  await until(role, (text) => text.includes('master_link_status:up'));
  const [here, there] = [new Peers(t, master.port), new Peers(t, replica.port)];
  await there.say('listener', 'SUBSCRIBE', 'news');
  await there.say('listener', 'PSUBSCRIBE', 'n*');
  await there.say('listener', 'SSUBSCRIBE', 'shard');
  const listener = there.peer('listener');
  const from = listener.text.length;
  assert.equal(await here.say('a', 'PUBLISH', 'news', '1'), ':0\r\n');
  assert.equal(await here.say('a', 'MPUBLISH', 'news', '2', '3'), ':0\r\n');
  for (const words of [['MULTI'], ['SET', 'k', 'v'], ['PUBLISH', 'news', '4'], ['SET', 'k', 'w']])
    here.peer('a').send(encodeCommand(words));
  await here.say('a', 'EXEC');
  assert.equal(await here.say('a', 'SPUBLISH', 'shard', '5'), ':0\r\n');
  await listener.until(() => listener.text.endsWith('$1\r\n5\r\n'));
  const message = (text: string): string =>
    `*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$1\r\n${text}\r\n` +
    `*4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n$4\r\nnews\r\n$1\r\n${text}\r\n`;
  const expected = ['1', '2', '3', '4'].map(message).join('') + '*3\r\n$8\r\nsmessage\r\n$5\r\nshard\r\n$1\r\n5\r\n';
  assert.equal(listener.text.slice(from), expected);
  const sequence = async (peers: Peers): Promise<string> =>
    /^master_repl_offset:(\d+)/m.exec(await peers.say('info', 'INFO', 'replication'))?.[1] ?? '';
  assert.equal(await there.say('b', 'PUBLISH', 'news', 'local'), ':2\r\n');
  assert.equal(await sequence(there), await sequence(here));
  client.close();
});

test('a master without its lease publishes nothing, and its subscribers are closed when it loses its role', async (t) => {
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
  const stopLease = keepLeased(a, 1);
  await until(
    () => report(b, 1),
    (facts) => facts.get('master_link_status') === 'up',
  );
  const [atMaster, atReplica] = [new Peers(t, a.node.port), new Peers(t, b.node.port)];
  await atMaster.say('listener', 'SUBSCRIBE', 'x');
  await atReplica.say('listener', 'SUBSCRIBE', 'x');
  assert.equal(await atMaster.say('publisher', 'PUBLISH', 'x', 'heard'), ':1\r\n');
  const [first, second] = [atMaster.peer('listener'), atReplica.peer('listener')];
  await second.until(() => second.text.endsWith('heard\r\n'));
  const sequence = async (): Promise<string | undefined> => (await report(a, 1)).get('sequence');
  const before = await sequence();
  assert.match(before ?? '', /^[1-9]/);

  stopLease();
  await until(
    () => report(a, 1),
    (facts) => Number(facts.get('lease_remaining_ms')) <= 0,
  );
  const late = atMaster.peer('publisher');
  const answered = late.text.length;
  late.send(encodeCommand(['PUBLISH', 'x', 'unheard']));
  assert.equal(await shard(b, 2, b), 'OK');
  const processOfB = (await report(b, 2)).get('process_id') ?? '';
  const record = ['2', '0', String(leaseMs), b.id, processOfB, '-'];
  assert.equal(await ask(a.control, 'CLUSTERX', 'SHARD', ...record), 'OK');
  await Promise.all([first, late].map((one) => one.until(() => one.closed)));
  assert.ok(first.text.endsWith('heard\r\n') && !first.text.includes('unheard'));
  assert.equal(late.text.slice(answered), '', 'what may have been executed gets no answer');
  assert.equal(await sequence(), before, 'it added no record');
});

/** Commands whose events Redis 7.0 says the same way. */
function randomCommand(random: Random): string[] {
  const key = (): string => `k${randomBelow(random, 4)}`;
  const pair = (): [string, string] => {
    const first = randomBelow(random, 4);
    return [`k${first}`, `k${(first + 1 + randomBelow(random, 3)) % 4}`];
  };
  const field = (): string => `f${randomBelow(random, 3)}`;
  const number = (): string => String(randomBelow(random, 5));
  const templates: (() => string[])[] = [
    () => ['SET', key(), number()],
    () => ['SET', key(), number(), 'EX', '1000'],
    () => ['SET', key(), number(), 'NX'],
    () => ['SET', key(), 'text', 'XX', 'KEEPTTL'],
    () => ['SETNX', key(), number()],
    () => ['SETEX', key(), '1000', number()],
    () => ['PSETEX', key(), '1000000', number()],
    () => ['GETSET', key(), number()],
    () => ['GETDEL', key()],
    () => ['GETEX', key(), 'EX', '500'],
    () => ['GETEX', key(), 'PERSIST'],
    () => ['GETEX', key(), 'PXAT', '1'],
    () => ['MSET', key(), '1', key(), '2'],
    () => ['MSETNX', key(), '1', key(), '2'],
    () => ['INCR', key()],
    () => ['DECRBY', key(), '3'],
    () => ['INCRBYFLOAT', key(), '1.5'],
    () => ['APPEND', key(), number()],
    () => ['SETRANGE', key(), number(), 'xy'],
    () => ['SETRANGE', key(), number(), ''],
    () => ['HSET', key(), field(), number()],
    () => ['HMSET', key(), field(), number(), field(), number()],
    () => ['HSETNX', key(), field(), number()],
    () => ['HINCRBY', key(), field(), '2'],
    () => ['HINCRBYFLOAT', key(), field(), '2.5'],
    () => ['HDEL', key(), field(), field()],
    () => ['DEL', key(), key()],
    () => ['UNLINK', key()],
    () => ['RENAME', key(), key()],
    () => ['RENAMENX', key(), key()],
    // Never to itself, which Redis alone refuses.
    () => ['COPY', ...pair()],
    () => ['COPY', ...pair(), 'REPLACE'],
    () => ['EXPIRE', key(), '1000'],
    () => ['EXPIRE', key(), '900', 'GT'],
    () => ['PEXPIRE', key(), '-1'],
    () => ['EXPIREAT', key(), '1'],
    () => ['PERSIST', key()],
  ];
  return (templates[randomBelow(random, templates.length)] as () => string[])();
}

test('random commands are told of as Redis tells', async (t) => {
  const redis = await startRedis(t);
  if (redis === undefined) return;
  const node = await startNode(t);
  const servers = [new Peers(t, node.port), new Peers(t, redis)] as const;
  for (const peers of servers) {
    await peers.say('writer', 'CONFIG', 'SET', 'notify-keyspace-events', 'KEA');
    await peers.say('listener', 'PSUBSCRIBE', '*');
  }
  const random = seededRandom(Number(process.env['HOLDFAST_SEED'] ?? 7));
  for (let step = 0; step < 600; step++) {
    const words = randomCommand(random);
    const [ours, theirs] = await Promise.all(
      servers.map(async (peers) => {
        const reply = await peers.say('writer', ...words);
        // What error texts say is judged elsewhere.
        return `${reply.replace(/^(-[A-Z]+) .*/, '$1')}\n${await peers.take('listener')}`;
      }),
    );
    assert.equal(ours, theirs, `step ${step}: ${words.join(' ')}`);
  }
});

test('notify-keyspace-events is set, shown as Redis shows it, and refused', async (t) => {
  const node = await startNode(t, { args: ['--notify-keyspace-events', 'Kg'] });
  const client = await node.client();
  const show = async (): Promise<unknown> =>
    (await client.command('CONFIG', 'GET', 'notify-keyspace-events')) as unknown;
  const shown = async (): Promise<string> => String(((await show()) as Buffer[])[1]);
  assert.equal(await shown(), 'gK');
  assert.equal(await client.command('CONFIG', 'SET', 'notify-keyspace-events', 'KEA'), 'OK');
  assert.equal(await shown(), 'AKE');
  assert.match(String(await client.command('CONFIG', 'SET', 'notify-keyspace-events', 'KQ')), /event classes/);
  assert.equal(await shown(), 'AKE');
  client.close();
});

test('a key that expires is told of soon after, although nobody looks at it', async (t) => {
  const node = await startNode(t);
  const peers = new Peers(t, node.port);
  await peers.say('a', 'CONFIG', 'SET', 'notify-keyspace-events', 'Ex');
  await peers.say('b', 'SUBSCRIBE', '__keyevent@0__:expired');
  await peers.say('a', 'PSETEX', 'short', '50', 'x');
  await peers.say('a', 'SET', 'long', 'x', 'EX', '1000');
  const listener = peers.peer('b');
  const from = listener.text.length;
  await listener.until(() => listener.text.endsWith('short\r\n'));
  assert.equal(listener.text.slice(from), '*3\r\n$7\r\nmessage\r\n$22\r\n__keyevent@0__:expired\r\n$5\r\nshort\r\n');
});

test('a subscriber that does not read is cut; who publishes and who reads go on', async (t) => {
  const node = await startNode(t);
  const peers = new Peers(t, node.port);
  await peers.say('reader', 'SUBSCRIBE', 'x');
  await peers.say('sleeper', 'SUBSCRIBE', 'x', 'y');
  peers.peer('sleeper').socket.pause();
  const message = 'm'.repeat(1024 * 1024);
  const reader = peers.peer('reader');
  let sent = 0;
  const reached = async (): Promise<string> => {
    const reply = await peers.say('publisher', 'PUBLISH', 'x', message);
    sent++;
    await reader.until(() => reader.received > sent * message.length);
    return reply;
  };
  // The limit of subscribers is 32 MiB, and the socket's buffers take some of it.
  await until(reached, (reply) => reply === ':1\r\n');
  assert.ok(sent > 32, `cut after ${sent} MiB`);
  assert.match(await peers.say('publisher', 'INFO', 'stats'), /pubsub_channels:1\r\n/);
});

test('shard channels follow their slots: MOVED to the new owner, and the end of what was subscribed to', async (t) => {
  const node = await startNode(t, { args: ['--cluster-enabled', 'yes'] });
  const [other = 0] = await freePorts(1);
  const peers = new Peers(t, node.port);
  const nodes = (mine: string, theirs: string): string =>
    `${idA} 127.0.0.1 ${node.port} master - ${mine}\n${idB} 127.0.0.1 ${other} master - ${theirs}`;
  await peers.say('admin', 'CLUSTERX', 'SETNODEID', idA);
  assert.equal(await peers.say('admin', 'CLUSTERX', 'SETNODES', nodes('0-16382', '16383'), '1'), '+OK\r\n');
  // Slots: `foo` is in 12182, `bar` in 5061.
  await peers.say('listener', 'SSUBSCRIBE', 'foo');
  await peers.say('listener', 'SSUBSCRIBE', 'bar');
  await peers.say('listener', 'SUBSCRIBE', 'foo');
  assert.equal(await peers.say('a', 'SPUBLISH', 'foo', '1'), ':1\r\n');
  assert.match(await peers.take('listener'), /smessage\r\n\$3\r\nfoo\r\n\$1\r\n1\r\n$/);
  assert.equal(await peers.say('admin', 'CLUSTERX', 'SETNODES', nodes('0-9999', '10000-16383'), '2'), '+OK\r\n');
  assert.equal(await peers.take('listener'), '*3\r\n$12\r\nsunsubscribe\r\n$3\r\nfoo\r\n:1\r\n');
  assert.equal(await peers.say('a', 'SPUBLISH', 'foo', '2'), `-MOVED 12182 127.0.0.1:${other}\r\n`);
  assert.equal(await peers.say('listener', 'SSUBSCRIBE', 'foo'), `-MOVED 12182 127.0.0.1:${other}\r\n`);
  assert.equal(await peers.say('a', 'SPUBLISH', 'bar', '3'), ':1\r\n');
  assert.equal(await peers.say('a', 'PUBLISH', 'foo', '4'), ':1\r\n', 'channels belong to no slot');
  assert.match(await peers.take('listener'), /smessage\r\n\$3\r\nbar\r\n\$1\r\n3\r\n\*3\r\n\$7\r\nmessage/);
});
