/**
 * Bad input against a real node: whatever arrives, the process stays, its memory stays within a stated bound, and it
 * answers the next honest client.
 *
 * Where memory is measured the node runs with `maxmemory-clients` of 64 MiB and small RocksDB caches. Its highest
 * resident memory may then exceed what it had when idle by `allowedGrowthMb`: the budget itself twice (a buffer that is
 * doubled), what may be held between two measurements of the clients, and garbage that V8 has not collected yet. Every
 * attack below asks for several times as much.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test, type TestContext } from 'node:test';
import { randomBelow, seededRandom } from '@holdfast/base';
import { ReplyError, itemsOf, textOf, type CommandArgument, type Reply, type RespClient } from '@holdfast/resp';
import { startNode, until, type NodeProcess } from './support/node-process.ts';
import { memoryMb, RawPeer } from './support/raw-peer.ts';

const allowedGrowthMb = 400;
const smallMemory = ['--maxmemory-clients', '64mb', '--rocksdb.write_buffer_size', '4'];
const caches = ['metadata_block_cache_size', 'subkey_block_cache_size'];
const smallCaches = caches.flatMap((name) => [`--rocksdb.${name}`, '8']);

function start(t: TestContext, ...args: string[]): Promise<NodeProcess> {
  return startNode(t, { args: [...smallMemory, ...smallCaches, ...args] });
}

function pidOf(node: NodeProcess): number {
  assert.ok(node.child.pid !== undefined);
  return node.child.pid;
}

/** The node lives, answers and still writes. */
async function assertServes(node: NodeProcess): Promise<void> {
  assert.equal(node.child.exitCode, null, node.output());
  const client = await node.client();
  const written = await client.command('SET', 'honest', 'value');
  // A cluster node that knows no topology yet says so; that is an answer too.
  if (written instanceof ReplyError) assert.match(written.message, /^(CLUSTERDOWN|MOVED) /);
  else assert.equal(textOf(await client.command('GET', 'honest')), 'value');
  client.close();
}

/** Runs the attack and judges the node's highest memory during it. */
async function withinBounds(
  t: TestContext,
  node: NodeProcess,
  attack: () => Promise<void>,
  allowedMb: number = allowedGrowthMb,
): Promise<void> {
  const idle = memoryMb(pidOf(node)).now;
  await attack();
  await assertServes(node);
  const { peak } = memoryMb(pidOf(node));
  t.diagnostic(`resident memory: ${idle} MiB before, ${peak} MiB at the highest`);
  assert.ok(peak - idle < allowedMb, `grew by ${peak - idle} MiB, allowed are ${allowedMb}`);
}

async function attackWith(node: NodeProcess, bytes: string | Uint8Array): Promise<RawPeer> {
  const peer = new RawPeer(node.port);
  peer.send(bytes);
  await peer.flushed();
  return peer;
}

test('random bytes and inline garbage get errors or an end, never a crash', async (t) => {
  const node = await start(t);
  const random = seededRandom(20);
  await withinBounds(t, node, async () => {
    for (let round = 0; round < 200; round++) {
      const bytes = Buffer.alloc(1 + randomBelow(random, 20_000));
      const alphabet = round % 2 === 0 ? 256 : 64;
      const symbols = '*$0123456789-\r\n\r\n\r\n gGeEtTsSpPiInNxX"\'\\\0+:%~_(,#!=>|';
      for (let i = 0; i < bytes.length; i++)
        bytes[i] =
          alphabet === 256 ? randomBelow(random, 256) : symbols.charCodeAt(randomBelow(random, symbols.length));
      const peer = await attackWith(node, bytes);
      peer.socket.end();
      await peer.until(() => peer.closed);
      peer.destroy();
    }
  });
});

