import assert from 'node:assert/strict';
import { test } from 'node:test';
import { namespaceOf } from '@holdfast/engine';
import { openTestCommands, type CommandRunner } from '../data/testing/command-runner.ts';
import { short, transcript } from '../data/testing/transcript.ts';
import type { CommandDefinition } from '../command.ts';
import { moveXCommand, type MovePort } from './move.ts';

test('keys are deleted, counted and typed', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['MSET a 1 b 2', '+OK'],
    ['HSET h f v', ':1'],
    ['EXISTS a a none h', ':3'],
    ['TOUCH a none', ':1'],
    ['TYPE a', '+string'],
    ['TYPE h', '+hash'],
    ['TYPE none', '+none'],
    ['DEL a a h', ':2'],
    ['UNLINK b none', ':1'],
    ['EXISTS a b h', ':0'],
  ]);
});

test('a key lives until its time has passed, whatever its type', async () => {
  await using opened = await openTestCommands();
  const now = opened.runner.nowMs;
  for (const make of ['SET k v', 'HSET k f v']) {
    opened.runner.nowMs = now;
    opened.runner.line('DEL k');
    opened.runner.line(make);
    transcript(opened.runner, [
      ['TTL k', ':-1'],
      ['TTL none', ':-2'],
      ['PEXPIRETIME k', ':-1'],
      ['EXPIRETIME none', ':-2'],
      ['EXPIRE k 10', ':1'],
      ['TTL k', ':10'],
      ['PTTL k', ':10000'],
      ['PEXPIRETIME k', `:${now + 10_000}`],
      ['EXPIRETIME k', `:${(now + 10_000) / 1000}`],
      ['PEXPIRE k 1499', ':1'],
      ['TTL k', ':1'],
      ['PEXPIRE k 1500', ':1'],
      ['TTL k', ':2'],
      ['PERSIST k', ':1'],
      ['PERSIST k', ':0'],
      ['PERSIST none', ':0'],
      [`EXPIREAT k ${now / 1000 + 5}`, ':1'],
      ['PTTL k', ':5000'],
      [`PEXPIREAT k ${now + 3}`, ':1'],
      3,
      ['EXISTS k', ':1'],
      1,
      ['EXISTS k', ':0'],
      ['EXPIRE k 10', ':0'],
    ]);
  }
});

test('an expiry in the past deletes the key', async () => {
  await using opened = await openTestCommands();
  for (const line of [
    'EXPIRE k 0',
    'EXPIRE k -1',
    'PEXPIREAT k 1',
    'EXPIREAT k -5',
    'PEXPIRE k -9223372036854775808',
  ]) {
    transcript(opened.runner, [
      ['SET k v', '+OK'],
      [line, ':1'],
      ['EXISTS k', ':0'],
    ]);
  }
});

test('NX, XX, GT and LT make an expiry conditional', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['SET k v', '+OK'],
    ['EXPIRE k 10 XX', ':0'],
    ['EXPIRE k 10 GT', ':0'],
    ['EXPIRE k 10 NX', ':1'],
    ['EXPIRE k 20 NX', ':0'],
    ['EXPIRE k 5 GT', ':0'],
    ['EXPIRE k 20 GT XX', ':1'],
    ['EXPIRE k 30 LT', ':0'],
    ['EXPIRE k 5 LT', ':1'],
    ['PERSIST k', ':1'],
    ['EXPIRE k 5 LT', ':1'],
    ['EXPIRE k 5 NX GT', '-ERR NX and XX, GT or LT options at the same time are not compatible'],
    ['EXPIRE k 5 GT LT', '-ERR GT and LT options at the same time are not compatible'],
    ['EXPIRE k 5 FOO', '-ERR Unsupported option FOO'],
    ['EXPIRE k x', '-ERR value is not an integer or out of range: not started as an integer'],
    ["EXPIRE k ''", '-ERR value is not an integer or out of range: not started as an integer'],
    ['EXPIRE k 9223372036854775807', "-ERR invalid expire time in 'expire' command"],
    ['PEXPIRE k 9223372036854775807', "-ERR invalid expire time in 'pexpire' command"],
    ['EXPIREAT k 9223372036854776', "-ERR invalid expire time in 'expireat' command"],
    ['PEXPIREAT k 9223372036854775807 XX', ':1'],
    ['PEXPIRETIME k', ':9007199254740991'],
    ['EXPIRE k 5', ':1'],
    ['EXPIRE k -9223372036854775808', "-ERR invalid expire time in 'expire' command"],
    ['TTL k', ':5'],
  ]);
});

