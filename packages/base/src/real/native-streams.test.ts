import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { test, type TestContext } from 'node:test';
import { setTimeout as passed } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { seededRandom, type ClientTransport, type Transport } from '../index.ts';
import { addon } from './addon.ts';
import { adoptSocket } from './index.ts';

/** An adopted stream and all that was told of it. */
class Side {
  readonly stream: ClientTransport;
  /** What was delivered, and `end`, `drain`, `close` or `close: error` in their order. */
  readonly log: string[] = [];
  bytes = 0;
  /** Called at each event. */
  onEvent: () => void = () => undefined;

  constructor(stream: ClientTransport) {
    this.stream = stream;
  }

  listen(stream: Pick<Transport, 'listen'> = this.stream): void {
    const note = (what: string): void => {
      this.log.push(what);
      this.onEvent();
    };
    stream.listen({
      onData: (chunk) => {
        this.bytes += chunk.length;
        note(chunk.toString('latin1', 0, 64));
      },
      onEnd: () => note('end'),
      onDrain: () => note('drain'),
      onClose: (error) => note(error === undefined ? 'close' : 'close: error'),
    });
  }

  /** Resolves when `holds`; asked at each event. */
  async until(holds: () => boolean): Promise<void> {
    if (holds()) return;
    await new Promise<void>((resolve) => {
      this.onEvent = (): void => {
        if (holds()) resolve();
      };
    });
  }

  async closed(): Promise<void> {
    await this.until(() => this.log.at(-1)?.startsWith('close') === true);
  }
}

/** A client's socket and the adopted stream at its other end. @param path of a Unix socket instead of TCP. */
async function pair(t: TestContext, path?: string): Promise<{ client: Socket; side: Side }> {
  const server = createServer({ allowHalfOpen: true, noDelay: true });
  if (path === undefined) server.listen(0, '127.0.0.1');
  else server.listen(path);
  await once(server, 'listening');
  const adopted = new Promise<Side>((resolve) => {
    server.once('connection', (socket) => {
      const stream = adoptSocket(socket);
      assert.ok(stream);
      resolve(new Side(stream));
    });
  });
  const client =
    path === undefined
      ? connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true })
      : connect({ path, allowHalfOpen: true });
  client.on('error', () => undefined);
  const side = await adopted;
  server.close();
  t.after(() => {
    client.destroy();
    side.stream.destroy();
  });
  return { client, side };
}

/** All that arrives until the end. */
async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.resume();
  await once(socket, 'end');
  return Buffer.concat(chunks);
}

test('bytes go both ways, and either end may come first', async (t) => {
  const { client, side } = await pair(t);
  side.listen();
  client.write('hello');
  await side.until(() => side.bytes === 5);
  assert.equal(side.stream.write(Buffer.from('wel')), true);
  side.stream.write(Buffer.from('come'));
  client.end();
  await side.until(() => side.log.includes('end'));
  side.stream.write(Buffer.from(', late'));
  side.stream.end();
  assert.equal((await readAll(client)).toString(), 'welcome, late');
  await side.closed();
  assert.deepEqual(side.log, ['hello', 'end', 'close']);
  assert.equal(side.stream.write(Buffer.from('x')), false);
});

test('a loop that stayed awake for the next request sleeps when none comes', async (t) => {
  const { client, side } = await pair(t);
  side.listen();
  for (let i = 1; i <= 100; i++) {
    client.write('.');
    await side.until(() => side.bytes === i);
  }
  // A loop that does not sleep turns thousands of times meanwhile.
  let turns = Infinity;
  while (turns > 20) {
    const before = performance.nodeTiming.uvMetricsInfo.loopCount;
    await passed(50);
    turns = performance.nodeTiming.uvMetricsInfo.loopCount - before;
  }
});

test('the own end may come before the peer ends: what it still sends arrives', async (t) => {
  const { client, side } = await pair(t);
  side.listen();
  side.stream.endWith(Buffer.from('bye'));
  assert.equal((await readAll(client)).toString(), 'bye');
  client.end('more');
  await side.closed();
  assert.deepEqual(side.log, ['more', 'end', 'close']);
});

