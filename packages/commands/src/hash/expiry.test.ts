import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BatchReader, Metadata, defaultNamespace, family, spanOf, writeMetadataKey } from '@holdfast/engine';
import { openTestCommands, type CommandRunner, type TestCommands } from '../data/testing/command-runner.ts';
import { short, transcript } from '../data/testing/transcript.ts';
import { slicedAbove } from '../sliced.ts';

/** An engine whose new hashes have fields with times. */
async function openTimed(lengthMode: 'accurate' | 'approximate' = 'accurate'): Promise<TestCommands> {
  const opened = await openTestCommands();
  opened.runner.types.hashes.settings = { encodingMode: 'field-expiration', lengthMode };
  return opened;
}

interface Tail {
  readonly size: number;
  readonly lasting: number;
  readonly lowerMs: number;
  readonly upperMs: number;
}

/** What the metadata record of a hash says; undefined when there is none. */
function tailOf(runner: CommandRunner, key: string): Tail | undefined {
  const { engine } = runner.types;
  writeMetadataKey(engine.key, { ...spanOf(key), namespace: defaultNamespace }, false);
  if (!engine.get(family.metadata, engine.key)) return undefined;
  const meta = new Metadata();
  assert.ok(meta.read(engine.value));
  const tail = engine.value.view().subarray(meta.bodyStart - engine.value.start);
  assert.equal(tail.length, 25);
  assert.equal(tail[0], 1);
  const at = (offset: number): number => Number(tail.readBigUInt64BE(offset));
  return { size: meta.size, lasting: at(1), lowerMs: at(9), upperMs: at(17) };
}

test('fields are given times, which are told, taken away, and pass', async () => {
  await using opened = await openTimed();
  transcript(opened.runner, [
    ['HSET h a 1 b 2 c 3', ':3'],
    ['HPEXPIRE h 1500 FIELDS 3 a b none', '[:1 :1 :-2]'],
    ['HTTL h FIELDS 4 a b c none', '[:2 :2 :-1 :-2]'],
    ['HPTTL h FIELDS 1 a', '[:1500]'],
    ['HPEXPIRETIME h FIELDS 1 a', '[:1700000001500]'],
    ['HEXPIRETIME h FIELDS 1 a', '[:1700000002]'],
    ['HPERSIST h FIELDS 3 b c none', '[:1 :-1 :-2]'],
    ['HGETALL h', '[$a $1 $b $2 $c $3]'],
    1500,
    ['HGET h a', '$1'],
    1,
    ['HGET h a', 'nil'],
    ['HEXISTS h a', ':0'],
    ['HSTRLEN h a', ':0'],
    ['HMGET h a b', '[nil $2]'],
    ['HLEN h', ':2'],
    ['HGETALL h', '[$b $2 $c $3]'],
    ['HKEYS h', '[$b $c]'],
    ['HVALS h', '[$2 $3]'],
    ['HSCAN h 0', '[$0 [$b $2 $c $3]]'],
    ['HSCAN h 0 NOVALUES', '[$0 [$b $c]]'],
    ['HRANGEBYLEX h - + LIMIT 0 1', '[$b $2]'],
    ['HRANDFIELD h 5', '[$b $c]'],
    ['HTTL h FIELDS 1 a', '[:-2]'],
    ['HDEL h a b', ':1'],
    ['HLEN h', ':1'],
    ['HEXPIREAT h 1700000000 FIELDS 1 c', '[:2]'],
    ['EXISTS h', ':0'],
    ['HTTL h FIELDS 2 a b', '[:-2 :-2]'],
    ['HEXPIRE h 1 FIELDS 1 a', '[:-2]'],
  ]);
  assert.equal(tailOf(opened.runner, 'h'), undefined);
});

