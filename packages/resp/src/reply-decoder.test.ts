import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ProtocolError, randomBelow, seededRandom, type Random } from '@holdfast/base';
import { ReplyDecoder, type ReplyLimits } from './reply-decoder.ts';
import {
  ReplyError,
  ReplyMap,
  ReplyPush,
  ReplySet,
  RespDouble,
  Verbatim,
  itemsOf,
  textOf,
  type Reply,
} from './reply.ts';

interface Broken {
  readonly broken: string;
}

function decode(chunks: readonly Buffer[], limits?: Partial<ReplyLimits>): (Reply | Broken)[] {
  const decoder = new ReplyDecoder(limits);
  const replies: (Reply | Broken)[] = [];
  try {
    for (const chunk of chunks) {
      decoder.push(Buffer.from(chunk));
      for (let reply = decoder.next(); reply !== undefined; reply = decoder.next()) replies.push(reply);
    }
  } catch (error) {
    assert.ok(error instanceof ProtocolError);
    replies.push({ broken: error.message });
    decoder.push(Buffer.from('+OK\r\n'));
    assert.throws(() => decoder.next(), ProtocolError, 'a dead decoder stays dead');
  }
  return replies;
}

function everyWay(wire: Buffer, expected: readonly (Reply | Broken)[], limits?: Partial<ReplyLimits>): void {
  assert.deepEqual(decode([wire], limits), expected, 'whole');
  assert.deepEqual(
    decode(
      Array.from(wire, (byte) => Buffer.of(byte)),
      limits,
    ),
    expected,
    'byte by byte',
  );
  for (let cut = 0; cut <= wire.length; cut++)
    assert.deepEqual(decode([wire.subarray(0, cut), wire.subarray(cut)], limits), expected, `cut at ${cut}`);
}

const bulk = (text: string): Buffer => Buffer.from(text);
const bad = (what: string): Broken => ({ broken: `bad reply: ${what}` });

interface Case {
  readonly wire: string;
  readonly replies: readonly (Reply | Broken)[];
  readonly limits?: Partial<ReplyLimits>;
}

