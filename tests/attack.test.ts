/** Bytes, lengths and requests that ask for too much (`support/attack.ts`). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBelow, seededRandom } from '@holdfast/base';
import { ReplyError, itemsOf, textOf, type CommandArgument, type Reply } from '@holdfast/resp';
import { assertServes, attackWith, startSmall, withinBounds } from './support/attack.ts';
import { until, type NodeProcess } from './support/node-process.ts';
import { RawPeer } from './support/raw-peer.ts';

test('random bytes and inline garbage get errors or an end, never a crash', async (t) => {
  const node = await startSmall(t);
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
  const node = await startSmall(t);
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
  const node = await startSmall(t);
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
  const node = await startSmall(t);
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
  const node = await startSmall(t);
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
  const node = await startSmall(t);
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
  const node = await startSmall(t);
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
  const node = await startSmall(t);
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
