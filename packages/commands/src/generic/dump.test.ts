import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTestCommands, type Argument, type CommandRunner } from '../data/testing/command-runner.ts';
import { ReferenceRedis, hasReferenceRedis } from '../data/testing/reference-redis.ts';
import { short } from '../data/testing/transcript.ts';
import { crc64 } from '../rdb/crc64.ts';
import { RdbWriter } from '../rdb/rdb-writer.ts';

const badData = /^-ERR Bad data format: /;
const wrongPayload = '-ERR DUMP payload version or checksum are wrong';

/** Bytes of a bulk reply. */
function bulkOf(reply: string): Buffer {
  assert.match(reply, /^\$[0-9]/, reply.slice(0, 100));
  const start = reply.indexOf('\r\n') + 2;
  return Buffer.from(reply.slice(start, -2), 'latin1');
}

/** A payload around a value given as bytes. */
function sealed(...parts: (number[] | string | Uint8Array)[]): Buffer {
  const writer = new RdbWriter(() => undefined);
  for (const part of parts) {
    const bytes = typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part);
    writer.raw({ buffer: bytes, start: 0, end: bytes.length });
  }
  return Buffer.from(writer.sealed(10));
}

function makeRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** A value of few or many bytes, text, binary or a number. */
function randomValue(random: (below: number) => number): Buffer {
  switch (random(6)) {
    case 0:
      return Buffer.from(String(random(3) - 1));
    case 1:
      return Buffer.from(String(BigInt(random(2 ** 31)) * BigInt(random(2 ** 31)) - 2n ** 40n));
    case 2:
      return Buffer.from(String.fromCharCode(97 + random(4)).repeat(random(300)));
    case 3:
      return Buffer.from(Array.from({ length: random(80) }, () => random(256)));
    case 4:
      return Buffer.from(`field ${random(1000)}`);
    default:
      return Buffer.alloc(random(40) === 0 ? 70_000 + random(1000) : random(5000), random(256));
  }
}

/** Commands that make a key of each type; the last argument of `compare` rows is the key. */
function randomKey(random: (below: number) => number, key: string): Argument[][] {
  const few = 1 + (random(4) === 0 ? random(700) : random(20));
  const values = (): Buffer[] => Array.from({ length: few }, () => randomValue(random));
  switch (random(6)) {
    case 0:
      return [['SET', key, randomValue(random)]];
    case 1:
      return [['RPUSH', key, ...values()]];
    case 2:
      return [['SADD', key, ...(random(2) === 0 ? values() : values().map((_, i) => String(i * random(1e6) * 1000)))]];
    case 3:
      return [['HSET', key, ...values().flatMap((value) => [value, randomValue(random)])]];
    case 4: {
      const scores = ['1', '-2.5', 'inf', '-inf', '0.03125', '12345678'];
      return [['ZADD', key, ...values().flatMap((value) => [scores[random(scores.length)] as string, value])]];
    }
    default:
      return randomStream(random, key, few);
  }
}

function randomStream(random: (below: number) => number, key: string, count: number): Argument[][] {
  const commands: Argument[][] = [];
  for (let i = 0; i < count; i++) {
    const id = random(5) === 0 ? `${i + 1}000000000000-${random(9)}` : `${i + 1}000000000000-18446744073709551615`;
    const fields = random(3) === 0 ? [randomValue(random), randomValue(random), 'b', 'c'] : ['a', randomValue(random)];
    commands.push(['XADD', key, id, ...fields]);
  }
  for (let i = 0; i < random(count); i++)
    commands.push(['XDEL', key, `${random(count)}000000000000-18446744073709551615`]);
  commands.push(['XGROUP', 'CREATE', key, 'readers', '0'], ['XGROUP', 'CREATE', key, 'idle', '$']);
  // Redis 7.0 makes no consumer of one that finds nothing to read.
  commands.push(
    ['XGROUP', 'CREATECONSUMER', key, 'readers', 'alice'],
    ['XGROUP', 'CREATECONSUMER', key, 'readers', 'bob'],
  );
  commands.push(['XREADGROUP', 'GROUP', 'readers', 'alice', 'COUNT', String(1 + random(9)), 'STREAMS', key, '>']);
  commands.push(['XREADGROUP', 'GROUP', 'readers', 'bob', 'COUNT', String(1 + random(9)), 'STREAMS', key, '>']);
  commands.push(['XACK', key, 'readers', '1000000000000-18446744073709551615']);
  return commands;
}

