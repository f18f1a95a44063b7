import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ProtocolError, randomBelow, seededRandom, type Random } from '@holdfast/base';
import { encodeCommand } from './encode-command.ts';
import { RequestDecoder, defaultRequestLimits, type RequestLimits } from './request-decoder.ts';

type Outcome = readonly string[] | { readonly error: string };

/** Requests as one-character-per-byte words, and the error that ended the stream. */
function decode(chunks: readonly Buffer[], limits: Partial<RequestLimits> = {}): Outcome[] {
  const decoder = new RequestDecoder({ ...defaultRequestLimits(), ...limits });
  const outcomes: Outcome[] = [];
  try {
    for (const chunk of chunks) {
      decoder.push(Buffer.from(chunk));
      drain(decoder, outcomes);
    }
  } catch (error) {
    assert.ok(error instanceof ProtocolError);
    outcomes.push({ error: error.message });
    decoder.push(Buffer.from('PING\r\n'));
    assert.throws(() => decoder.next(), ProtocolError, 'a dead decoder stays dead');
    assert.equal(decoder.bufferedBytes, 0);
  }
  return outcomes;
}

function drain(decoder: RequestDecoder, outcomes: Outcome[]): void {
  while (decoder.next()) {
    const { request } = decoder;
    outcomes.push(Array.from({ length: request.count }, (_, i) => request.latin1(i)));
  }
}

function everyWay(wire: Buffer, expected: readonly Outcome[], limits?: Partial<RequestLimits>): void {
  assert.deepEqual(decode([wire], limits), expected, 'whole');
  const bytes = Array.from(wire, (byte) => Buffer.of(byte));
  assert.deepEqual(decode(bytes, limits), expected, 'byte by byte');
  for (let cut = 0; cut <= wire.length; cut++) {
    const parts = [wire.subarray(0, cut), wire.subarray(cut)];
    assert.deepEqual(decode(parts, limits), expected, `cut at ${cut}`);
  }
}

interface Case {
  readonly name: string;
  readonly wire: string | Buffer;
  readonly requests: readonly Outcome[];
  readonly limits?: Partial<RequestLimits>;
}

const multibulkLength = { error: 'ERR Protocol error: invalid multibulk length' };
const bulkLength = { error: 'ERR Protocol error: invalid bulk length' };
const dollar = (got: string) => ({ error: `ERR Protocol error: expected '$', got '${got}'` });
const binary = String.fromCharCode(0, 255, 13, 10, 42, 36, 128);