test('declared lengths beyond the limits are refused before anything is allocated', async (t) => {
  const node = await start(t);
  const refusals: readonly (readonly [string, RegExp])[] = [
    ['*1048577\r\n', /^-ERR Protocol error: invalid multibulk length\r\n$/],
    ['*4294967296\r\n', /^-ERR Protocol error: invalid multibulk length\r\n$/],
    ['*99999999999999999999999999\r\n', /^-ERR Protocol error: invalid multibulk length\r\n$/],
    ['*3\r\n$3\r\nSET\r\n$1\r\na\r\n$536870913\r\n', /^-ERR Protocol error: invalid bulk length\r\n$/],
    ['*3\r\n$3\r\nSET\r\n$1\r\na\r\n$9223372036854775807\r\n', /^-ERR Protocol error: invalid bulk length\r\n$/],
    ['*2\r\n$-1\r\n', /^-ERR Protocol error: invalid bulk length\r\n$/],
    ['*1\r\n:5\r\n', /^-ERR Protocol error: expected '\$', got ':'\r\n$/],
    ['x'.repeat(70_000), /^-ERR Protocol error: too big inline request\r\n$/],
  ];
  await withinBounds(t, node, async () => {
    for (const [sent, expected] of refusals) {
      const peer = await attackWith(node, sent);
      await peer.until(() => peer.closed);
      assert.match(peer.text, expected, JSON.stringify(sent.slice(0, 60)));
      peer.destroy();
    }
    // The largest lengths that are allowed, announced by many and never sent.
    const waiting = await Promise.all(
      Array.from({ length: 500 }, (_, i) =>
        attackWith(node, i % 2 === 0 ? '*1048576\r\n$1\r\n' : '*3\r\n$3\r\nSET\r\n$1\r\na\r\n$536870912\r\nx'),
      ),
    );
    await assertServes(node);
    assert.ok(waiting.every((peer) => !peer.closed));
    for (const peer of waiting) peer.destroy();
  });
});

test('peers that send large requests and never end them are cut, the largest first', async (t) => {
  const node = await start(t);
  await withinBounds(t, node, async () => {
    const honest = await node.client();
    const block = Buffer.alloc(4 * 1024 * 1024, 'x');
    const peers: RawPeer[] = [];
    for (let i = 0; i < 150; i++) {
      const peer = await attackWith(node, '*3\r\n$3\r\nSET\r\n$1\r\na\r\n$536870912\r\n');
      peer.send(block);
      await peer.flushed();
      peers.push(peer);
    }
    await until(
      () => Promise.resolve(peers.filter((peer) => peer.closed).length),
      (cut) => cut > 100,
    );
    assert.equal(await honest.command('PING'), 'PONG', 'a small client is not cut for it');
    honest.close();
    for (const peer of peers) peer.destroy();
  });
});

test('requests that come byte by byte are answered, and hold nobody up', async (t) => {
  const node = await start(t);
  const slow = await Promise.all(Array.from({ length: 200 }, () => attackWith(node, '*2\r\n$4\r\nEC')));
  for (const byte of 'HO\r\n$2\r\nok\r\n') {
    for (const peer of slow) peer.send(byte);
    await assertServes(node);
  }
  for (const peer of slow) {
    await peer.until(() => peer.received >= 8);
    assert.equal(peer.text, '$2\r\nok\r\n');
    peer.destroy();
  }
});

test('a reader that does not read cannot make the node hold its replies', async (t) => {
  const node = await start(t);
  const client = await node.client();
  await client.command('SET', 'big', Buffer.alloc(4 * 1024 * 1024, 'x'));
  await client.command('SET', 'small', Buffer.alloc(1000, 'x'));
  await withinBounds(t, node, async () => {
    const peers: RawPeer[] = [];
    for (const request of ['GET big\r\n', 'GET small\r\n', 'PING\r\n', 'COMMAND\r\n', 'INFO\r\n']) {
      for (let i = 0; i < 8; i++) {
        const peer = new RawPeer(node.port);
        peer.socket.pause();
        peer.send(request.repeat(Math.ceil(400_000 / request.length)));
        peers.push(peer);
      }
    }
    // Every one of them was executed at least once, and as much as the node is willing to hold.
    await until(
      () => client.command('INFO', 'stats'),
      (info) => outputBytes(info) > 40 * 1024 * 1024,
    );
    await assertServes(node);
    for (const peer of peers) peer.destroy();
  });
});

function outputBytes(info: Reply): number {
  return Number(/total_net_output_bytes:([0-9]+)/.exec(textOf(info) ?? '')?.[1]);
}