/** Replies that say all there is of a key, in an order that both sides share. */
const questions: readonly ((key: string) => Argument[])[] = [
  (key) => ['TYPE', key],
  (key) => ['GET', key],
  (key) => ['LRANGE', key, '0', '-1'],
  (key) => ['SMEMBERS', key],
  (key) => ['HGETALL', key],
  (key) => ['ZRANGE', key, '0', '-1', 'WITHSCORES'],
  (key) => ['XRANGE', key, '-', '+'],
  (key) => ['XINFO', 'GROUPS', key],
  (key) => ['XPENDING', key, 'readers'],
];

/** Elements of an array of bulk strings, in hexadecimal. */
function elementsOf(reply: string): string[] {
  const elements: string[] = [];
  for (let at = reply.indexOf('\r\n') + 2; at < reply.length;) {
    const start = reply.indexOf('\r\n', at) + 2;
    const end = start + Number(reply.slice(at + 1, start - 2));
    elements.push(Buffer.from(reply.slice(start, end), 'latin1').toString('hex'));
    at = end + 2;
  }
  return elements;
}

/** Hashes and sets have no order in Redis. */
function comparable(reply: string, question: Argument[]): string {
  if (!/^(HGETALL|SMEMBERS)$/.test(String(question[0])) || !reply.startsWith('*')) return reply;
  const parts = elementsOf(reply);
  if (question[0] === 'SMEMBERS') return parts.sort().join('\n');
  const pairs = parts.flatMap((part, i) => (i % 2 === 0 ? [`${part} ${parts[i + 1]}`] : []));
  return pairs.sort().join('\n');
}

/** As assert.equal, for replies too long to be shown whole. */
function assertSame(actual: string, expected: string, what: string): void {
  if (actual === expected) return;
  let at = 0;
  while (actual[at] === expected[at]) at++;
  const near = (text: string): string => JSON.stringify(text.slice(Math.max(0, at - 60), at + 60));
  assert.fail(`${what}: at ${at} of ${actual.length}: ${near(actual)}, expected ${near(expected)}`);
}

test('what is dumped here Redis restores, and the reverse, in every type', async (t) => {
  if (!hasReferenceRedis(t)) return;
  await using redis = await ReferenceRedis.start();
  await using opened = await openTestCommands();
  const { runner } = opened;
  const random = makeRandom(7);
  await redis.run([['CONFIG', 'SET', 'sanitize-dump-payload', 'yes']]);
  for (let round = 0; round < 60; round++) {
    const make = randomKey(random, 'from');
    runner.run('DEL', 'from', 'to', 'back');
    await redis.run([['FLUSHALL'], ...make]);
    for (const command of make) assert.doesNotMatch(runner.run(...command), /^-/);
    const ours = bulkOf(runner.run('DUMP', 'from'));
    const [restored, theirs] = (await redis.run([
      ['RESTORE', 'to', '0', ours],
      ['DUMP', 'from'],
    ])) as [string, string];
    assert.equal(restored, '+OK\r\n', `round ${round}: ${String(make[0]?.[0])}`);
    assert.equal(runner.run('RESTORE', 'to', '0', bulkOf(theirs)), '+OK\r\n', `round ${round}`);
    assert.equal(runner.run('RESTORE', 'back', '0', ours), '+OK\r\n');
    for (const question of questions) {
      const asked = question('to');
      const [expected, source] = (await redis.run([asked, question('from')])) as [string, string];
      assertSame(
        comparable(expected, asked),
        comparable(source, asked),
        `round ${round}, in Redis: ${asked.join(' ')}`,
      );
      assertSame(
        comparable(runner.run(...asked), asked),
        comparable(expected, asked),
        `round ${round}: ${asked.join(' ')}`,
      );
      assert.equal(runner.run(...question('back')), runner.run(...question('from')), `round ${round}, here`);
    }
  }
});