const cases: readonly Case[] = [
  { name: 'nothing', wire: '', requests: [] },
  { name: 'one request', wire: '*1\r\n$4\r\nPING\r\n', requests: [['PING']] },
  {
    name: 'a pipeline',
    wire: '*2\r\n$3\r\nGET\r\n$1\r\na\r\n*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$2\r\n12\r\n*1\r\n$4\r\nPING\r\n',
    requests: [['GET', 'a'], ['SET', 'b', '12'], ['PING']],
  },
  { name: 'empty arguments', wire: '*2\r\n$0\r\n\r\n$0\r\n\r\n', requests: [['', '']] },
  { name: 'binary arguments', wire: Buffer.from(`*1\r\n$7\r\n${binary}\r\n`, 'latin1'), requests: [[binary]] },
  { name: 'a request that is not complete', wire: '*2\r\n$3\r\nGET\r\n$1\r\n', requests: [] },
  { name: 'an empty array between requests', wire: '*0\r\n*-1\r\nPING\r\n*0\r\n', requests: [['PING']] },
  { name: 'a very negative array length', wire: '*-9223372036854775808\r\nPING\r\n', requests: [['PING']] },
  {
    name: 'inline words',
    wire: 'SET  a\t b \r\nGET a\n',
    requests: [
      ['SET', 'a', 'b'],
      ['GET', 'a'],
    ],
  },
  { name: 'inline without quoting', wire: 'ECHO "a b"\r\n', requests: [['ECHO', '"a', 'b"']] },
  { name: 'empty lines', wire: '\r\n\n \t\r\nPING\r\n\r\n*1\r\n$1\r\nx\r\n\n', requests: [['PING'], ['x']] },
  { name: 'a carriage return inside an inline line', wire: 'a\rb\r\n', requests: [['a\rb']] },
  { name: 'inline at the limit', wire: 'abcdefgh\r\n', requests: [['abcdefgh']], limits: { maxInlineBytes: 8 } },
  {
    name: 'inline above the limit',
    wire: 'PING\r\nabcdefghi\r\n',
    requests: [['PING'], { error: 'ERR Protocol error: too big inline request' }],
    limits: { maxInlineBytes: 8 },
  },
  {
    name: 'inline that never ends',
    wire: 'abcdefghijklmnop',
    requests: [{ error: 'ERR Protocol error: too big inline request' }],
    limits: { maxInlineBytes: 8 },
  },
  { name: 'array length that is no number', wire: '*x\r\n', requests: [multibulkLength] },
  { name: 'array length of nothing', wire: '*\r\n', requests: [multibulkLength] },
  { name: 'array length with a plus', wire: '*+1\r\n', requests: [multibulkLength] },
  { name: 'array length with rubbish after it', wire: '*1 \r\n', requests: [multibulkLength] },
  { name: 'array length ended by LF alone', wire: '*1\n$4\r\nPING\r\n', requests: [multibulkLength] },
  { name: 'array length ended by CR and something', wire: '*1\rx', requests: [multibulkLength] },
  { name: 'array length above the limit', wire: '*1048577\r\n', requests: [multibulkLength] },
  { name: 'array length beyond all integers', wire: '*99999999999999999999\r\n', requests: [multibulkLength] },
  { name: 'array length line that never ends', wire: `*${'0'.repeat(40)}`, requests: [multibulkLength] },
  { name: 'no dollar', wire: '*1\r\nx', requests: [dollar('x')] },
  { name: 'a line end in place of a dollar', wire: '*1\r\n\r\n', requests: [dollar(' ')] },
  { name: 'an array within an array', wire: '*1\r\n*1\r\n', requests: [dollar('*')] },
  { name: 'bulk length below 0', wire: '*1\r\n$-1\r\n', requests: [bulkLength] },
  { name: 'bulk length that is no number', wire: '*1\r\n$1a\r\n', requests: [bulkLength] },
  { name: 'bulk length above the limit', wire: '*1\r\n$536870913\r\n', requests: [bulkLength] },
  { name: 'bulk longer than announced', wire: '*1\r\n$2\r\nabc\r\n', requests: [bulkLength] },
  { name: 'the error after good requests', wire: 'PING\r\n*1\r\n$z\r\n', requests: [['PING'], bulkLength] },
  {
    name: 'ten arguments before AUTH',
    wire: encodeCommand(Array.from('0123456789')),
    requests: [Array.from('0123456789')],
    limits: { unauthenticated: true },
  },
  {
    name: 'eleven arguments before AUTH',
    wire: '*11\r\n',
    requests: [{ error: 'ERR Protocol error: unauthenticated multibulk length' }],
    limits: { unauthenticated: true },
  },
  {
    name: 'a long bulk before AUTH',
    wire: '*1\r\n$16385\r\n',
    requests: [{ error: 'ERR Protocol error: unauthenticated bulk length' }],
    limits: { unauthenticated: true },
  },
  {
    name: 'a request above the request limit',
    wire: '*2\r\n$20\r\nabcdefghijklmnopqrst\r\n$20\r\nabc',
    requests: [{ error: 'ERR Protocol error: too big request' }],
    limits: { maxRequestBytes: 50 },
  },
];

describe('RequestDecoder, each case whole, byte by byte and cut at every offset', () => {
  for (const { name, wire, requests, limits } of cases)
    test(name, () => everyWay(typeof wire === 'string' ? Buffer.from(wire) : wire, requests, limits));
});

function randomRequest(random: Random): Buffer[] {
  return Array.from({ length: 1 + randomBelow(random, 6) }, () =>
    Buffer.from(random.bytes(randomBelow(random, 8) === 0 ? randomBelow(random, 6000) : randomBelow(random, 12))),
  );
}

test('what was encoded is decoded again, however the bytes are cut', () => {
  const random = seededRandom(1);
  for (let round = 0; round < 60; round++) {
    const requests = Array.from({ length: 1 + randomBelow(random, 20) }, () => randomRequest(random));
    const expected = requests.map((args) => args.map((arg) => arg.toString('latin1')));
    const wire = Buffer.concat(requests.map((args) => encodeCommand(args)));
    const chunks: Buffer[] = [];
    for (let at = 0; at < wire.length;) {
      const bytes = 1 + randomBelow(random, randomBelow(random, 2) === 0 ? 20 : 5000);
      chunks.push(wire.subarray(at, at + bytes));
      at += bytes;
    }
    assert.deepEqual(decode(chunks), expected);
  }
});