test('a Unix socket is adopted as well', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'streams-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const { client, side } = await pair(t, join(folder, 's'));
  side.listen();
  client.end('hello');
  await side.until(() => side.log.includes('end'));
  side.stream.endWith(Buffer.from('bye'));
  assert.equal((await readAll(client)).toString(), 'bye');
  await side.closed();
});

test('what was read before the socket was adopted comes first', async (t) => {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  t.after(() => client.destroy());
  client.write('first ');
  const [socket] = (await once(server, 'connection')) as [Socket];
  server.close();
  await once(socket, 'readable');
  socket.unshift(socket.read() as Buffer);
  client.write('second');
  const stream = adoptSocket(socket);
  assert.ok(stream);
  t.after(() => stream.destroy());
  const side = new Side(stream);
  side.listen();
  await side.until(() => side.bytes === 12);
  assert.equal(side.log.join(''), 'first second');
});

test('what arrived is delivered ahead of the immediates of its turn', async (t) => {
  const { client, side } = await pair(t);
  side.listen();
  const order: string[] = [];
  side.onEvent = (): void => void order.push('data');
  await new Promise<void>((resolve) => {
    setTimeout(() => {
      client.write('x');
      setImmediate(() => {
        order.push('immediate');
        resolve();
      });
    }, 1);
  });
  assert.deepEqual(order, ['data', 'immediate']);
});

test('what the kernel does not take is kept, follows in order, and the end follows it', async (t) => {
  const { client, side } = await pair(t);
  client.pause();
  side.listen();
  const random = seededRandom(7);
  const sent: Buffer[] = [];
  for (let i = 0; i < 400; i++) {
    // Small ones are gathered, large ones are sent alone.
    const bytes = Buffer.from(random.bytes(i % 3 === 0 ? 100_000 : 1 + (i % 5000)));
    sent.push(bytes);
    side.stream.write(bytes);
  }
  const all = Buffer.concat(sent);
  assert.ok(side.stream.pendingBytes > 0);
  side.stream.end();
  assert.equal(side.stream.write(Buffer.from('x')), false);
  assert.ok((await readAll(client)).equals(all));
  assert.equal(side.stream.pendingBytes, 0);
  client.end();
  await side.closed();
  assert.deepEqual(side.log, ['end', 'close']);
});

test('onDrain says when everything was taken', async (t) => {
  const { client, side } = await pair(t);
  side.listen();
  client.pause();
  const block = Buffer.alloc(1024 * 1024, 'a');
  let bytes = 0;
  while (side.stream.write(block)) bytes += block.length;
  bytes += block.length;
  side.stream.write(Buffer.from('the last'));
  bytes += 8;
  assert.equal(side.log.length, 0);
  client.resume();
  await side.until(() => side.log.includes('drain'));
  assert.equal(side.stream.pendingBytes, 0);
  side.stream.end();
  assert.equal((await readAll(client)).length <= bytes, true);
  assert.equal(client.bytesRead, bytes);
});

test('a paused stream receives nothing, and holds back whoever sends', async (t) => {
  const { client, side } = await pair(t);
  side.listen();
  side.stream.pause();
  const block = Buffer.alloc(64 * 1024);
  let bytes = 0;
  while (client.write(block)) bytes += block.length;
  while (client.writableLength < 8 * 1024 * 1024) {
    client.write(block);
    bytes += block.length;
  }
  bytes += block.length;
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(side.bytes, 0);
  assert.ok(client.writableLength > 0);
  side.stream.resume();
  await side.until(() => side.bytes === bytes);
});

test('a stream that is paused while it is delivered to stays so', async (t) => {
  const { client, side } = await pair(t);
  side.onEvent = (): void => side.stream.pause();
  side.listen();
  client.write(Buffer.alloc(4 * 1024 * 1024));
  await side.until(() => side.bytes > 0);
  side.stream.pause();
  const { bytes } = side;
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(side.bytes, bytes);
  side.stream.resume();
  await side.until(() => side.bytes === 4 * 1024 * 1024);
});

test("a peer's reset closes the stream with an error, also one that is only written to", async (t) => {
  const reading = await pair(t);
  reading.side.listen();
  reading.client.resetAndDestroy();
  await reading.side.closed();
  assert.deepEqual(reading.side.log, ['close: error']);

  const writing = await pair(t);
  writing.side.listen();
  writing.side.stream.pause();
  writing.client.pause();
  while (writing.side.stream.write(Buffer.alloc(256 * 1024)));
  writing.client.resetAndDestroy();
  await writing.side.closed();
  assert.deepEqual(writing.side.log, ['close: error']);
});