const cases: Readonly<Record<string, Case>> = {
  nothing: { wire: '', replies: [] },
  'simple strings': { wire: '+OK\r\n+\r\n', replies: ['OK', ''] },
  errors: {
    wire: '-ERR no\r\n!8\r\nERR a\r\nb\r\n',
    replies: [new ReplyError('ERR no'), new ReplyError('ERR a\r\nb')],
  },
  integers: { wire: ':0\r\n:-7\r\n:+7\r\n:-0\r\n', replies: [0, -7, 7, 0] },
  'integers beyond 2^53': {
    wire: ':9223372036854775807\r\n:-9223372036854775808\r\n',
    replies: [9223372036854775807n, -9223372036854775808n],
  },
  'integers beyond 64 bits': {
    wire: ':9223372036854775808\r\n',
    replies: [bad('integer 9223372036854775808 outside 64 bits')],
  },
  bulks: { wire: '$3\r\na\r\n\r\n$0\r\n\r\n$-1\r\n', replies: [bulk('a\r\n'), bulk(''), null] },
  arrays: { wire: '*2\r\n:1\r\n*1\r\n$1\r\nx\r\n*0\r\n*-1\r\n', replies: [[1, [bulk('x')]], [], null] },
  'arrays that end together': { wire: '*1\r\n*1\r\n*0\r\n+a\r\n', replies: [[[[]]], 'a'] },
  nulls: { wire: '_\r\n*1\r\n_\r\n', replies: [null, [null]] },
  booleans: { wire: '#t\r\n#f\r\n', replies: [true, false] },
  doubles: {
    wire: ',1\r\n,-1.5e10\r\n,inf\r\n,-inf\r\n,nan\r\n,.5\r\n',
    replies: [1, -1.5e10, Infinity, -Infinity, NaN, 0.5].map((value) => new RespDouble(value)),
  },
  'big numbers': {
    wire: '(3492890328409238509324850943850943825024385\r\n(-1\r\n',
    replies: [3492890328409238509324850943850943825024385n, -1n],
  },
  'verbatim strings': { wire: '=8\r\ntxt:a\r\nb\r\n', replies: [new Verbatim('txt', 'a\r\nb')] },
  maps: {
    wire: '%2\r\n+a\r\n:1\r\n$1\r\nb\r\n%0\r\n',
    replies: [
      new ReplyMap([
        ['a', 1],
        [bulk('b'), new ReplyMap([])],
      ]),
    ],
  },
  'sets and pushes': {
    wire: '~2\r\n:1\r\n:2\r\n>1\r\n+m\r\n',
    replies: [new ReplySet([1, 2]), new ReplyPush(['m'])],
  },
  'attributes before a reply and within one': {
    wire: '|1\r\n+ttl\r\n:9\r\n*2\r\n|1\r\n+a\r\n*1\r\n:1\r\n:7\r\n|0\r\n+x\r\n',
    replies: [[7, 'x']],
  },
  'unknown type': { wire: '?1\r\n', replies: [bad('type byte 63')] },
  'bad lengths': { wire: '$x\r\n', replies: [bad('length "x"')] },
  'bulk above the limit': {
    wire: '+a\r\n$11\r\n',
    replies: ['a', bad('length 11 above 10')],
    limits: { maxBulkBytes: 10 },
  },
  'array above the limit': { wire: '*11\r\n', replies: [bad('length 11 above 10')], limits: { maxElements: 10 } },
  'nesting above the limit': {
    wire: '*1\r\n*1\r\n*1\r\n',
    replies: [bad('nested deeper than 2')],
    limits: { maxDepth: 2 },
  },
  'reply above the limit': {
    wire: '*3\r\n+aaaaaaaa\r\n+aaaaaaaa\r\n',
    replies: [bad('reply above 20 bytes')],
    limits: { maxReplyBytes: 20 },
  },
  'bulk longer than announced': { wire: '$1\r\nabc', replies: [bad('bulk string without its end')] },
  'null of another type': { wire: '%-1\r\n', replies: [bad('map of length -1')] },
  'verbatim without a format': { wire: '=3\r\nabc\r\n', replies: [bad('verbatim string without a format')] },
  'carriage return inside a line': { wire: '+a\rb\r\n', replies: [bad('carriage return inside a line')] },
  'boolean of neither kind': { wire: '#x\r\n', replies: [bad('boolean that is neither t nor f')] },
};

describe('ReplyDecoder, each case whole, byte by byte and cut at every offset', () => {
  for (const [name, { wire, replies, limits }] of Object.entries(cases))
    test(name, () => everyWay(Buffer.from(wire), replies, limits));
});

/** A random reply and its bytes. */
function generate(random: Random, depth: number): { wire: string; reply: Reply } {
  const text = Buffer.from(random.bytes(randomBelow(random, 9))).toString('hex');
  const kind = randomBelow(random, depth > 0 ? 13 : 9);
  switch (kind) {
    case 0:
      return { wire: `+${text}\r\n`, reply: text };
    case 1:
      return { wire: `$${text.length}\r\n${text}\r\n`, reply: Buffer.from(text) };
    case 2:
      return { wire: `-ERR ${text}\r\n`, reply: new ReplyError(`ERR ${text}`) };
    case 3: {
      const value = random.u32() - 2 ** 31;
      return { wire: `:${value}\r\n`, reply: value };
    }
    case 4: {
      const value = random.u32() / 1000 + 0.0005;
      return { wire: `,${value}\r\n`, reply: new RespDouble(value) };
    }
    case 5:
      return { wire: '_\r\n', reply: null };
    case 6:
      return { wire: '#t\r\n', reply: true };
    case 7:
      return { wire: `=${text.length + 4}\r\ntxt:${text}\r\n`, reply: new Verbatim('txt', text) };
    case 8: {
      const value = 2n ** 70n + BigInt(random.u32());
      return { wire: `(${value}\r\n`, reply: value };
    }
    default: {
      const count = randomBelow(random, 4);
      const inner = Array.from({ length: 2 * count }, () => generate(random, depth - 1));
      const replies = inner.map(({ reply }) => reply);
      const wire = inner.map((one) => one.wire).join('');
      if (kind === 9) return { wire: `*${2 * count}\r\n${wire}`, reply: replies };
      if (kind === 10) return { wire: `~${2 * count}\r\n${wire}`, reply: new ReplySet(replies) };
      if (kind === 11) return { wire: `>${2 * count}\r\n${wire}`, reply: new ReplyPush(replies) };
      const entries = Array.from({ length: count }, (_, i) => [replies[2 * i], replies[2 * i + 1]] as [Reply, Reply]);
      return { wire: `%${count}\r\n${wire}`, reply: new ReplyMap(entries) };
    }
  }
}

