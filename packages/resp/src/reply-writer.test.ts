import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { randomBelow, seededRandom } from '@holdfast/base';
import { ReplyError, ReplyMap, ReplyPush, ReplySet, RespDouble, Verbatim, type Reply } from './reply.ts';
import { ReplyWriter } from './reply-writer.ts';
import { decodeReplies } from './testing/index.ts';

function written(protocol: 2 | 3, write: (reply: ReplyWriter) => void): string {
  const reply = new ReplyWriter(4);
  reply.protocol = protocol;
  write(reply);
  return reply.take().toString('latin1');
}

const both: readonly (readonly [string, (reply: ReplyWriter) => void, string, string?])[] = [
  ['ok', (r) => r.ok(), '+OK\r\n'],
  ['a simple string', (r) => r.simple('QUEUED'), '+QUEUED\r\n'],
  ['an error', (r) => r.error('ERR bad'), '-ERR bad\r\n'],
  ['an error of several lines becomes one', (r) => r.error('ERR a\r\nb\nc'), '-ERR a b c\r\n'],
  [
    'small integers',
    (r) => [0, 9, 10, -1, 123456].forEach((n) => r.integer(n)),
    ':0\r\n:9\r\n:10\r\n:-1\r\n:123456\r\n',
  ],
  ['the largest safe integer', (r) => r.integer(Number.MAX_SAFE_INTEGER), ':9007199254740991\r\n'],
  ['a bigint', (r) => r.integer(-9223372036854775808n), ':-9223372036854775808\r\n'],
  ['bytes', (r) => r.bulk(Buffer.of(0, 255, 13)), '$3\r\n\x00\xff\r\r\n'],
  ['a part of bytes', (r) => r.bulk(Buffer.from('abcdef'), 1, 4), '$3\r\nbcd\r\n'],
  ['a long part of bytes', (r) => r.bulk(Buffer.from('x'.repeat(100)), 1, 61), `$60\r\n${'x'.repeat(60)}\r\n`],
  ['empty bytes', (r) => r.bulk(Buffer.alloc(0)), '$0\r\n\r\n'],
  ['UTF-8 text', (r) => r.bulkText('é'), '$2\r\n\xc3\xa9\r\n'],
  ['latin1 text', (r) => r.bulkLatin1('\xe9'), '$1\r\n\xe9\r\n'],
  ['nil', (r) => r.nil(), '$-1\r\n', '_\r\n'],
  ['a nil array', (r) => r.nilArray(), '*-1\r\n', '_\r\n'],
  ['an array', (r) => r.array(12), '*12\r\n'],
  ['a map', (r) => r.map(2), '*4\r\n', '%2\r\n'],
  ['a set', (r) => r.set(2), '*2\r\n', '~2\r\n'],
  ['a push', (r) => r.push(3), '*3\r\n', '>3\r\n'],
  ['booleans', (r) => [true, false].forEach((b) => r.boolean(b)), ':1\r\n:0\r\n', '#t\r\n#f\r\n'],
  ['a double', (r) => r.double('1.5'), '$3\r\n1.5\r\n', ',1.5\r\n'],
  ['verbatim text', (r) => r.verbatim('é\r\n'), '$4\r\n\xc3\xa9\r\n\r\n', '=8\r\ntxt:\xc3\xa9\r\n\r\n'],
  ['raw bytes', (r) => r.raw(Buffer.from('+x\r\n')), '+x\r\n'],
];

describe('ReplyWriter writes', () => {
  for (const [name, write, resp2, resp3] of both)
    test(name, () => {
      assert.equal(written(2, write), resp2);
      assert.equal(written(3, write), resp3 ?? resp2);
    });
});