test('short requests that ask for gigabytes get an error or little by little', async (t) => {
  const node = await start(t);
  const client = await node.client();
  await client.command('SET', 'big', Buffer.alloc(1024 * 1024, 'x'));
  await client.command('HSET', 'hash', 'field', Buffer.alloc(1024 * 1024, 'x'));
  for (let i = 0; i < 200; i++) await client.command('HSET', 'large', `field ${i}`, Buffer.alloc(1024 * 1024, 'x'));
  await withinBounds(t, node, async () => {
    const requests: CommandArgument[][] = [
      ['MGET', ...Array.from({ length: 20_000 }, () => 'big')],
      ['HMGET', 'hash', ...Array.from({ length: 20_000 }, () => 'field')],
      ['HRANDFIELD', 'hash', '-1000000', 'WITHVALUES'],
      ['HRANDFIELD', 'hash', '-9223372036854775808'],
      ['SETRANGE', 'far', '536870911', 'xx'],
      ['SETRANGE', 'far', '9223372036854775807', 'x'],
      ['SCAN', '0', 'COUNT', '9223372036854775807'],
      ['LCS', 'big', 'big'],
      ['HGETALL', 'large'],
      ['HVALS', 'large'],
      ['HRANGEBYLEX', 'large', '-', '+'],
      ['HRANDFIELD', 'large', '200', 'WITHVALUES'],
    ];
    for (const request of requests) await refusedOrCut(node, request);
    const step = itemsOf(await client.command('HSCAN', 'large', '0', 'COUNT', '10000'));
    assert.ok((itemsOf(step?.[1] ?? null) ?? []).length < 100, 'a step of HSCAN ends early');
    await assertServes(node);
  });
  client.close();
});

/** The reply is an error, short, or the connection is cut. */
async function refusedOrCut(node: NodeProcess, request: CommandArgument[]): Promise<void> {
  const client = await node.client();
  try {
    const reply = await client.command(...request);
    const isShort = reply instanceof ReplyError || (textOf(reply) ?? '').length < 1000;
    assert.ok(isShort, `${String(request[0])} was answered`);
  } catch (error) {
    assert.match(String(error), /RESP_CONNECTION_LOST|connection/, String(request[0]));
  } finally {
    client.close();
  }
}

test('queues of MULTI and watched keys count to the memory of a client', async (t) => {
  const node = await start(t);
  await withinBounds(t, node, async () => {
    const queueing = new RawPeer(node.port);
    queueing.send('MULTI\r\n');
    const watching = new RawPeer(node.port);
    const value = 'v'.repeat(8000);
    for (let i = 0; i < 20_000 && !(queueing.closed && watching.closed); i++) {
      if (!queueing.closed) queueing.send(`SET key ${value}\r\n`);
      if (!watching.closed) watching.send(`WATCH ${value}${i}\r\n`);
      await queueing.flushed();
      await watching.flushed();
    }
    await queueing.until(() => queueing.closed);
    await watching.until(() => watching.closed);
  });
});

test('pipelined copies of a large value do not gather in one tick', async (t) => {
  const node = await start(t);
  const client = await node.client();
  await client.command('SET', 'big', Buffer.alloc(4 * 1024 * 1024, 'x'));
  const attack = async (): Promise<void> => {
    const copies = Array.from({ length: 120 }, (_, i) => `COPY big copy${i % 2} REPLACE\r\n`);
    const peer = await attackWith(node, copies.join(''));
    await peer.until(() => peer.received >= 4 * copies.length || peer.closed);
    assert.equal(peer.text, ':1\r\n'.repeat(copies.length));
    peer.destroy();
  };
  // 480 MiB are written. A tick ends at 32 MiB; RocksDB holds four memtables of that, and the batch is there thrice.
  await withinBounds(t, node, attack, 600);
  client.close();
});