test('renaming and copying take the expiry and every field along', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['HMSET h a 1 b 2', '+OK'],
    ['EXPIRE h 10', ':1'],
    ['COPY h c', ':1'],
    ['COPY h c', ':0'],
    ['HSET c d 3', ':1'],
    ['HGETALL h', '[$a $1 $b $2]'],
    ['HGETALL c', '[$a $1 $b $2 $d $3]'],
    ['TTL c', ':10'],
    ['COPY h c REPLACE', ':1'],
    ['HGETALL c', '[$a $1 $b $2]'],
    ['COPY none c', ':0'],
    ['COPY h h', ':0'],
    ['COPY h h REPLACE', ':1'],
    ['COPY none none REPLACE', ':0'],
    ['COPY h c DB 1', '-ERR DB index is out of range'],
    ['COPY h c FOO', '-ERR syntax error'],
    ['RENAME h r', '+OK'],
    ['EXISTS h', ':0'],
    ['HGETALL r', '[$a $1 $b $2]'],
    ['TTL r', ':10'],
    ['RENAMENX r c', ':0'],
    ['RENAMENX r n', ':1'],
    ['RENAME n n', '+OK'],
    ['RENAMENX n n', ':0'],
    ['HGETALL n', '[$a $1 $b $2]'],
    ['RENAME h x', '-ERR no such key'],
    ['RENAMENX h h', '-ERR no such key'],
    ['SET s v', '+OK'],
    ['RENAME s n', '+OK'],
    ['GET n', '$v'],
    ['TTL n', ':-1'],
  ]);
});

test('fields deleted after a rename do not come back when the key gets its old name again', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  transcript(runner, [
    ['HMSET h a 1 b 2', '+OK'],
    ['RENAME h r', '+OK'],
  ]);
  runner.commit();
  transcript(runner, [
    ['HDEL r a', ':1'],
    ['RENAME r h', '+OK'],
    ['HGETALL h', '[$b $2]'],
  ]);
});

test('OBJECT answers what tools ask', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  runner.run('SET', 'long', 'x'.repeat(45));
  transcript(runner, [
    ['MSET n 12 s text', '+OK'],
    ['HSET h f v', ':1'],
    ['OBJECT ENCODING n', '$int'],
    ['object encoding s', '$embstr'],
    ['OBJECT ENCODING long', '$raw'],
    ['OBJECT ENCODING h', '$listpack'],
    ['OBJECT ENCODING none', 'nil'],
    ['OBJECT REFCOUNT n', ':1'],
    ['OBJECT IDLETIME n', ':0'],
  ]);
  assert.match(runner.line('OBJECT FREQ n'), /^-ERR An LFU maxmemory policy is not selected/);
  assert.match(runner.line('OBJECT HELP'), /^\*\d+\r\n\+OBJECT /);
  transcript(runner, [
    ['OBJECT FOO n', "-ERR unknown subcommand 'FOO'. Try OBJECT HELP."],
    ['OBJECT FREQ', "-ERR wrong number of arguments for 'object|freq' command"],
    ['OBJECT ENCODING a b', "-ERR wrong number of arguments for 'object|encoding' command"],
    ['OBJECT HELP a', "-ERR wrong number of arguments for 'object|help' command"],
  ]);
});