test('a restored key lives as long as it is told to', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  runner.line('RPUSH l a b');
  const payload = bulkOf(runner.line('DUMP l'));
  const restore = (...args: Argument[]): string =>
    short(runner.run('RESTORE', args[0] as string, args[1] as string, payload, ...args.slice(2)));
  assert.equal(restore('l', '0'), '-ERR target key name already exists.');
  assert.equal(restore('l', '5000', 'REPLACE'), '+OK');
  assert.equal(short(runner.line('PTTL l')), ':5000');
  assert.equal(restore('m', String(runner.nowMs + 70), 'ABSTTL'), '+OK');
  assert.equal(short(runner.line('PTTL m')), ':70');
  assert.equal(restore('n', '0', 'IDLETIME', '1000', 'FREQ', '255'), '+OK');
  assert.equal(short(runner.line('TTL n')), ':-1');
  runner.events = [];
  assert.equal(restore('n', '1111', 'REPLACE', 'ABSTTL'), '+OK');
  assert.equal(short(runner.line('EXISTS n')), ':0');
  assert.equal(restore('o', '1111', 'ABSTTL'), '+OK');
  assert.equal(restore('o', '0'), '+OK');
  assert.deepEqual(runner.events, ['g del n', 'g restore o']);
});

test('wrong options and times are refused before the payload is looked at', async () => {
  await using opened = await openTestCommands();
  const rows: [string, string][] = [
    ['RESTORE k -1 x', '-ERR out of numeric range'],
    ['RESTORE k x x', '-ERR value is not an integer or out of range'],
    ['RESTORE k 9223372036854775807 x', "-ERR invalid expire time in 'restore' command"],
    ['RESTORE k 0 x KEEP', '-ERR syntax error'],
    ['RESTORE k 0 x FREQ', '-ERR syntax error'],
    ['RESTORE k 0 x FREQ 256', '-ERR Invalid FREQ value, must be >= 0 and <= 255'],
    ['RESTORE k 0 x IDLETIME -1', '-ERR Invalid IDLETIME value, must be >= 0'],
    ['RESTORE k 0 x IDLETIME a', '-ERR value is not an integer or out of range'],
    ['RESTORE k 0 x', wrongPayload],
    ['DUMP k', 'nil'],
    ['EXISTS k', ':0'],
  ];
  for (const [line, expected] of rows) assert.equal(short(opened.runner.line(line)), expected, line);
});

test('the forms of older servers are read', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const ziplist = (...entries: number[][]): number[] => {
    const body: number[] = [];
    let before = 0;
    let last = 10;
    for (const entry of entries) {
      last = 10 + body.length;
      body.push(before, ...entry);
      before = entry.length + 1;
    }
    const size = 11 + body.length;
    return [size, size, 0, 0, 0, last, 0, 0, 0, entries.length, 0, ...body, 0xff];
  };
  const a = [1, 0x61];
  const b = [2, 0x62, 0x63];
  const rows: [string, (number[] | string)[], string, string][] = [
    ['a list of strings', [[1, 3], '\x01a\x00\xc1\xff\x7f'], 'LRANGE k 0 -1', '[$a $ $32767]'],
    [
      'numbers of a ziplist',
      [[10], ziplist([0xf1], [0xfd], [0xfe, 0x80], [0xc0, 0, 0x80], [0xf0, 0xff, 0xff, 0x7f])],
      'LRANGE k 0 -1',
      '[$0 $12 $-128 $-32768 $8388607]',
    ],
    [
      'more of them',
      [[10], ziplist([0xd0, 0, 0, 0, 0x80], [0xe0, 0, 0, 0, 0, 0, 0, 0, 0x80])],
      'LRANGE k 0 -1',
      '[$-2147483648 $-9223372036854775808]',
    ],
    ['a hash in a ziplist', [[13], ziplist(a, b)], 'HGETALL k', '[$a $bc]'],
    ['a hash in a zipmap', [[9, 11, 1], '\x01a\x02\x03bcxxx\xff'], 'HGETALL k', '[$a $bc]'],
    [
      'a sorted set with text scores',
      [[3, 2], '\x01a\x032.5\x01b\xff'],
      'ZRANGE k 0 -1 WITHSCORES',
      '[$b $-inf $a $2.5]',
    ],
    ['a sorted set in a ziplist', [[12], ziplist(a, [3, 0x31, 0x2e, 0x35])], 'ZRANGE k 0 -1 WITHSCORES', '[$a $1.5]'],
    ['a set in an intset', [[11, 12, 2, 0, 0, 0, 2, 0, 0, 0, 0xff, 0xff, 1, 0]], 'SORT k', '[$-1 $1]'],
    ['a quicklist of ziplists', [[14, 2], ziplist(a), ziplist(b)], 'LRANGE k 0 -1', '[$a $bc]'],
    ['a large element of a quicklist', [[18, 1, 1], '\x05large'], 'LRANGE k 0 -1', '[$large]'],
    ['a compressed string', [[0, 0xc3, 5, 9, 0, 0x61, 0xc0, 0, 0]], 'GET k', '-'],
    ['another', [[0, 0xc3, 5, 12, 0, 0x61, 0xe0, 2, 0]], 'GET k', '$aaaaaaaaaaaa'],
  ];
  for (const [what, parts, question, expected] of rows) {
    const reply = runner.run('RESTORE', 'k', '0', sealed(...parts), 'REPLACE');
    if (expected === '-') assert.match(reply, badData, what);
    else {
      assert.equal(reply, '+OK\r\n', what);
      assert.equal(short(runner.line(question)), expected, what);
    }
  }
});