test('every command with too few or too many arguments is refused, an unknown one too', async (t) => {
  const node = await start(t);
  const client = await node.client();
  for (const { name, arity } of await commandTable(client)) {
    const wrongCounts = arity > 0 ? [arity - 1, arity + 1, arity + 20] : [-arity - 1];
    for (const count of wrongCounts.filter((count) => count >= 1)) {
      const reply = await client.command(name, ...Array.from({ length: count - 1 }, () => 'x'));
      assert.ok(reply instanceof ReplyError, `${name} with ${count} words: ${JSON.stringify(reply)}`);
      assert.equal(reply.message, `ERR wrong number of arguments for '${name}' command`);
    }
  }
  for (const name of ['NOSUCH', 'get\r\n', '', '\0', 'G'.repeat(100_000), 'constructor', '__proto__']) {
    const reply = await client.command(name, 'argument', 'x'.repeat(100_000));
    assert.ok(reply instanceof ReplyError, JSON.stringify(name.slice(0, 20)));
    assert.match(reply.message, /^ERR unknown command '/);
    assert.ok(reply.message.length < 600, 'an error does not repeat what it was sent without bound');
  }
  client.close();
  await assertServes(node);
});

interface CommandRow {
  readonly name: string;
  readonly arity: number;
  readonly mayWait: boolean;
}

async function commandTable(client: RespClient): Promise<CommandRow[]> {
  const rows = itemsOf(await client.command('COMMAND')) ?? [];
  const table = rows.map((row) => {
    const [name, arity, flags] = itemsOf(row) ?? [];
    const mayWait = (itemsOf(flags ?? null) ?? []).some((flag) => textOf(flag) === 'blocking');
    return { name: textOf(name ?? null) ?? '', arity: Number(arity), mayWait };
  });
  assert.ok(table.length > 80, `${table.length} commands`);
  return table;
}

/** Runs a command that may wait, as often unblocked by another client as it takes. */
async function runUnblocked(client: RespClient, other: RespClient, request: [CommandArgument]): Promise<void> {
  const id = await client.command('CLIENT', 'ID');
  let isOver = false;
  const reply = client.command(...request).finally(() => (isOver = true));
  while (!isOver) await other.command('CLIENT', 'UNBLOCK', String(id));
  await reply;
}

/** Not run with random arguments: what ends the node, its replication or its replies, or is answered several times. */
const skipped = new Set(
  'shutdown debug psync replconf slaveof replicaof client wait quit multi exec monitor'.split(' '),
);
for (const kind of ['', 'p', 's']) skipped.add(`${kind}subscribe`).add(`${kind}unsubscribe`);
for (const name of ['_fetch_meta', '_fetch_file', '_db_name', 'config', 'hello', 'auth']) skipped.add(name);

test('every command takes random arguments without harm, each with one well-formed reply', async (t) => {
  for (const mode of ['no', 'yes']) {
    const node = await start(t, '--cluster-enabled', mode);
    const random = seededRandom(21);
    await withinBounds(t, node, async () => {
      let client = await node.client();
      const other = await node.client();
      for (const { name, arity, mayWait } of await commandTable(client)) {
        if (skipped.has(name)) continue;
        const requests = Array.from({ length: 60 }, () => randomRequest(random, name, Math.abs(arity)));
        for (const request of requests) {
          try {
            if (mayWait) await runUnblocked(client, other, request as [CommandArgument]);
            else await client.command(...(request as [CommandArgument]));
          } catch {
            // A reply that is larger than all clients may hold costs its connection.
            assert.equal(node.child.exitCode, null, `${JSON.stringify(request.map(String))}\n${node.output()}`);
            client = await node.client();
          }
        }
        assert.ok(['PONG', 'QUEUED'].includes(textOf(await client.command('PING')) ?? ''), name);
      }
      client.close();
      other.close();
    });
  }
});

const nasty: readonly CommandArgument[] = [
  '',
  'k',
  'k',
  'k2',
  'h',
  'h',
  'h2',
  '0',
  '1',
  '-1',
  '2',
  '16384',
  '4294967296',
  '-9223372036854775808',
  '9223372036854775807',
  '18446744073709551616',
  '1e400',
  '-0',
  'nan',
  'inf',
  '0x10',
  ' 1',
  '3.5',
  '*',
  '[a-',
  '\\',
  'h?*[^x]',
  '{',
  '{}',
  '{k}',
  '(',
  '[a',
  '-',
  '+',
  'NX',
  'XX',
  'GT',
  'EX',
  'PX',
  'EXAT',
  'KEEPTTL',
  'GET',
  'MATCH',
  'COUNT',
  'TYPE',
  'LIMIT',
  'WITHVALUES',
  'BYLEX',
  'REV',
  'LEN',
  'IDX',
  'NODES',
  'SETNODES',
  'SETSLOT',
  'NODE',
  'SLOTS',
  'GETKEYSINSLOT',
  'HEARTBEAT',
  'SHARD',
  'RESIGN',
  'HOLD',
  'RESET',
  'HARD',
  'a'.repeat(40),
  'b'.repeat(40),
  `${'a'.repeat(40)} 127.0.0.1 1 master - 0-16383`,
  'x'.repeat(5000),
  Buffer.from([0, 255, 13, 10, 128]),
];

function randomRequest(random: Parameters<typeof randomBelow>[0], name: string, least: number): CommandArgument[] {
  const count = least + (randomBelow(random, 3) === 0 ? randomBelow(random, 4) : 0);
  const request: CommandArgument[] = [name];
  while (request.length < count) request.push(nasty[randomBelow(random, nasty.length)] as CommandArgument);
  return request;
}

test('10,000 connections are served; those beyond maxclients are told so', async (t) => {
  const node = await start(t, '--maxclients', '10010');
  const peers: RawPeer[] = [];
  const attack = async (): Promise<void> => {
    while (peers.length < 10_000) {
      const batch = Array.from({ length: 500 }, () => new RawPeer(node.port, 100));
      for (const peer of batch) peer.send('PING\r\n');
      for (const peer of batch) await peer.until(() => peer.received >= 7 || peer.closed);
      peers.push(...batch);
    }
    assert.ok(peers.every((peer) => peer.text === '+PONG\r\n'));
    const beyond = Array.from({ length: 50 }, () => new RawPeer(node.port));
    for (const peer of beyond) peer.send('PING\r\n');
    for (const peer of beyond) await peer.until(() => peer.closed || peer.received > 0);
    const refused = beyond.filter((peer) => peer.text === '-ERR max number of clients reached\r\n');
    assert.equal(refused.length, 40, 'of 50 more, 10 fit');
    for (const peer of peers) peer.send('PING\r\n');
    for (const peer of peers) await peer.until(() => peer.received >= 14);
    for (const peer of [...peers, ...beyond]) peer.destroy();
    const client = await node.client();
    await until(
      () => client.command('INFO', 'clients'),
      (info) => /connected_clients:1\r\n/.test(textOf(info) ?? ''),
    );
    client.close();
  };
  await withinBounds(t, node, attack);
});

test('a node that runs out of file descriptors goes on with those it has', async (t) => {
  const node = await start(t);
  const before = await node.client();
  execFileSync('prlimit', ['--pid', String(pidOf(node)), '--nofile=100:100']);
  const peers = Array.from({ length: 200 }, () => new RawPeer(node.port));
  for (const peer of peers) peer.send('PING\r\n');
  await until(
    () => Promise.resolve(peers.filter((peer) => peer.closed || peer.received > 0).length),
    (settled) => settled > 100,
  );
  assert.equal(textOf(await before.command('SET', 'a', 'b')), 'OK');
  for (const peer of peers) peer.destroy();
  await until(
    async () => {
      const peer = await attackWith(node, 'PING\r\n');
      await peer.until(() => peer.closed || peer.received > 0);
      peer.destroy();
      return peer.text;
    },
    (text) => text === '+PONG\r\n',
  );
  before.close();
});

test('the control port takes garbage, large lengths, many connections and unread replies', async (t) => {
  const node = await start(t, '--cluster-enabled', 'yes');
  const random = seededRandom(22);
  await withinBounds(t, node, async () => {
    for (let round = 0; round < 50; round++) {
      const bytes = Buffer.from(Array.from({ length: 2000 }, () => randomBelow(random, 256)));
      const peer = new RawPeer(node.controlPort);
      peer.send(bytes);
      peer.socket.end();
      await peer.until(() => peer.closed);
      peer.destroy();
    }
    const large = new RawPeer(node.controlPort);
    large.send('*2\r\n$536870912\r\n');
    await large.until(() => large.closed);
    assert.match(large.text, /invalid bulk length/);
    const unread = new RawPeer(node.controlPort);
    unread.socket.pause();
    const heartbeat = `CLUSTERX HEARTBEAT ${'a'.repeat(40)} 1000 0\r\n`;
    for (let i = 0; i < 2000 && !unread.socket.destroyed; i++) unread.send(heartbeat.repeat(100));
    const many = Array.from({ length: 1000 }, () => new RawPeer(node.controlPort));
    for (const peer of many) peer.send('PING\r\n');
    await until(
      () => Promise.resolve(many.filter((peer) => peer.closed || peer.received > 0).length),
      (settled) => settled === many.length,
    );
    assert.ok(
      many.some((peer) => peer.closed),
      'not all of a thousand stay',
    );
    for (const peer of [large, unread, ...many]) peer.destroy();
    await until(
      async () => {
        const peer = new RawPeer(node.controlPort);
        peer.send('PING\r\n');
        await peer.until(() => peer.closed || peer.received > 0);
        peer.destroy();
        return peer.text;
      },
      (text) => text === '+PONG\r\n',
    );
  });
});