/** Keys of a whole SCAN iteration. */
function scanAll(runner: CommandRunner, options = ''): string[] {
  const found: string[] = [];
  let cursor = '0';
  let steps = 0;
  do {
    const reply = short(runner.line(`SCAN ${cursor}${options === '' ? '' : ` ${options}`}`));
    const match = /^\[\$(\d+) \[(.*)\]\]$/s.exec(reply);
    assert.ok(match !== null, reply);
    cursor = match[1] as string;
    if (match[2] !== '') found.push(...(match[2] as string).split(' '));
    assert.ok(++steps < 1000);
  } while (cursor !== '0');
  return found;
}

for (const slotPrefixed of [false, true]) {
  test(`SCAN and KEYS find every living key once${slotPrefixed ? ', with slots in keys' : ''}`, async () => {
    await using opened = await openTestCommands(slotPrefixed);
    const { runner } = opened;
    const keys = Array.from({ length: 60 }, (_, i) => `key:${i}`);
    for (const [i, key] of keys.entries()) {
      runner.line(i % 3 === 0 ? `HSET ${key} f v` : `SET ${key} v`);
      if (i === 30) runner.commit();
    }
    runner.line('SET dying v PX 1');
    runner.line('DEL key:5');
    runner.nowMs += 2;
    const living = keys.filter((key) => key !== 'key:5').map((key) => `$${key}`);
    const sorted = living.toSorted();
    assert.deepEqual(scanAll(runner, 'COUNT 7').sort(), sorted);
    assert.deepEqual(scanAll(runner).sort(), sorted);
    assert.deepEqual(
      scanAll(runner, 'MATCH key:1* COUNT 3').sort(),
      sorted.filter((key) => key.startsWith('$key:1')),
    );
    assert.deepEqual(
      scanAll(runner, 'MATCH *9').sort(),
      sorted.filter((key) => key.endsWith('9')),
    );
    assert.deepEqual(scanAll(runner, 'TYPE hash').length, 20);
    const matching = (pattern: string): string[] =>
      short(runner.run('KEYS', pattern)).slice(1, -1).split(' ').filter(Boolean).sort();
    assert.deepEqual(matching('*'), sorted);
    assert.deepEqual(
      matching('key:[12]?'),
      sorted.filter((key) => /^\$key:[12].$/.test(key)),
    );
    assert.deepEqual(matching('none*'), []);
    for (let i = 0; i < 50; i++) assert.ok(living.includes(short(runner.line('RANDOMKEY'))));
  });
}

test('SCAN refuses what Kvrocks refuses, and begins again for a cursor it does not know', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['RANDOMKEY', 'nil'],
    ['SET a 1', '+OK'],
    ['SCAN 0', '[$0 [$a]]'],
    ['SCAN 12345', '[$0 [$a]]'],
    ['SCAN x', '-ERR invalid cursor'],
    ['SCAN 0 COUNT 0', '-ERR limit should be a positive integer'],
    ['SCAN 0 COUNT x', '-ERR value is not an integer or out of range'],
    ['SCAN 0 TYPE foo', '-ERR Invalid type'],
    ['SCAN 0 FOO x', '-ERR syntax error'],
    ['SCAN 0 COUNT', '-ERR syntax error'],
  ]);
});

test('a namespace sees its own keys only', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  runner.line('SET a default');
  runner.namespace = namespaceOf('other');
  transcript(runner, [
    ['GET a', 'nil'],
    ['SET a own', '+OK'],
    ['SET b own', '+OK'],
    ['KEYS *', '[$a $b]'],
  ]);
  runner.types.keyspace.flush(runner.namespace);
  transcript(runner, [['KEYS *', '[]']]);
  runner.namespace = namespaceOf('__namespace');
  transcript(runner, [['KEYS *', '[$a]']]);
});

test('MOVE answers whether the key is there', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['SET k v', '+OK'],
    ['MOVE k 1', ':1'],
    ['MOVE none 1', ':0'],
    ['MOVE k x', '-ERR value is not an integer or out of range'],
    ['GET k', '$v'],
  ]);
});