test('a value that is no value is refused and leaves the key as it was', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const rows: [string, (number[] | string)[]][] = [
    ['nothing', []],
    ['a type of modules', [[7, 1]]],
    ['a list without elements', [[1, 0]]],
    ['a count without elements', [[2, 0x80, 0xff, 0xff, 0xff, 0xff]]],
    ['a string longer than all', [[0, 0x81, 0, 0, 0, 1, 0, 0, 0, 0]]],
    ['a huge length in a compressed string', [[0, 0xc3, 2, 0x80, 0x7f, 0, 0, 0, 0, 0x61]]],
    ['a reference to nothing', [[0, 0xc3, 3, 3, 0x20, 0, 0]]],
    ['a member twice', [[2, 2], '\x01a\x01a']],
    ['a field twice', [[4, 2], '\x01a\x01b\x01a\x01b']],
    ['a scored member twice', [[3, 2], '\x01a\x011\x01a\x012']],
    ['a score that is no number', [[3, 1], '\x01a\xfd']],
    ['a score that is text', [[3, 1], '\x01a\x03one']],
    ['bytes behind the value', [[0], '\x01ab']],
    ['a listpack with a wrong length', [[18, 1, 2, 7, 8, 0, 0, 0, 0, 0, 0xff]]],
    ['a listpack with a wrong back reference', [[18, 1, 2, 9, 9, 0, 0, 0, 1, 0, 5, 2, 0xff]]],
    ['a listpack with a field and no value', [[16, 9, 9, 0, 0, 0, 1, 0, 5, 1, 0xff]]],
    ['a stream with more pending entries than are read', [[15, 0, 0, 0, 0, 1], '\x01g', [0, 0, 0x80, 0x7f, 0, 0, 0]]],
    ['an intset that falls', [[11, 12, 2, 0, 0, 0, 2, 0, 0, 0, 2, 0, 1, 0]]],
  ];
  runner.line('SET k before');
  runner.commit();
  const before = runner.types.engine.visibleSequence();
  for (const [what, parts] of rows) {
    assert.match(runner.run('RESTORE', 'k', '0', sealed(...parts), 'REPLACE'), badData, what);
    assert.equal(runner.types.engine.visibleSequence(), before, what);
  }
  assert.equal(short(runner.line('GET k')), '$before');
  const good = sealed([0], '\x01a');
  for (let at = 0; at < good.length; at++) {
    const damaged = Buffer.from(good);
    damaged[at] = (damaged[at] as number) ^ 1;
    assert.equal(short(runner.run('RESTORE', 'k', '0', damaged, 'REPLACE')), wrongPayload, `byte ${at}`);
  }
});