test('NX, XX, GT and LT', async () => {
  await using opened = await openTimed();
  transcript(opened.runner, [
    ['HSET h a 1 b 2', ':2'],
    ['HEXPIRE h 10 XX FIELDS 1 a', '[:0]'],
    ['HEXPIRE h 10 GT FIELDS 1 a', '[:0]'],
    ['HEXPIRE h 10 NX FIELDS 2 a a', '[:1 :0]'],
    ['HEXPIRE h 10 GT FIELDS 1 a', '[:0]'],
    ['HEXPIRE h 20 gt FIELDS 1 a', '[:1]'],
    ['HEXPIRE h 30 LT FIELDS 2 a b', '[:0 :1]'],
    ['HEXPIRE h 5 XX FIELDS 2 a b', '[:1 :1]'],
    ['HTTL h FIELDS 2 a b', '[:5 :5]'],
    ['HEXPIRE h 0 GT FIELDS 1 a', '[:0]'],
    ['HEXPIRE h 0 LT FIELDS 2 a a', '[:2 :-2]'],
  ]);
});

test('arguments are refused with the texts of Redis', async () => {
  await using opened = await openTimed();
  const noFields = '-ERR Mandatory argument FIELDS is missing or not at the right position';
  const otherCount = '-ERR The `numfields` parameter must match the number of arguments';
  transcript(opened.runner, [
    ['HSET h a 1', ':1'],
    ['SET s 1', '+OK'],
    ['HEXPIRE h x FIELDS 1 a', '-ERR value is not an integer or out of range'],
    ['HEXPIRE h -1 FIELDS 1 a', '-ERR invalid expire time, must be >= 0'],
    ['HEXPIRE h 70368744178 FIELDS 1 a', "-ERR invalid expire time in 'hexpire' command"],
    ['HPEXPIRE h 70368744177663 FIELDS 1 a', "-ERR invalid expire time in 'hpexpire' command"],
    ['HPEXPIREAT h 70368744177664 FIELDS 1 a', "-ERR invalid expire time in 'hpexpireat' command"],
    ['HPEXPIREAT h 70368744177663 FIELDS 1 a', '[:1]'],
    ['HEXPIRE h 1 ZZ FIELDS 1 a', noFields],
    ['HEXPIRE h 1 NX XX FIELDS 1 a', noFields],
    ['HEXPIRE h 1 FIELDS 0 a', '-ERR Parameter `numFields` should be greater than 0'],
    ['HEXPIRE h 1 FIELDS 2 a', otherCount],
    ['HEXPIRE h 1 FIELDS 1 a b', otherCount],
    ['HTTL h FIELD 1 a', noFields],
    ['HTTL h FIELDS 0 a', '-ERR Number of fields must be a positive integer'],
    ['HTTL h FIELDS x a', '-ERR Number of fields must be a positive integer'],
    ['HPERSIST h FIELDS 2 a', otherCount],
    ['HEXPIRE s 1 FIELDS 1 a', '-WRONGTYPE Operation against a key holding the wrong kind of value'],
  ]);
});

test('a hash of the legacy encoding has no fields with times, and keeps its encoding', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const legacy = '-ERR hash field expiration is not supported by legacy hash encoding';
  runner.line('HSET h a 1');
  runner.types.hashes.settings = { encodingMode: 'field-expiration', lengthMode: 'accurate' };
  const commands = [
    'HEXPIRE h 10 FIELDS 1 a',
    'HPEXPIREAT h 1 FIELDS 1 none',
    'HTTL h FIELDS 1 a',
    'HPERSIST h FIELDS 1 a',
    'HSETEX h FIELDS 1 a x',
    'HSETEX h FXX FIELDS 1 none x',
    'HGETEX h FIELDS 1 a',
    'HGETEX h PERSIST FIELDS 1 a',
  ];
  for (const line of commands) assert.equal(short(runner.line(line)), legacy, line);
  transcript(runner, [
    ['HSET h b 2', ':1'],
    ['HGETALL h', '[$a $1 $b $2]'],
    ['HGETDEL h FIELDS 2 a none', '[$1 nil]'],
  ]);
  runner.types.hashes.settings = { encodingMode: 'legacy', lengthMode: 'accurate' };
  transcript(runner, [
    ['HGETEX none EX 10 FIELDS 2 a b', '[nil nil]'],
    ['HSETEX none FXX FIELDS 1 a 1', ':0'],
    ['HSETEX none FIELDS 1 a 1', legacy],
    ['EXISTS none', ':0'],
  ]);
});