test('a stream that fails does not keep others from what is sent in the same call', async (t) => {
  const [gone, slow, good] = [await pair(t), await pair(t), await pair(t)];
  for (const { side } of [gone, slow, good]) side.listen();
  slow.client.pause();
  while (slow.side.stream.write(Buffer.alloc(256 * 1024)));
  const owed = slow.side.stream.pendingBytes;
  gone.side.stream.end();
  gone.client.resetAndDestroy();
  for (const { side } of [gone, slow, good]) side.stream.write(Buffer.from('+OK\r\n'));
  assert.equal(slow.side.stream.pendingBytes, owed + 5);
  const [bytes] = (await once(good.client, 'data')) as [Buffer];
  assert.equal(bytes.toString(), '+OK\r\n');
  await gone.side.closed();
});

test('what was written leaves although the stream is destroyed behind it', async (t) => {
  const { client, side } = await pair(t);
  side.listen();
  side.stream.write(Buffer.from('last words'));
  side.stream.destroy();
  assert.equal((await readAll(client)).toString(), 'last words');
  await side.closed();
  assert.deepEqual(side.log, ['close']);
  side.stream.destroy();
  side.stream.end();
  side.stream.pause();
  side.stream.resume();
  assert.deepEqual(side.log, ['close']);
});

test('a stream handed over goes on where it was, in both directions', async (t) => {
  const { client, side } = await pair(t);
  client.pause();
  side.listen();
  client.write('PSYNC rest of it');
  await side.until(() => side.bytes === 16);
  const block = Buffer.alloc(3 * 1024 * 1024, 'a');
  let sentBytes = block.length;
  while (side.stream.write(block)) sentBytes += block.length;
  assert.ok(side.stream.pendingBytes > 0);
  const transport = side.stream.handOver(Buffer.from('rest of it'));
  const next = new Side(side.stream);
  next.listen(transport);
  client.write(', and more');
  await next.until(() => next.bytes === 20);
  assert.equal(next.log.join(''), 'rest of it, and more');
  transport.write(Buffer.from('tail'));
  transport.end();
  const received = await readAll(client);
  assert.equal(received.length, sentBytes + 4);
  assert.equal(received.subarray(-4).toString(), 'tail');
  client.end();
  await next.closed();
});

test('what was received in the same turn is not lost when another stream has it handed over', async (t) => {
  const [one, two] = [await pair(t), await pair(t)];
  let transport: Transport | undefined;
  const next = new Side(two.side.stream);
  const take = (from: Side, other: Side) => (): void => {
    if (transport !== undefined || from.bytes === 0) return;
    transport = other.stream.handOver(Buffer.from('unread, '));
    next.listen(transport);
  };
  // Whichever comes first takes the other.
  one.side.onEvent = take(one.side, two.side);
  two.side.onEvent = take(two.side, one.side);
  one.side.listen();
  two.side.listen();
  await new Promise<void>((resolve) => {
    setTimeout(() => {
      one.client.write('fresh');
      two.client.write('fresh');
      setImmediate(resolve);
    }, 1);
  });
  await next.until(() => next.bytes === 13);
  assert.equal(next.log.join(''), 'unread, fresh');
  assert.equal(one.side.bytes + two.side.bytes, 5, 'one was delivered where it was, the other to its new owner');
  transport?.destroy();
});

test('more streams than fit the arena are all read, and in a turn that nobody else is kept from', async (t) => {
  const pairs = await Promise.all(Array.from({ length: 40 }, () => pair(t)));
  const bytes = 300_000;
  for (const { side } of pairs) side.listen();
  for (const { client } of pairs) client.write(Buffer.alloc(bytes, 'x'));
  await Promise.all(pairs.map(({ side }) => side.until(() => side.bytes === bytes)));
});

