import assert from 'node:assert/strict';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { leaseClockMs, realTimers, tcpConnector } from '@holdfast/base/real';
import { RequestDecoder } from '@holdfast/resp';
import { FakeNode } from './testing/fake-node.ts';
import { ParkingLot, type ParkedFigures } from './parked.ts';
import type { ShardKeys } from './keys.ts';

const keys = { mixed: { log: '{t}log' } } as unknown as ShardKeys;

/** A node at which everything waits until `end` says how it ends. */
async function waitingNode(t: TestContext): Promise<{ address: string; end: (answer: string) => void }> {
  const sockets = new Set<Socket>();
  const waiting = new Set<Socket>();
  let ending: string | undefined;
  const server = createServer((socket) => {
    sockets.add(socket);
    const decoder = new RequestDecoder();
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      decoder.push(chunk);
      while (decoder.next()) {
        const name = decoder.request.utf8(0).toLowerCase();
        if (name === 'multi') socket.write('+OK\r\n');
        else if (name === 'set') socket.write('+QUEUED\r\n');
        else if (name === 'subscribe') socket.write('*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n');
        else if (ending === undefined) waiting.add(socket);
        else socket.end(ending);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    end: (answer) => {
      ending = answer;
      for (const socket of sockets) if (waiting.has(socket)) socket.end(answer);
      for (const socket of sockets) if (!waiting.has(socket)) socket.end();
    },
  };
}

async function successor(t: TestContext): Promise<FakeNode> {
  const node = new FakeNode('b'.repeat(40), 'node-2');
  node.role = 'master';
  await new Promise<void>((resolve) => node.server.listen(0, '127.0.0.1', resolve));
  t.after(() => node.close());
  return node;
}

interface Judged {
  readonly kinds: readonly string[];
  readonly figures: ParkedFigures;
}

/** @param isOver passes over the time in which waits may end. */
async function judged(
  t: TestContext,
  play: (end: (answer: string) => void, next: FakeNode) => void,
  isOver = false,
): Promise<Judged> {
  const [node, next] = [await waitingNode(t), await successor(t)];
  let aheadMs = 0;
  const lot = new ParkingLot({
    connection: { connector: tcpConnector, timers: realTimers, connectTimeoutMs: 1000, commandTimeoutMs: 1000 },
    keys,
    name: 'test',
    nowMs: () => leaseClockMs() + aheadMs,
    sleep: async (delayMs) => {
      if (isOver) aheadMs += 10_000;
      await pause(delayMs);
    },
  });
  await lot.park(node.address);
  lot.begin();
  play(node.end, next);
  lot.execute();
  const { violations, figures } = await lot.judge(next.address);
  return { kinds: [...new Set(violations.map(({ kind }) => kind))].sort(), figures };
}

test('waits that are told of the role change, and connections that are cut, violate nothing', async (t) => {
  const { kinds, figures } = await judged(t, (end) => end('-UNBLOCKED instance state changed\r\n'));
  assert.deepEqual(kinds, []);
  assert.equal(figures.parked, 5);
  assert.ok(figures.told >= 3, `${figures.told} told`);
  assert.equal(figures.told + figures.cut, 5);
});

test('waits that go on at the node that lost its role are told', async (t) => {
  const { kinds } = await judged(t, () => undefined, true);
  assert.deepEqual(kinds, ['waiter-not-ended']);
});

test('a wait that is served, and a transaction that is executed, after the role change are told', async (t) => {
  const { kinds } = await judged(t, (end) => end('*1\r\n+OK\r\n'));
  assert.deepEqual(kinds, ['waiter-executed']);
});

test('what the new master was given and somebody took, and what it has from a transaction, is told', async (t) => {
  const taken = await judged(t, (end, next) => {
    end('-UNBLOCKED\r\n');
    next.onWrite = (key): void => void next.store.delete(key);
  });
  assert.deepEqual(taken.kinds, ['waiter-executed']);
  const set = await judged(t, (end, next) => {
    end('-UNBLOCKED\r\n');
    next.store.set('{t}log-parked-test-key', 'parked');
  });
  assert.deepEqual(set.kinds, ['waiter-executed']);
});