test('chunks pushed ahead of reading come out in order', () => {
  const decoder = new RequestDecoder();
  const wire = Buffer.concat(Array.from({ length: 50 }, (_, i) => encodeCommand(['SET', `key${i}`, 'v'.repeat(i)])));
  for (let at = 0; at < wire.length; at += 7) decoder.push(wire.subarray(at, at + 7));
  assert.equal(decoder.bufferedBytes, wire.length);
  const outcomes: Outcome[] = [];
  drain(decoder, outcomes);
  assert.deepEqual(
    outcomes,
    Array.from({ length: 50 }, (_, i) => ['SET', `key${i}`, 'v'.repeat(i)]),
  );
  assert.equal(decoder.bufferedBytes, 0);
});

test('seeded garbage ends in requests or a protocol error, and what is held never exceeds what was sent', () => {
  const random = seededRandom(2);
  const alphabet = Buffer.from('*$\r\n0123456789-+ \tPING\x00\xff', 'latin1');
  for (let round = 0; round < 3000; round++) {
    const decoder = new RequestDecoder();
    let sent = 0;
    try {
      for (let i = 0; i < 6; i++) {
        const chunk = Buffer.from(random.bytes(1 + randomBelow(random, 40))).map(
          (byte) => alphabet[byte % alphabet.length] as number,
        );
        sent += chunk.length;
        decoder.push(Buffer.from(chunk));
        while (decoder.next()) assert.ok(decoder.request.count >= 1);
        assert.ok(decoder.bufferedBytes <= sent);
      }
    } catch (error) {
      assert.ok(error instanceof ProtocolError);
    }
  }
});

test('a request within one chunk is a window on that chunk', () => {
  const decoder = new RequestDecoder();
  const chunk = encodeCommand(['SET', 'key', 'value']);
  decoder.push(chunk);
  assert.ok(decoder.next());
  assert.equal(decoder.request.buffer, chunk);
  assert.ok(!decoder.next());
  assert.equal(decoder.request.buffer.length, 0, 'an idle connection holds no chunk');
});

test('the chunk after a cut request is not copied', () => {
  const decoder = new RequestDecoder();
  const wire = Buffer.concat([encodeCommand(['GET', 'first']), encodeCommand(['GET', 'second'])]);
  const tail = Buffer.from(wire.subarray(10));
  decoder.push(wire.subarray(0, 10));
  assert.ok(!decoder.next());
  decoder.push(tail);
  assert.ok(decoder.next());
  assert.equal(decoder.request.latin1(1), 'first');
  assert.ok(decoder.next());
  assert.equal(decoder.request.latin1(1), 'second');
  assert.equal(decoder.request.buffer, tail);
});

test('a view on an argument stays right after later requests were read', () => {
  const decoder = new RequestDecoder();
  const wire = encodeCommand(['SET', 'k', 'x'.repeat(3000)]);
  decoder.push(wire.subarray(0, 100));
  assert.ok(!decoder.next());
  decoder.push(wire.subarray(100));
  assert.ok(decoder.next());
  const view = decoder.request.bytes(2);
  for (let i = 0; i < 3; i++) {
    decoder.push(encodeCommand(['SET', 'k', 'y'.repeat(3000)]).subarray(0));
    while (decoder.next());
  }
  assert.equal(view.toString(), 'x'.repeat(3000));
});

test('a declared length costs nothing until bytes arrive', () => {
  const before = process.memoryUsage().arrayBuffers;
  const decoders = Array.from({ length: 200 }, () => {
    const decoder = new RequestDecoder();
    decoder.push(Buffer.from('*1048576\r\n$536870912\r\nx'));
    assert.ok(!decoder.next());
    return decoder;
  });
  const grownBytes = process.memoryUsage().arrayBuffers - before;
  assert.equal(decoders.length, 200);
  assert.ok(grownBytes < 4_000_000, `${grownBytes} bytes for 200 connections that sent 23 bytes each`);
});