/** Payloads of each type, from here. */
function payloads(runner: CommandRunner): Buffer[] {
  for (const line of [
    'RPUSH l a bc 17',
    'SADD s a b 3',
    'HSET h f v g w',
    'ZADD z 1 a 2.5 b',
    'SET t text',
    'XADD x 1-1 f v',
    'XADD x 2-1 f v g w',
    'XGROUP CREATE x grp 0',
    'XREADGROUP GROUP grp alice STREAMS x >',
  ]) {
    runner.line(line);
  }
  return ['l', 's', 'h', 'z', 't', 'x'].map((key) => bulkOf(runner.line(`DUMP ${key}`)));
}

test('damaged values behind a right checksum are restored or refused, whatever is damaged', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const random = makeRandom(3);
  const sound = payloads(runner);
  let refused = 0;
  for (let round = 0; round < 4000; round++) {
    const from = sound[round % sound.length] as Buffer;
    const damaged = Buffer.from(from.subarray(0, from.length - (random(5) === 0 ? 10 + random(from.length - 10) : 10)));
    for (let i = 0; i <= random(3); i++) if (damaged.length > 0) damaged[random(damaged.length)] = random(256);
    const reply = runner.run('RESTORE', 'k', '0', sealed(damaged), 'REPLACE');
    if (reply.startsWith('-')) {
      assert.match(reply, badData);
      refused++;
      continue;
    }
    // What was taken is a whole value: it can be dumped, and read again.
    const again = bulkOf(runner.line('DUMP k'));
    assert.equal(runner.run('RESTORE', 'k', '0', again, 'REPLACE'), '+OK\r\n');
    assert.deepEqual(bulkOf(runner.line('DUMP k')), again);
    if (round % 100 === 0) runner.commit();
  }
  assert.ok(refused > 1000 && refused < 4000, `${refused} of 4000 were refused`);
});

test('fields keep their time to die', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  runner.types.hashes.settings = { encodingMode: 'field-expiration', lengthMode: 'accurate' };
  runner.line('HSET h a 1 b 2 c 3');
  runner.line('HPEXPIRE h 100 FIELDS 1 b');
  runner.line('HPEXPIRE h 900 FIELDS 1 c');
  const payload = bulkOf(runner.line('DUMP h'));
  runner.nowMs += 200;
  assert.equal(short(runner.run('RESTORE', 'k', '0', payload)), '+OK');
  assert.equal(short(runner.line('HPTTL k FIELDS 3 a b c')), '[:-1 :-2 :700]');
  assert.equal(short(runner.line('HLEN k')), ':2');
  runner.types.hashes.settings = { encodingMode: 'legacy', lengthMode: 'accurate' };
  assert.match(runner.run('RESTORE', 'l', '0', payload), /hash-encoding-mode/);
  runner.types.hashes.settings = { encodingMode: 'field-expiration', lengthMode: 'accurate' };
  runner.line('HPEXPIRE h 5000 FIELDS 1 a');
  const mortal = bulkOf(runner.line('DUMP h'));
  runner.nowMs += 10_000;
  assert.equal(short(runner.run('RESTORE', 'k', '0', mortal, 'REPLACE')), '+OK');
  assert.equal(short(runner.line('EXISTS k')), ':0');
});

test('a bitmap is dumped as the string it is in Redis, and what has no form there is refused', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  runner.line('SETBIT b 8199 1');
  const payload = bulkOf(runner.line('DUMP b'));
  assert.equal(short(runner.run('RESTORE', 't', '0', payload)), '+OK');
  assert.equal(runner.line('GET t'), runner.line('GET b'));
  for (const line of ['SIADD i 1', 'JSON.SET j $ 1', 'BF.ADD f x', 'PFADD p x']) {
    runner.line(line);
    assert.equal(short(runner.line(`DUMP ${line.split(' ')[1]}`)), '-ERR Invalid or Not supported object type', line);
  }
});

test('the checksum is that of Redis', () => {
  assert.equal(
    crc64(Buffer.from('123456789')).toString('hex'),
    Buffer.from('e9c6d914c4b8d9ca', 'hex').reverse().toString('hex'),
  );
});
