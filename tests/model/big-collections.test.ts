/**
 * Collections of many elements on a real node: a reader that stands still in the middle of one's reply holds nobody up and costs
 * little, DEL writes one record, and an iteration with SCAN and its kin returns everything that was there all the time.
 * `ELEMENTS` says how many, 200,000 if it says nothing.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { randomBelow, seededRandom } from '@holdfast/base';
import { startNode, until, type NodeProcess } from '../support/node-process.ts';
import { RawPeer } from '../support/raw-peer.ts';
import { leavesOf } from './reply.ts';
import { Wire, requestOf } from './wire.ts';

const elements = Number(process.env['ELEMENTS'] ?? 200_000);
const chunk = 2000;
/** What a connection holds for a reader that does not read: the soft bound and a slice. */
const unsentBytesMax = 2 * 1024 * 1024;
/** Of every element, so that a reply is much more than sockets hold. */
const filling = 'x'.repeat(70);

interface Big {
  readonly key: string;
  /** Adds elements `from` to `from + chunk`. */
  fill(names: readonly string[], from: number): string[][];
  /** Commands that answer all of it, and the leaves of their replies per element. */
  readonly reads: readonly (readonly [command: readonly string[], perElement: number])[];
}

const bigs: readonly Big[] = [
  {
    key: 'hash',
    fill: (names) => [['HSET', 'hash', ...names.flatMap((name) => [name, filling])]],
    reads: [
      [['HGETALL', 'hash'], 2],
      [['HVALS', 'hash'], 1],
    ],
  },
  {
    key: 'list',
    fill: (names) => [['RPUSH', 'list', ...names.map((name) => name + filling)]],
    reads: [[['LRANGE', 'list', '0', '-1'], 1]],
  },
  {
    key: 'set',
    fill: (names) => [['SADD', 'set', ...names.map((name) => name + filling)]],
    reads: [[['SMEMBERS', 'set'], 1]],
  },
  {
    key: 'zset',
    fill: (names, from) => [['ZADD', 'zset', ...names.flatMap((name, i) => [String(from + i), name + filling])]],
    reads: [
      [['ZRANGE', 'zset', '0', '-1'], 1],
      [['ZRANGE', 'zset', '-inf', '+inf', 'BYSCORE', 'WITHSCORES'], 2],
    ],
  },
  {
    key: 'stream',
    fill: (names, from) => names.map((name, i) => ['XADD', 'stream', `${from + i + 1}-1`, name, filling]),
    reads: [[['XRANGE', 'stream', '-', '+'], 3]],
  },
];

async function fill(wire: Wire, big: Big): Promise<void> {
  for (let from = 0; from < elements; from += chunk) {
    const names = Array.from({ length: chunk }, (_, i) => String(from + i).padStart(8, '0'));
    const commands = big.fill(names, from);
    wire.send(commands);
    for (const reply of await wire.replies(commands.length)) assert.doesNotMatch(reply, /^-/);
  }
}

async function sequenceOf(wire: Wire): Promise<number> {
  return Number(/^sequence:(\d+)/m.exec(await wire.ask('INFO', 'keyspace'))?.[1]);
}

async function unsentBytes(wire: Wire, command: string): Promise<number[]> {
  const lines = (await wire.ask('CLIENT', 'LIST')).split('\n').filter((line) => line.includes(` cmd=${command} `));
  return lines.map((line) => Number(/ omem=([0-9]+)/.exec(line)?.[1]));
}

async function readStandingStill(
  t: TestContext,
  node: NodeProcess,
  wire: Wire,
  command: readonly string[],
): Promise<RawPeer> {
  const reader = new RawPeer(node.port, Infinity);
  t.after(() => reader.destroy());
  reader.send(requestOf(command) + requestOf(['PING']));
  await reader.until(() => reader.received > 0);
  reader.socket.pause();
  const name = (command[0] as string).toLowerCase();
  const held = await until(
    () => unsentBytes(wire, name),
    ([bytes]) => bytes !== undefined && bytes > unsentBytesMax / 4,
  );
  assert.ok((held[0] as number) < unsentBytesMax, `${name} holds ${held[0]} bytes`);
  assert.equal(await wire.ask('PING'), '+PONG\r\n', 'others are served in the middle of the reply');
  assert.ok(!reader.text.endsWith('+PONG\r\n'), `the reply of ${name} is still under way`);
  return reader;
}