test('what was written is decoded to the same values', () => {
  const random = seededRandom(5);
  const reply = new ReplyWriter();
  reply.protocol = 3;
  const expected: Reply[] = [];
  for (let i = 0; i < 400; i++) {
    const bytes = Buffer.from(random.bytes(randomBelow(random, i % 40 === 0 ? 70_000 : 100)));
    const number = random.u32() - 2 ** 31;
    reply.bulk(bytes);
    reply.integer(number);
    reply.map(1);
    reply.bulkText('k');
    reply.set(1);
    reply.double(String(number / 4));
    reply.push(1);
    reply.verbatim('é');
    reply.error('ERR x');
    reply.array(2);
    reply.nil();
    reply.boolean(true);
    expected.push(
      bytes,
      number,
      new ReplyMap([[Buffer.from('k'), new ReplySet([new RespDouble(number / 4)])]]),
      new ReplyPush([new Verbatim('txt', 'é')]),
      new ReplyError('ERR x'),
      [null, true],
    );
  }
  assert.deepEqual(decodeReplies(reply.take()), expected);
});

test('truncating to a mark removes what was written since, also after the buffer grew', () => {
  const reply = new ReplyWriter(8);
  reply.ok();
  const mark = reply.mark();
  reply.bulk(Buffer.alloc(10_000));
  reply.truncate(mark);
  reply.integer(1);
  assert.equal(reply.length, 9);
  assert.equal(reply.take().toString(), '+OK\r\n:1\r\n');
  assert.equal(reply.length, 0);
});

test('bytes that were taken are not written to again', () => {
  const reply = new ReplyWriter();
  reply.simple('first');
  const taken = reply.take();
  reply.simple('other');
  assert.equal(taken.toString(), '+first\r\n');
});

test('replies beyond the limit are refused without being allocated; the error that tells so still fits', () => {
  const reply = new ReplyWriter(4, 1000);
  reply.bulk(Buffer.alloc(900));
  const mark = reply.mark();
  assert.throws(() => reply.bulk(Buffer.alloc(200)), { code: 'RESP_REPLY_TOO_BIG', outcome: 'not-applied' });
  assert.throws(() => {
    for (let i = 0; i < 1000; i++) reply.integer(i);
  }, /more than 1000 bytes/);
  reply.truncate(mark);
  reply.error(`ERR ${'x'.repeat(200)}`);
  assert.equal(reply.take().length, mark + 207);
  reply.bulk(Buffer.alloc(900));
  assert.equal(reply.take().length, 908, 'what was taken counts no more');
});

test('a body has the protocol and what is left of the limit', () => {
  const reply = new ReplyWriter(4, 1000);
  reply.protocol = 3;
  reply.bulk(Buffer.alloc(400));
  const body = reply.body();
  body.nil();
  body.bulk(Buffer.alloc(500));
  const mark = body.mark();
  assert.throws(() => body.bulk(Buffer.alloc(200)), { code: 'RESP_REPLY_TOO_BIG' });
  body.truncate(mark);
  assert.throws(() => reply.demandRoom(700), { code: 'RESP_REPLY_TOO_BIG' });
  reply.demandRoom(500);
  reply.raw(body.take());
  assert.equal(reply.length, 408 + 3 + 508);
});

test('a small reply does not keep the room of a large one that was cut off', () => {
  const reply = new ReplyWriter();
  reply.bulk(Buffer.alloc(1 << 20));
  reply.truncate(0);
  reply.ok();
  const taken = reply.take();
  assert.equal(taken.toString(), '+OK\r\n');
  assert.ok(taken.buffer.byteLength <= 65536, `${taken.buffer.byteLength} bytes are held`);
});

test('numbers of every length are written in decimal', () => {
  const numbers = [0, 9, 10, 11, 99, 100, 101, 999, 1000, 9999, 10_000, 99_999, 100_000, 123_456_789, 2 ** 53 - 1];
  for (const number of [...numbers, ...numbers.map((value) => -value)]) {
    const reply = new ReplyWriter();
    reply.integer(number);
    assert.equal(reply.take().toString(), `:${number}\r\n`);
  }
});