test('a large value in small chunks is copied a bounded number of times', () => {
  const original = Buffer.prototype.copy;
  let copiedBytes = 0;
  Buffer.prototype.copy = function (this: Buffer, target: Uint8Array, ...range: number[]): number {
    const copied = original.call(this, target, ...range);
    copiedBytes += copied;
    return copied;
  };
  try {
    const total = 32 * 1024 * 1024;
    const decoder = new RequestDecoder();
    decoder.push(Buffer.from(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${total}\r\n`));
    const chunk = Buffer.alloc(65536, 'v');
    for (let sent = 0; sent < total; sent += chunk.length) {
      assert.ok(!decoder.next());
      decoder.push(chunk);
    }
    decoder.push(Buffer.from('\r\n'));
    assert.ok(decoder.next());
    assert.equal(decoder.request.size(2), total);
    assert.ok(decoder.request.buffer.length < total + 1024, 'the last doubling stops at the end of the value');
    assert.ok(copiedBytes <= 3 * total, `${copiedBytes} bytes copied for ${total}`);

    copiedBytes = 0;
    const many = encodeCommand(Array.from({ length: 100_000 }, (_, i) => `argument-${i}`));
    for (let at = 0; at < many.length; at += 4096) {
      decoder.push(Buffer.from(many.subarray(at, at + 4096)));
      if (decoder.next()) assert.equal(decoder.request.latin1(99_999), 'argument-99999');
    }
    assert.ok(copiedBytes <= 4 * many.length, `${copiedBytes} bytes copied for ${many.length}`);
  } finally {
    Buffer.prototype.copy = original;
  }
});

test('limits changed at run time hold from the next length on', () => {
  const decoder = new RequestDecoder();
  decoder.limits.unauthenticated = true;
  decoder.push(encodeCommand(['AUTH', 'secret']));
  assert.ok(decoder.next());
  decoder.limits.unauthenticated = false;
  decoder.push(encodeCommand(['SET', 'k', 'v'.repeat(20_000)]));
  assert.ok(decoder.next());
  decoder.limits.maxBulkBytes = 1000;
  decoder.push(encodeCommand(['SET', 'k', 'v'.repeat(1001)]));
  assert.throws(() => decoder.next(), /invalid bulk length/);
});

test('what was not read can be taken over by another protocol, wherever it was cut', () => {
  const wire = Buffer.concat([encodeCommand(['PSYNC', '1']), Buffer.from('*2\r\n$3\r\nabc\r\n$5\r\nde')]);
  const first = encodeCommand(['PSYNC', '1']).length;
  for (let cut = 0; cut <= wire.length; cut++) {
    for (const readOn of [false, true]) {
      const decoder = new RequestDecoder();
      decoder.push(wire.subarray(0, cut));
      let read = decoder.next() ? 1 : 0;
      decoder.push(wire.subarray(cut, cut + 3));
      decoder.push(wire.subarray(cut + 3));
      if (read === 0 || readOn) read += decoder.next() ? 1 : 0;
      assert.equal(read, 1);
      assert.equal(decoder.request.count, readOn && cut >= first ? 0 : 2);
      assert.equal(decoder.takeRemaining().toString(), wire.subarray(first).toString(), `cut at ${cut}`);
      assert.equal(decoder.bufferedBytes, 0);
      decoder.push(Buffer.from('PING\r\n'));
      assert.ok(decoder.next());
    }
  }
});

test('a released request holds no bytes', () => {
  const decoder = new RequestDecoder();
  decoder.push(encodeCommand(['SET', 'k', 'v']));
  assert.ok(decoder.next());
  decoder.release();
  assert.equal(decoder.request.buffer.length, 0);
  decoder.push(encodeCommand(['GET', 'k']));
  assert.ok(decoder.next());
  assert.equal(decoder.request.latin1(0), 'GET');
});

test('an idle peer keeps no room of a request with very many arguments', () => {
  const decoder = new RequestDecoder();
  decoder.push(Buffer.from(`*100000\r\n${'$1\r\nx\r\n'.repeat(100_000)}`));
  assert.ok(decoder.next());
  assert.ok(decoder.memoryBytes > 800_000);
  assert.ok(!decoder.next());
  decoder.release();
  assert.ok(decoder.memoryBytes < 1024, `${decoder.memoryBytes} bytes are held`);
});