for (const big of bigs) {
  test(`a ${big.key} of ${elements} elements is read in slices, shows one moment, and DEL writes one record`, async (t) => {
    const node = await startNode(t);
    const wire = await Wire.connect(node.port);
    t.after(() => wire.close());
    await fill(wire, big);
    const readers: RawPeer[] = [];
    for (const [command] of big.reads) readers.push(await readStandingStill(t, node, wire, command));
    const before = await sequenceOf(wire);
    assert.equal(await wire.ask('DEL', big.key), ':1\r\n');
    const written = (await sequenceOf(wire)) - before;
    assert.ok(written <= 2, `DEL wrote ${written} records`);
    for (const [at, [command, perElement]] of big.reads.entries()) {
      const reader = readers[at] as RawPeer;
      reader.socket.resume();
      await reader.until(() => reader.text.endsWith('+PONG\r\n') || reader.closed);
      assert.equal(leavesOf(reader.text).length, elements * perElement + 1, command.join(' '));
    }
  });
}

const random = seededRandom(3);
const lasting = Array.from({ length: 3000 }, (_, i) => `lasting:${i}`);
const passing = (): string => `passing:${randomBelow(random, 3000)}`;

interface Scanned {
  readonly name: string;
  scan(cursor: string): string[];
  /** Every how many leaves of the reply an element stands. */
  readonly every: number;
  put(name: string): string[];
  drop(name: string): string[];
}

const key = 'scanned';
const scans: readonly Scanned[] = [
  {
    name: 'SCAN',
    scan: (cursor) => ['SCAN', cursor, 'COUNT', String(1 + randomBelow(random, 300))],
    every: 1,
    put: (name) => ['SET', name, 'v'],
    drop: (name) => ['DEL', name],
  },
  {
    name: 'HSCAN',
    scan: (cursor) => ['HSCAN', key, cursor, 'COUNT', String(1 + randomBelow(random, 300))],
    every: 2,
    put: (name) => ['HSET', key, name, String(randomBelow(random, 9))],
    drop: (name) => ['HDEL', key, name],
  },
  {
    name: 'SSCAN',
    scan: (cursor) => ['SSCAN', key, cursor, 'COUNT', String(1 + randomBelow(random, 300))],
    every: 1,
    put: (name) => ['SADD', key, name],
    drop: (name) => ['SREM', key, name],
  },
  {
    name: 'ZSCAN',
    scan: (cursor) => ['ZSCAN', key, cursor, 'COUNT', String(1 + randomBelow(random, 300))],
    every: 2,
    put: (name) => ['ZADD', key, String(randomBelow(random, 1000)), name],
    drop: (name) => ['ZREM', key, name],
  },
];

for (const one of scans) {
  test(`${one.name} under writes returns every element that was there all the time`, async (t) => {
    const node = await startNode(t);
    const wire = await Wire.connect(node.port);
    t.after(() => wire.close());
    wire.send(lasting.map((name) => one.put(name)));
    await wire.replies(lasting.length);
    for (let round = 0; round < 5; round++) {
      const found = new Set<string>();
      let cursor = '0';
      do {
        // Writes go before and behind the cursor; elements that last are written over, so that their values change.
        const writes = Array.from({ length: 40 }, () => {
          const kind = randomBelow(random, 5);
          if (kind === 0) return one.put(lasting[randomBelow(random, lasting.length)] as string);
          return kind < 3 ? one.put(passing()) : one.drop(passing());
        });
        wire.send([...writes, one.scan(cursor)]);
        const reply = (await wire.replies(writes.length + 1)).at(-1) as string;
        const [next = '', ...leaves] = leavesOf(reply);
        leaves.forEach((leaf, i) => i % one.every === 0 && found.add(leaf));
        cursor = next;
      } while (cursor !== '0');
      assert.deepEqual(
        lasting.filter((name) => !found.has(name)),
        [],
        `round ${round}`,
      );
    }
  });
}