test('MOVEX moves a key to the namespace of a token, in every type', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const other = namespaceOf('other');
  let password = '';
  const port: MovePort = {
    password: () => password,
    namespaceTokens: () => new Map([['other', 'token']]),
    namespaceNamed: namespaceOf,
    defaultNamespace: runner.namespace,
  };
  const definitions = runner.definitions as Map<string, CommandDefinition>;
  definitions.set('movex', moveXCommand(runner.types, port));
  runner.line('ZADD z 1 a 2 b');
  runner.line('EXPIRE z 100');
  runner.events = [];
  transcript(runner, [['MOVEX z token', '-ERR Forbidden to move key when requirepass is empty']]);
  password = 'secret';
  transcript(runner, [
    ['MOVEX z secret', ':0'],
    ['MOVEX z wrong', '-ERR Invalid password'],
    ['MOVEX none token', ':0'],
    ['MOVEX z token', ':1'],
    ['EXISTS z', ':0'],
    ['SET z here', '+OK'],
    ['MOVEX z token', ':0'],
  ]);
  assert.deepEqual(runner.events, ['g move_from z', 'g move_to z', '$ set z']);
  runner.namespace = other;
  transcript(runner, [
    ['ZRANGEBYSCORE z 2 2', '[$b]'],
    ['TTL z', ':100'],
    ['MOVEX z token', ':0'],
    ['HSET h f v', ':1'],
    ['MOVEX h secret', ':1'],
  ]);
  runner.namespace = port.defaultNamespace;
  transcript(runner, [['HGETALL h', '[$f $v]']]);
});

test('what is stored of a key besides its elements is told by KMETADATA', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  runner.line('RPUSH l a b');
  runner.line('PEXPIREAT l 1800000000001');
  const facts = short(runner.line('KMETADATA l')).slice(1, -1).split(' $');
  assert.deepEqual(facts.slice(0, 4), ['$namespace', '__namespace', 'type', 'list']);
  assert.deepEqual(facts.slice(6, 14), [
    'expire',
    '1800000000',
    'pexpire',
    '1800000000001',
    'size',
    '2',
    'is_64bit_common_field',
    '1',
  ]);
  assert.deepEqual(facts.slice(-4), ['head', '9223372036854775807', 'tail', '9223372036854775809']);
  assert.equal(runner.line('OBJECT DUMP l'), runner.line('KMETADATA l'));
  assert.equal(short(runner.line('KMETADATA none')), '[]');
});

test('encodings are those Redis would use', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const long = 'x'.repeat(65);
  const many = (count: number, of: (i: number) => string): string =>
    Array.from({ length: count }, (_, i) => of(i)).join(' ');
  const rows: [string, string][] = [
    ['SET k 17', 'int'],
    ['SET k -9223372036854775808', 'int'],
    ['SET k 017', 'embstr'],
    [`SET k ${'x'.repeat(44)}`, 'embstr'],
    [`SET k ${'x'.repeat(45)}`, 'raw'],
    [`SADD k ${many(512, String)}`, 'intset'],
    [`SADD k ${many(513, String)}`, 'hashtable'],
    ['SADD k a 1', 'listpack'],
    [`SADD k ${long}`, 'hashtable'],
    ['HSET k f v', 'listpack'],
    [`HSET k f ${long}`, 'hashtable'],
    [`HSET k ${many(129, (i) => `${i} v`)}`, 'hashtable'],
    ['ZADD k 1 a', 'listpack'],
    [`ZADD k 1 ${long}`, 'skiplist'],
    [`RPUSH k ${many(1000, String)}`, 'listpack'],
    [`RPUSH k ${many(130, () => long)}`, 'quicklist'],
    ['XADD k 1-1 f v', 'stream'],
    ['SETBIT k 1 1', 'raw'],
  ];
  for (const [line, encoding] of rows) {
    runner.line('DEL k');
    runner.line(line);
    assert.equal(short(runner.line('OBJECT ENCODING k')), `$${encoding}`, line.slice(0, 40));
  }
});