test('writes take times away or keep them, and take dead fields for missing ones', async () => {
  await using opened = await openTimed();
  const { runner } = opened;
  /** `p` lasts, `l` lives for long, `x` is dead, `k` lasts. */
  const prepare = (): void => {
    runner.line('DEL h');
    runner.line('HSET h p 10 l 20 x 30 k 40');
    runner.line('HEXPIRE h 300 FIELDS 1 l');
    runner.line('HPEXPIRE h 1 FIELDS 1 x');
    runner.nowMs += 2;
  };
  const cases: readonly (readonly [line: string, reply: string, size: number, lasting: number])[] = [
    ['HSET h p 11 l 21 x 31 m 41', ':2', 5, 5],
    ['HMSET h p 11 l 21 x 31 m 41', '+OK', 5, 5],
    ['HSETNX h p 11 l 21 x 31 m 41', ':2', 5, 4],
    ['HINCRBY h p 5', ':15', 4, 2],
    ['HINCRBY h l 5', ':25', 4, 2],
    ['HINCRBY h x 5', ':5', 4, 3],
    ['HINCRBY h m 5', ':5', 5, 3],
    ['HINCRBYFLOAT h l 0.5', '$20.5', 4, 2],
    ['HDEL h p l x m p', ':2', 1, 1],
    ['HDEL h x', ':0', 3, 2],
    ['HEXPIRE h 60 FIELDS 1 x', '[:-2]', 3, 2],
    ['HPERSIST h FIELDS 1 x', '[:-2]', 3, 2],
    ['HPERSIST h FIELDS 1 l', '[:1]', 4, 3],
    ['HGETDEL h FIELDS 4 p l x m', '[$10 $20 nil nil]', 1, 1],
    ['HSETEX h EX 600 FIELDS 4 p p2 l l2 x x2 m m2', ':1', 5, 1],
    ['HSETEX h FIELDS 4 p p2 l l2 x x2 m m2', ':1', 5, 5],
    ['HSETEX h KEEPTTL FIELDS 3 p p2 l l2 m m2', ':1', 5, 3],
    ['HSETEX h PXAT 1 FIELDS 4 p p2 l l2 x x2 m m2', ':1', 1, 1],
    ['HSETEX h FXX FIELDS 2 p c m c', ':0', 4, 2],
    ['HSETEX h FNX FIELDS 2 x x2 p p2', ':0', 3, 2],
    ['HSETEX h FNX FIELDS 2 p p2 x x2', ':0', 4, 2],
    ['HSETEX h FNX KEEPTTL FIELDS 2 x x2 m m2', ':1', 5, 4],
    ['HGETEX h FIELDS 4 p l x m', '[$10 $20 nil nil]', 3, 2],
    ['HGETEX h PERSIST FIELDS 4 p l x m', '[$10 $20 nil nil]', 3, 3],
    ['HGETEX h PXAT 1 FIELDS 4 p l x m', '[$10 $20 nil nil]', 1, 1],
    ['HGETEX h EX 600 FIELDS 4 p l x m', '[$10 $20 nil nil]', 3, 1],
    ['HGETEX h PX 0 FIELDS 2 p p', '[$10 nil]', 3, 1],
  ];
  for (const [line, reply, size, lasting] of cases) {
    prepare();
    assert.equal(short(runner.line(line)), reply, line);
    const tail = tailOf(runner, 'h');
    assert.deepEqual([tail?.size, tail?.lasting], [size, lasting], line);
    assert.equal(tail?.lowerMs === 0, tail?.size === tail?.lasting, line);
  }
});

