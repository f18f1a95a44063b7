import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperationError, type Connector, type Transport } from '@holdfast/base';
import { VirtualTime, transportPair } from '@holdfast/base/testing';
import { RespClient } from './client.ts';
import { ReplyError, ReplyPush } from './reply.ts';
import { RequestDecoder } from './request-decoder.ts';

/** Lets every delivery and promise that is due happen. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Setup {
  readonly time: VirtualTime;
  readonly client: RespClient;
  readonly server: Transport;
  readonly received: string[];
  readonly pushes: ReplyPush[];
  readonly closes: OperationError[];
}

function serve(server: Transport, received: string[]): void {
  const decoder = new RequestDecoder();
  server.listen({
    onData: (chunk) => {
      decoder.push(chunk);
      while (decoder.next()) {
        const { request } = decoder;
        received.push(Array.from({ length: request.count }, (_, i) => request.utf8(i)).join(' '));
      }
    },
    onClose: () => undefined,
  });
}

function setup(): Setup {
  const time = new VirtualTime();
  const [near, server] = transportPair();
  const received: string[] = [];
  const pushes: ReplyPush[] = [];
  const closes: OperationError[] = [];
  serve(server, received);
  const client = new RespClient(near, {
    timers: time,
    commandTimeoutMs: 500,
    onPush: (push) => pushes.push(push),
    onClose: (reason) => closes.push(reason),
  });
  return { time, client, server, received, pushes, closes };
}

const failsWith = (code: string, outcome: string) => (error: unknown) =>
  error instanceof OperationError && error.code === code && error.outcome === outcome;

test('commands are pipelined and replies matched in order; errors and pushes are told apart', async () => {
  const { client, server, received, pushes } = setup();
  const replies = Promise.all([
    client.command('GET', 'a'),
    client.command('INCR', Buffer.from('b')),
    client.command('X', 1),
  ]);
  await settle();
  assert.deepEqual(received, ['GET a', 'INCR b', 'X 1']);
  assert.equal(client.pendingCount, 3);
  server.write(Buffer.from('$1\r\nv\r\n>1\r\n+note\r\n:7\r'));
  server.write(Buffer.from('\n-ERR no\r\n'));
  assert.deepEqual(await replies, [Buffer.from('v'), 7, new ReplyError('ERR no')]);
  assert.deepEqual(pushes, [new ReplyPush(['note'])]);
  assert.equal(client.pendingCount, 0);
});

test('a command without a reply in time is unknown, and so are those behind it; the connection is closed', async () => {
  const { time, client, closes } = setup();
  const slow = client.command('SET', 'a', '1');
  const behind = client.call(['GET', 'a'], { timeoutMs: 5000 });
  time.advance(499);
  assert.ok(client.isOpen);
  time.advance(1);
  await assert.rejects(slow, failsWith('RESP_TIMEOUT', 'unknown'));
  await assert.rejects(behind, failsWith('RESP_TIMEOUT', 'unknown'));
  assert.ok(!client.isOpen);
  assert.equal(closes.length, 1);
  assert.equal(closes[0]?.code, 'RESP_TIMEOUT');
  await assert.rejects(client.command('PING'), failsWith('RESP_CLOSED', 'not-applied'));
});

test('a lost connection makes what was sent unknown', async () => {
  const { client, server, closes } = setup();
  const sent = client.command('SET', 'a', '1');
  await settle();
  server.reset();
  await assert.rejects(sent, failsWith('RESP_CONNECTION_LOST', 'unknown'));
  assert.equal(closes.length, 1);
  assert.match(closes[0]?.message ?? '', /reset/);
});

test("the end of the peer's stream is a lost connection", async () => {
  const { client, server } = setup();
  const sent = client.command('PING');
  server.end();
  await assert.rejects(sent, failsWith('RESP_CONNECTION_LOST', 'unknown'));
});

test('an answer that breaks the protocol, or answers nothing, ends the connection', async () => {
  const first = setup();
  const sent = first.client.command('PING');
  first.server.write(Buffer.from('?\r\n'));
  await assert.rejects(sent, failsWith('RESP_PROTOCOL', 'unknown'));
  const second = setup();
  second.server.write(Buffer.from('+OK\r\n'));
  await settle();
  assert.equal(second.closes[0]?.code, 'RESP_PROTOCOL');
});

test('closing ends what waits and tells no owner', async () => {
  const { client, closes } = setup();
  const sent = client.command('PING');
  client.close();
  client.close();
  await assert.rejects(sent, failsWith('RESP_CLOSED', 'unknown'));
  await settle();
  assert.deepEqual(closes, []);
});

test('after the last command the stream is handed over with the bytes behind its reply', async () => {
  const { time, client, server } = setup();
  const first = client.command('REPLCONF', 'x');
  const over = client.handOver('PSYNC', 7);
  await assert.rejects(client.command('PING'), failsWith('RESP_CLOSED', 'not-applied'));
  server.write(Buffer.from('+OK\r\n+CONTINUE\r\n$3\r\nab'));
  assert.equal(await first, 'OK');
  const result = await over;
  assert.ok(!(result instanceof ReplyError));
  assert.equal(result.reply, 'CONTINUE');
  assert.equal(result.unread.toString(), '$3\r\nab');
  server.write(Buffer.from('c\r\n'));
  await settle();
  const chunks: string[] = [];
  result.transport.listen({ onData: (chunk) => chunks.push(chunk.toString()), onClose: () => undefined });
  result.transport.resume();
  await settle();
  assert.deepEqual(chunks, ['c\r\n']);
  time.advance(10_000);
  assert.ok(!client.isOpen);
});

test('a refused hand-over leaves the client usable', async () => {
  const { client, server } = setup();
  const over = client.handOver('PSYNC', 7);
  server.write(Buffer.from('-ERR sequence out of range\r\n'));
  assert.ok((await over) instanceof ReplyError);
  const next = client.command('PING');
  server.write(Buffer.from('+PONG\r\n'));
  assert.equal(await next, 'PONG');
});

function connectorTo(script: (server: Transport, received: string[]) => void): Connector {
  return {
    connect: () => {
      const [near, server] = transportPair();
      const received: string[] = [];
      serve(server, received);
      setImmediate(() => script(server, received));
      return Promise.resolve(near);
    },
  };
}

const options = { timers: new VirtualTime(), commandTimeoutMs: 100, connectTimeoutMs: 100 };
const endpoint = { host: '127.0.0.1', port: 6666 };

test('connecting authenticates first', async () => {
  let seen: string[] = [];
  const connector = connectorTo((server, received) => {
    seen = received;
    server.write(Buffer.from('+OK\r\n'));
  });
  const client = await RespClient.connect(connector, endpoint, { ...options, password: 'hunter2' });
  assert.deepEqual(seen, ['AUTH hunter2']);
  client.close();
});

test('a refused password is an error that does not repeat it', async () => {
  const connector = connectorTo((server) => server.write(Buffer.from('-ERR Invalid password hunter2\r\n')));
  await assert.rejects(
    RespClient.connect(connector, endpoint, { ...options, password: 'hunter2' }),
    (error: unknown) => {
      assert.ok(error instanceof OperationError);
      assert.equal(error.code, 'RESP_AUTH');
      assert.doesNotMatch(error.message, /hunter2/);
      return true;
    },
  );
});