test('no descriptor is left behind, however streams end', async (t) => {
  const open = (): number => readdirSync('/proc/self/fd').length;
  const ending = async (how: number): Promise<void> => {
    const { client, side } = await pair(t);
    side.listen();
    if (how === 0) client.resetAndDestroy();
    else if (how === 1) side.stream.destroy();
    else if (how === 2) {
      client.resume().end();
      side.stream.end();
    } else {
      const transport = side.stream.handOver(Buffer.alloc(0));
      const next = new Side(side.stream);
      next.listen(transport);
      transport.destroy();
      await next.closed();
      client.destroy();
      return;
    }
    await side.closed();
    client.destroy();
    if (!client.closed) await once(client, 'close');
  };
  for (let how = 0; how < 4; how++) await ending(how);
  await new Promise((resolve) => setImmediate(resolve));
  const before = open();
  for (let i = 0; i < 80; i++) await ending(i % 4);
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(open() <= before, `${open()} descriptors after, ${before} before`);
});

test('a thread that ends with open streams closes them', async () => {
  const worker = new Worker(
    `const { once } = require('node:events');
     const { connect, createServer } = require('node:net');
     const { parentPort, workerData } = require('node:worker_threads');
     import(workerData).then(async ({ adoptSocket }) => {
       const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
       server.on('connection', (socket) => {
         const stream = adoptSocket(socket);
         stream.listen({ onData: (chunk) => stream.write(chunk), onClose() {} });
       });
       await once(server, 'listening');
       parentPort.postMessage(server.address().port);
     });`,
    { eval: true, workerData: new URL('./index.ts', import.meta.url).href },
  );
  const [port] = (await once(worker, 'message')) as [number];
  const client = connect(port, '127.0.0.1');
  client.write('echo');
  const [bytes] = (await once(client, 'data')) as [Buffer];
  assert.equal(bytes.toString(), 'echo');
  const closed = once(client, 'close');
  await worker.terminate();
  await closed;
});

test('whatever the addon is given, it refuses what makes no sense and goes on', async (t) => {
  const { client, side } = await pair(t);
  side.listen();
  const { id } = side.stream as unknown as { id: number };
  assert.throws(() => addon.startStreams(() => undefined), /started already/);
  assert.throws(() => addon.readStream(id + 1, true), /no open stream/);
  assert.throws(() => addon.readStream(id ^ (1 << 20), true), /no open stream/, 'another generation');
  assert.throws(() => addon.closeStream(-1), /no open stream/);
  assert.throws(() => addon.endStream(id, 'x' as unknown as Uint8Array), /bytes are expected/);
  assert.ok(addon.adoptStream(-1) < 0);
  assert.ok(addon.adoptStream(2 ** 20) < 0);
  const odd: unknown[] = [undefined, null, -1, 0, 1.5, NaN, 2 ** 31, 2 ** 40, 'x', {}, [], new Uint8Array(3), id + 7];
  odd.push(
    new Int32Array(4),
    new Float64Array(2),
    new Uint8Array(new ArrayBuffer(8).transfer(0)),
    () => undefined,
    true,
  );
  const random = seededRandom(11);
  const pick = (): unknown => odd[random.u32() % odd.length];
  const { startStreams, adoptStream, readStream, sendStreams, endStream, releaseStream, closeStream } = addon;
  const all = [startStreams, adoptStream, readStream, sendStreams, endStream, releaseStream, closeStream];
  for (let i = 0; i < 5000; i++) {
    const call = all[random.u32() % all.length] as (...args: unknown[]) => unknown;
    const args = [pick(), pick(), pick()].slice(0, random.u32() % 4);
    // Descriptors of this process are not to be closed or taken.
    if (call === adoptStream && typeof args[0] === 'number' && args[0] >= 0) continue;
    try {
      call(...args);
    } catch (error) {
      assert.ok(error instanceof Error);
    }
  }
  const table = Int32Array.of(id, 0, 6, id, -1, 2, id, 2, -1, 12345, 0, 1, id, 2 ** 31 - 1, 2 ** 31 - 1, id, 0, 1);
  assert.equal(addon.sendStreams(table, 6, Buffer.from('hello')), 5);
  assert.deepEqual([table[2], table[5], table[8], table[11], table[14], table[17]], [-22, -22, -22, -9, -22, 1]);
  assert.throws(() => addon.sendStreams(table, 7, Buffer.from('hello')), /table/);
  const [bytes] = (await once(client, 'data')) as [Buffer];
  assert.equal(bytes.toString(), 'h');
});