test('HSETEX and HGETEX take their options in any order and refuse what is none', async () => {
  await using opened = await openTimed();
  const times = 'EX, PX, EXAT, PXAT or';
  transcript(opened.runner, [
    ['HSETEX h FIELDS 2 EX 60 FIELDS v FNX', ':1'],
    ['HGETEX h FIELDS 2 EX FIELDS PERSIST', '[$60 $v]'],
    ['HSETEX h FIELDS 3 f 1 f 2 f 3', ':1'],
    ['HGET h f', '$3'],
    ['hsetex h pXaT 1800000000000 fIeLdS 1 a 5', ':1'],
    ['HSETEX h KEEPTTL FXX FIELDS 1 a 6', ':1'],
    ['HPEXPIRETIME h FIELDS 1 a', '[:1800000000000]'],
    ['HSETEX h FIELDS 1 a x FIELDS 1 b y', '-ERR FIELDS keyword specified multiple times'],
    ['HSETEX h FIELDS 0 a x', '-ERR invalid number of fields'],
    ['HGETEX h FIELDS x a', '-ERR invalid number of fields'],
    ['HSETEX h FIELDS 2147483648 a x', '-ERR invalid number of fields'],
    ['HSETEX h FIELDS 2 a x', "-ERR wrong number of arguments for 'hsetex' command"],
    ['HGETEX h EX 10 FIELDS', "-ERR wrong number of arguments for 'hgetex' command"],
    ['HGETEX h FIELDS 1 a zz', '-ERR unknown argument: zz'],
    ['HSETEX h PERSIST FIELDS 1 a x', '-ERR unknown argument: PERSIST'],
    ['HGETEX h KEEPTTL FIELDS 1 a', '-ERR unknown argument: KEEPTTL'],
    ['HSETEX h FXX FNX FIELDS 1 a x', '-ERR Only one of FXX or FNX arguments can be specified'],
    ['HSETEX h EX 10 KEEPTTL FIELDS 1 a x', `-ERR Only one of ${times} KEEPTTL arguments can be specified`],
    ['HGETEX h PERSIST FIELDS 1 a PX', `-ERR Only one of ${times} PERSIST arguments can be specified`],
    ['HGETEX h FIELDS 1 a EX', '-ERR missing expire time'],
    ['HSETEX h EX FIELDS 1 a x', '-ERR value is not an integer or out of range'],
    ['HSETEX h EX -1 FIELDS 1 a x', '-ERR invalid expire time, must be >= 0'],
    ['HGETEX h PXAT 70368744177664 FIELDS 1 a', "-ERR invalid expire time in 'hgetex' command"],
    ['HSETEX h EX 10', '-ERR missing FIELDS argument'],
    ['HSETEX past PXAT 0 FIELDS 1 a x', ':1'],
    ['EXISTS past', ':0'],
  ]);
});

test('count and bounds are kept as Kvrocks keeps them', async () => {
  await using opened = await openTimed();
  const { runner } = opened;
  const t = 1_700_000_000_000;
  const rows: readonly (readonly [line: string, tail: readonly number[]])[] = [
    ['HSET h a 1 b 2', [2, 2, 0, 0]],
    ['HEXPIRE h 60 FIELDS 1 a', [2, 1, t + 60_000, t + 60_000]],
    ['HEXPIRE h 120 FIELDS 1 b', [2, 0, t + 60_000, t + 120_000]],
    ['HEXPIRE h 30 LT FIELDS 1 b', [2, 0, t + 30_000, t + 120_000]],
    ['HPERSIST h FIELDS 1 b', [2, 1, t + 30_000, t + 120_000]],
    ['HPERSIST h FIELDS 1 a', [2, 2, 0, 0]],
    ['HSETEX h EX 10 FIELDS 1 c 3', [3, 2, t + 10_000, t + 10_000]],
    ['HDEL h c', [2, 2, 0, 0]],
  ];
  for (const [line, tail] of rows) {
    assert.doesNotMatch(runner.line(line), /^-/);
    assert.deepEqual(Object.values(tailOf(runner, 'h') as Tail), tail, line);
    runner.commit();
  }
});

test('a hash all of whose fields have died is gone for every command', async () => {
  await using opened = await openTimed();
  const { runner } = opened;
  transcript(runner, [
    ['HSETEX h PX 10 FIELDS 2 a 1 b 2', ':1'],
    ['TYPE h', '+hash'],
    11,
    ['EXISTS h', ':0'],
    ['TYPE h', '+none'],
    ['HLEN h', ':0'],
    ['HGETALL h', '[]'],
    ['KEYS *', '[]'],
    ['SET h x', '+OK'],
    ['DEL h', ':1'],
    ['HSETEX h PX 10 FIELDS 1 a 1', ':1'],
    11,
    ['HSET h b 1', ':1'],
    ['HGETALL h', '[$b $1]'],
  ]);
});