test('generated replies of every type and depth are decoded, however the bytes are cut', () => {
  const random = seededRandom(3);
  for (let round = 0; round < 150; round++) {
    const generated = Array.from({ length: 5 }, () => generate(random, 4));
    const wire = Buffer.from(generated.map((one) => one.wire).join(''));
    const chunks: Buffer[] = [];
    for (let at = 0; at < wire.length;) {
      const bytes = 1 + randomBelow(random, 60);
      chunks.push(wire.subarray(at, at + bytes));
      at += bytes;
    }
    assert.deepEqual(
      decode(chunks),
      generated.map(({ reply }) => reply),
    );
  }
});

test('seeded garbage ends in replies or a protocol error', () => {
  const random = seededRandom(4);
  const alphabet = Buffer.from('*$+-:%~>|_#,(=!\r\n\r\n\r\n0123456789tf.');
  for (let round = 0; round < 5000; round++) {
    const chunk = Buffer.from(random.bytes(1 + randomBelow(random, 60))).map(
      (byte) => alphabet[byte % alphabet.length] as number,
    );
    const outcomes = decode([Buffer.from(chunk)]);
    assert.ok(outcomes.length <= chunk.length);
  }
});

test('an announced length costs nothing until bytes arrive', () => {
  const before = process.memoryUsage().arrayBuffers;
  const decoders = Array.from({ length: 200 }, () => {
    const decoder = new ReplyDecoder();
    decoder.push(Buffer.from('*16777216\r\n$536870912\r\nx'));
    assert.equal(decoder.next(), undefined);
    return decoder;
  });
  assert.equal(decoders.length, 200);
  assert.ok(process.memoryUsage().arrayBuffers - before < 4_000_000);
});

test('a large value in small chunks is copied a bounded number of times', () => {
  const total = 16 * 1024 * 1024;
  const original = Buffer.prototype.copy;
  let copiedBytes = 0;
  Buffer.prototype.copy = function (this: Buffer, target: Uint8Array, ...range: number[]): number {
    const copied = original.call(this, target, ...range);
    copiedBytes += copied;
    return copied;
  };
  try {
    const decoder = new ReplyDecoder();
    decoder.push(Buffer.from(`$${total}\r\n`));
    const chunk = Buffer.alloc(65536, 'v');
    for (let sent = 0; sent < total; sent += chunk.length) {
      assert.equal(decoder.next(), undefined);
      decoder.push(chunk);
    }
    decoder.push(Buffer.from('\r\n'));
    const reply = decoder.next();
    assert.ok(Buffer.isBuffer(reply));
    assert.equal(reply.length, total);
    assert.ok(copiedBytes <= 4 * total, `${copiedBytes} bytes copied for ${total}`);
  } finally {
    Buffer.prototype.copy = original;
  }
});

test('what was not read can be taken over by another protocol', () => {
  const decoder = new ReplyDecoder();
  decoder.push(Buffer.from('+OK\r\n$5\r\nhel'));
  assert.equal(decoder.next(), 'OK');
  assert.equal(decoder.takeRest().toString(), '$5\r\nhel');
  assert.equal(decoder.bufferedBytes, 0);
});

test('replies read as text and as items', () => {
  assert.equal(textOf(Buffer.from('é')), 'é');
  assert.equal(textOf(12n), '12');
  assert.equal(textOf(new Verbatim('txt', 'a')), 'a');
  assert.equal(textOf(null), undefined);
  assert.equal(textOf(new ReplyError('ERR x')), undefined);
  assert.deepEqual(itemsOf(new ReplyMap([['a', 1]])), ['a', 1]);
  assert.equal(itemsOf('a'), undefined);
  assert.equal(new ReplyMap([[Buffer.from('role'), 'master']]).get('role'), 'master');
  assert.equal(new ReplyError('MOVED 1 a:1').code, 'MOVED');
});