test('KEYS of many keys is the same whole and in slices', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const count = 20_000;
  for (let i = 0; i < count; i++) runner.run('SET', `key:${String(i).padStart(5, '0')}`, 'v');
  runner.commit();
  runner.run('SET', 'key:late', 'v');
  runner.run('DEL', 'key:00007');
  const sliced = runner.line('KEYS key:*');
  runner.mayWait = false;
  assert.equal(runner.line('KEYS key:*'), sliced);
  assert.match(sliced, new RegExp(`^\\*${count}\r\n`));
  assert.ok(!sliced.includes('key:00007') && sliced.includes('key:late'));
  assert.equal(short(runner.line('KEYS *:19999')), '[$key:19999]');
  assert.equal(short(runner.line('KEYS none*')), '[]');
});

test('what is copied, renamed or moved to another namespace is what it was, in every type, and lives as long', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  runner.types.hashes.settings = { encodingMode: 'field-expiration', lengthMode: 'accurate' };
  const other = namespaceOf('other');
  const port: MovePort = {
    password: () => 'secret',
    namespaceTokens: () => new Map([['other', 'token']]),
    namespaceNamed: namespaceOf,
    defaultNamespace: runner.namespace,
  };
  (runner.definitions as Map<string, CommandDefinition>).set('movex', moveXCommand(runner.types, port));
  const rows: [make: string[], questions: string[]][] = [
    [['SET k v'], ['GET k']],
    [
      ['RPUSH k a b c', 'LPUSH k z'],
      ['LRANGE k 0 -1', 'LINDEX k 3'],
    ],
    [['SADD k a b'], ['SMEMBERS k', 'SCARD k']],
    [
      ['HSET k f v g w', 'HPEXPIRE k 500 FIELDS 1 g'],
      ['HGETALL k', 'HPTTL k FIELDS 2 f g'],
    ],
    [['ZADD k 2 a 1 b -inf c'], ['ZRANGE k 0 -1 WITHSCORES', 'ZSCORE k a', 'ZRANGEBYLEX k - +']],
    [
      ['SETBIT k 9000 1', 'SETBIT k 1 1'],
      ['BITCOUNT k', 'BITPOS k 1 2'],
    ],
    [['SIADD k 1 18446744073709551615'], ['SIRANGE k 0 10']],
    [['PFADD k a b c'], ['PFCOUNT k']],
    [['BF.ADD k a'], ['BF.EXISTS k a', 'BF.EXISTS k b', 'BF.CARD k']],
    [['JSON.SET k $ {"a":[1,2]}'], ['JSON.GET k']],
    [
      [
        'XADD k 1-1 f v',
        'XADD k 2-1 f w',
        'XGROUP CREATE k grp 0',
        'XREADGROUP GROUP grp alice COUNT 1 STREAMS k >',
        'XDEL k 2-1',
      ],
      ['XRANGE k - +', 'XINFO GROUPS k', 'XINFO STREAM k FULL', 'XPENDING k grp - + 10'],
    ],
  ];
  for (const [make, questions] of rows) {
    const { namespace } = runner;
    for (const line of ['DEL k copy', ...make, 'PEXPIRE k 1000']) assert.doesNotMatch(runner.line(line), /^-/, line);
    const asked = ['TYPE k', 'PTTL k', ...questions];
    const expected = asked.map((line) => runner.line(line));
    const steps = ['COPY k copy', 'DEL k', 'RENAME copy k', 'MOVEX k token'];
    for (const step of steps) assert.match(runner.line(step), /^(:1|\+OK)/, `${String(make[0])}: ${step}`);
    runner.commit();
    assert.equal(short(runner.line('EXISTS k copy')), ':0');
    runner.namespace = other;
    assert.deepEqual(
      asked.map((line) => runner.line(line)),
      expected,
      make[0],
    );
    assert.equal(short(runner.line('DEL k')), ':1');
    runner.namespace = namespace;
  }
});