test('the approximate length counts the dead until they are met', async () => {
  await using opened = await openTimed('approximate');
  transcript(opened.runner, [
    ['HSET h a 1 b 2', ':2'],
    ['HPEXPIRE h 5 FIELDS 1 a', '[:1]'],
    6,
    ['HLEN h', ':2'],
    ['HGETALL h', '[$b $2]'],
    ['HDEL h a', ':0'],
    ['HLEN h', ':1'],
  ]);
});

test('a copy keeps the times of the fields, and the expiry of the key is a thing of its own', async () => {
  await using opened = await openTimed();
  transcript(opened.runner, [
    ['HSETEX h PX 50 FIELDS 1 a 1', ':1'],
    ['HSET h b 2', ':1'],
    ['PEXPIRE h 100', ':1'],
    ['COPY h c', ':1'],
    ['RENAME h d', '+OK'],
    ['HPTTL c FIELDS 2 a b', '[:50 :-1]'],
    ['HPTTL d FIELDS 1 a', '[:50]'],
    ['PTTL d', ':100'],
    51,
    ['HGETALL d', '[$b $2]'],
    50,
    ['EXISTS c d', ':0'],
  ]);
});

test('records and log are those of Kvrocks', async () => {
  await using opened = await openTimed();
  const { runner } = opened;
  runner.line('HSETEX h PXAT 1700000060000 FIELDS 1 f v');
  const commit = runner.types.engine.commit();
  const reader = new BatchReader(commit?.packed as Buffer);
  const records: string[] = [];
  while (reader.next()) records.push(`${reader.kind} ${reader.value.view().toString('hex')}`);
  const log = Buffer.from('2 13 1').toString('hex');
  assert.ok((commit?.packed as Buffer).toString('hex').includes(log));
  const [, field, metadata] = records.length === 3 ? records : ['', ...records];
  assert.equal(field, 'put 0000018bcfe6526076');
  assert.match(metadata ?? '', /^put 820{16}[0-9a-f]{16}0{15}1010{16}0000018bcfe652600000018bcfe65260$/);
});

test('every change is said, and nothing else', async () => {
  await using opened = await openTimed();
  const { runner } = opened;
  const said = (line: string): string[] => {
    runner.events = [];
    runner.line(line);
    return runner.events;
  };
  assert.deepEqual(said('HSETEX h EX 10 FIELDS 2 a 1 b 2'), ['h hset h', 'h hexpire h']);
  assert.deepEqual(said('HEXPIRE h 10 NX FIELDS 1 a'), []);
  assert.deepEqual(said('HEXPIRE h 20 FIELDS 1 a'), ['h hexpire h']);
  assert.deepEqual(said('HGETEX h PERSIST FIELDS 1 a'), ['h hpersist h']);
  assert.deepEqual(said('HPERSIST h FIELDS 1 a'), []);
  assert.deepEqual(said('HPERSIST h FIELDS 1 b'), ['h hpersist h']);
  assert.deepEqual(said('HGETEX h EX 5 FIELDS 1 a'), ['h hexpire h']);
  assert.deepEqual(said('HEXPIRE h 0 FIELDS 1 a'), ['h hdel h']);
  assert.deepEqual(said('HGETDEL h FIELDS 1 none'), []);
  assert.deepEqual(said('HGETDEL h FIELDS 1 b'), ['h hdel h', 'g del h']);
});

test('long hashes are answered in slices that show one moment, the dead left out', async () => {
  await using opened = await openTimed();
  const { runner } = opened;
  const count = slicedAbove + 1000;
  const pairs = Array.from({ length: count }, (_, i) => [`f${String(i).padStart(6, '0')}`, `v${i}`]);
  runner.run('HSET', 'h', ...pairs.flat());
  runner.run('HPEXPIRE', 'h', '10', 'FIELDS', '2', 'f000000', 'f000500');
  runner.commit();
  runner.nowMs += 11;
  const expected = pairs.filter(([field]) => field !== 'f000000' && field !== 'f000500');
  for (const mayWait of [true, false]) {
    runner.mayWait = mayWait;
    const reply = runner.line('HGETALL h');
    assert.ok(reply.startsWith(`*${2 * (count - 2)}\r\n`));
    assert.equal(short(reply), `[${expected.map(([field, value]) => `$${field} $${value}`).join(' ')}]`);
    assert.equal(short(runner.line('HKEYS h')), `[${expected.map(([field]) => `$${field}`).join(' ')}]`);
  }
  assert.equal(runner.line('HLEN h'), `:${count - 2}\r\n`);
});

test('random commands leave count, bounds and fields in agreement with a simple model', async () => {
  await using opened = await openTimed();
  const { runner } = opened;
  let state = 11;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const model = new Map<string, { value: string; expireMs: number }>();
  const living = (field: string): { value: string; expireMs: number } | undefined => {
    const found = model.get(field);
    return found === undefined || (found.expireMs !== 0 && found.expireMs < runner.nowMs) ? undefined : found;
  };
  for (let i = 0; i < 3000; i++) {
    const field = `f${random(6)}`;
    const found = living(field);
    const ms = random(40);
    const atMs = runner.nowMs + ms;
    if (found === undefined) model.delete(field);
    switch (random(7)) {
      case 0:
        assert.equal(runner.line(`HSET h ${field} ${i}`), found === undefined ? ':1\r\n' : ':0\r\n');
        model.set(field, { value: String(i), expireMs: 0 });
        break;
      case 1:
        assert.equal(
          short(runner.line(`HPEXPIRE h ${ms} FIELDS 1 ${field}`)),
          found === undefined ? '[:-2]' : ms === 0 ? '[:2]' : '[:1]',
        );
        if (found !== undefined && ms === 0) model.delete(field);
        else if (found !== undefined) model.set(field, { ...found, expireMs: atMs });
        break;
      case 2:
        runner.line(`HPERSIST h FIELDS 1 ${field}`);
        if (found !== undefined) model.set(field, { ...found, expireMs: 0 });
        break;
      case 3:
        assert.equal(runner.line(`HDEL h ${field}`), found === undefined ? ':0\r\n' : ':1\r\n');
        model.delete(field);
        break;
      case 4:
        runner.line(`HSETEX h PX ${ms + 1} FIELDS 1 ${field} ${i}`);
        model.set(field, { value: String(i), expireMs: atMs + 1 });
        break;
      case 5:
        runner.nowMs += random(20);
        break;
      default:
        if (random(4) === 0) runner.commit();
        assert.equal(short(runner.line(`HGET h ${field}`)), found === undefined ? 'nil' : `$${found.value}`);
    }
    const fields = [...model.keys()].filter((each) => living(each) !== undefined).sort();
    assert.equal(
      short(runner.line('HGETALL h')),
      `[${fields.map((each) => `$${each} $${living(each)?.value ?? ''}`).join(' ')}]`,
    );
    assert.equal(runner.line('HLEN h'), `:${fields.length}\r\n`);
    const tail = tailOf(runner, 'h');
    const times = fields.map((each) => living(each)?.expireMs ?? 0).filter((time) => time !== 0);
    if (tail === undefined) assert.equal(fields.length, 0);
    else if (fields.length > 0) {
      assert.equal(tail.lasting, fields.length - times.length);
      for (const time of times) assert.ok(time >= tail.lowerMs && time <= tail.upperMs);
    }
  }
});

test('a value too short for its time is an operation error, not a value', async () => {
  await using opened = await openTimed();
  const { runner } = opened;
  runner.line('HSET h a 1');
  const { hashes } = runner.types;
  hashes.open({ ...spanOf('h'), namespace: defaultNamespace }, runner.nowMs);
  hashes.subkeyOf(spanOf('a'));
  hashes.store(spanOf('short'));
  assert.throws(() => runner.line('HGET h a'), { code: 'ENGINE_RECORD_CORRUPT' });
  assert.throws(() => runner.line('HGETALL h'), { code: 'ENGINE_RECORD_CORRUPT' });
});
