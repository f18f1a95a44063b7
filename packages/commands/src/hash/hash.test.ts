import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Metadata, Scratch, defaultNamespace, family, spanOf, typeId, writeMetadataKey } from '@holdfast/engine';
import { openTestCommands, type CommandRunner } from '../data/testing/command-runner.ts';
import { short, transcript } from '../data/testing/transcript.ts';

test('fields are set, counted, read and deleted; a hash without fields is gone', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['HSET h a 1 b 2', ':2'],
    ['HSET h b 3 c 4', ':1'],
    ['HSET h a 1', ':0'],
    ['HSET h x 1 x 2', ':1'],
    ['HGET h x', '$2'],
    ['HSET h x 1 x 2', ':0'],
    ['HGET h x', '$2'],
    ['HLEN h', ':4'],
    ['HGETALL h', '[$a $1 $b $3 $c $4 $x $2]'],
    ['HKEYS h', '[$a $b $c $x]'],
    ['HVALS h', '[$1 $3 $4 $2]'],
    ['HMGET h a none c', '[$1 nil $4]'],
    ['HEXISTS h a', ':1'],
    ['HEXISTS h none', ':0'],
    ['HSTRLEN h a', ':1'],
    ['HSETNX h a 9', ':0'],
    ['HSETNX h d 9', ':1'],
    ['HSETNX h d 8 e1 1 a 8 e1 2', ':1'],
    ['HMGET h a d e1', '[$1 $9 $1]'],
    ['HDEL h e1', ':1'],
    ['HMSET h e 5 f 6', '+OK'],
    ['HDEL h a a none b', ':2'],
    ['HLEN h', ':5'],
    ['HDEL h c d e f x', ':5'],
    ['EXISTS h', ':0'],
    ['TYPE h', '+none'],
    ['HGETALL h', '[]'],
    ['HGET h a', 'nil'],
    ['HDEL h a', ':0'],
    ['HSET h a', "-ERR wrong number of arguments for 'hset' command"],
    ['HSET h a 1 b', "-ERR wrong number of arguments for 'hset' command"],
    ['HMSET h a 1 b', "-ERR wrong number of arguments for 'hmset' command"],
  ]);
});

test('a hash that is created anew shows none of its former fields', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  for (const way of ['DEL h', 'SET h x', 'PEXPIRE h 1', 'HDEL h a b']) {
    transcript(runner, [
      ['HSET h a 1 b 2', ':2'],
      [way, way.startsWith('SET') ? '+OK' : way.startsWith('HDEL') ? ':2' : ':1'],
      2,
      ...(way.startsWith('SET') ? ([['DEL h', ':1']] as const) : []),
      ['HSET h c 3', ':1'],
      ['HGETALL h', '[$c $3]'],
      ['HGET h a', 'nil'],
    ]);
    runner.commit();
    transcript(runner, [
      ['HGETALL h', '[$c $3]'],
      ['DEL h', ':1'],
    ]);
  }
});

test('numbers in fields count as those in strings do', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['HINCRBY h n 5', ':5'],
    ['HINCRBY h n -7', ':-2'],
    ['HSET h n 9223372036854775807', ':0'],
    ['HINCRBY h n 1', '-ERR increment or decrement would overflow'],
    ['HINCRBY h n x', '-ERR value is not an integer or out of range'],
    ['HSET h n x', ':0'],
    ['HINCRBY h n 1', '-ERR hash value is not an integer: it has non-integer characters'],
    ['HINCRBYFLOAT h n 1', '-ERR hash value is not a float: it is not a number'],
    ['HINCRBYFLOAT h f 10.5', '$10.5'],
    ['HINCRBYFLOAT h f 0.1', '$10.6'],
    ['HINCRBYFLOAT h f x', '-ERR value is not a valid float'],
    ['HINCRBYFLOAT h f inf', '-ERR value is NaN or Infinity'],
    ['HLEN h', ':2'],
  ]);
});

test('HSETEXPIRE sets fields and the expiry of the whole hash', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['HSETEXPIRE h 10 a 1', '+OK'],
    ['TTL h', ':10'],
    ['HSET h b 2', ':1'],
    ['TTL h', ':10'],
    ['HSETEXPIRE h 20 a 1', '+OK'],
    ['TTL h', ':20'],
    ['HSETEXPIRE h 20 a 1 b', '-ERR Invalid number of arguments: field-value pairs must be complete'],
    ['HSETEXPIRE h x a 1', '-ERR value is not an integer or out of range'],
    20_001,
    ['HLEN h', ':0'],
  ]);
});

test('HRANGEBYLEX walks a range of fields either way', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['HMSET h a 1 b 2 c 3 d 4 e 5', '+OK'],
    ['HRANGEBYLEX h - +', '[$a $1 $b $2 $c $3 $d $4 $e $5]'],
    ['HRANGEBYLEX h [b (d', '[$b $2 $c $3]'],
    ['HRANGEBYLEX h (b [d', '[$c $3 $d $4]'],
    ['HRANGEBYLEX h [bb +', '[$c $3 $d $4 $e $5]'],
    ['HRANGEBYLEX h (d [b REV', '[$c $3 $b $2]'],
    ['HRANGEBYLEX h + - REV LIMIT 1 2', '[$d $4 $c $3]'],
    ['HRANGEBYLEX h - + LIMIT 3 -1', '[$d $4 $e $5]'],
    ['HRANGEBYLEX h - + LIMIT 0 0', '[]'],
    ['HRANGEBYLEX h + -', '[]'],
    ['HRANGEBYLEX h [d [b', '[]'],
    ['HRANGEBYLEX none - +', '[]'],
    ['HRANGEBYLEX h b c', '-ERR min or max not valid string range item: the min is illegal'],
    ['HRANGEBYLEX h - + LIMIT 1', '-ERR no more item to parse'],
    ['HRANGEBYLEX h - + LIMITS 1 1', '-ERR syntax error'],
  ]);
});

test('the replies are maps and pairs in RESP3', async () => {
  await using opened = await openTestCommands();
  opened.runner.protocol = 3;
  transcript(opened.runner, [
    ['HGETALL h', '{}'],
    ['HMSET h a 1', '+OK'],
    ['HGETALL h', '{$a $1}'],
    ['HGET h none', 'nil'],
    ['HRANDFIELD h 5 WITHVALUES', '[[$a $1]]'],
    ['HRANDFIELD none', 'nil'],
  ]);
});

/** Fields of a whole HSCAN iteration, and how many steps it took. */
function scanAll(runner: CommandRunner, line: string): { items: string[]; steps: number } {
  const items: string[] = [];
  let cursor = '0';
  let steps = 0;
  do {
    const reply = short(runner.line(line.replace('@', cursor)));
    const match = /^\[\$(\d+) \[(.*)\]\]$/s.exec(reply);
    assert.ok(match !== null, reply);
    cursor = match[1] as string;
    if (match[2] !== '') items.push(...(match[2] as string).split(' '));
    assert.ok(++steps < 1000);
  } while (cursor !== '0');
  return { items, steps };
}

test('HSCAN returns every field once, in steps of COUNT', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const fields = Array.from({ length: 95 }, (_, i) => `f${String(i).padStart(3, '0')}`);
  for (const [i, field] of fields.entries()) {
    runner.run('HSET', 'h', field, `v${i}`);
    if (i === 50) runner.commit();
  }
  const { items, steps } = scanAll(runner, 'HSCAN h @ COUNT 10');
  assert.deepEqual(
    items,
    fields.flatMap((field, i) => [`$${field}`, `$v${i}`]),
  );
  assert.equal(steps, 10);
  assert.equal(scanAll(runner, 'HSCAN h @').steps, 5);
  assert.deepEqual(
    scanAll(runner, 'HSCAN h @ MATCH f00? COUNT 7 NOVALUES').items,
    fields.slice(0, 10).map((f) => `$${f}`),
  );
  transcript(runner, [
    ['HSCAN none 0', '[$0 []]'],
    ['HSCAN h x', '-ERR invalid cursor'],
    ['HSCAN h 0 COUNT 0', '-ERR limit should be a positive integer'],
    ['HSCAN h 0 COUNT x', '-ERR value is not an integer or out of range'],
    ['HSCAN h 0 MATCH', '-ERR syntax error'],
    ['HSCAN h 0 TYPE hash', '-ERR syntax error'],
  ]);
});

test('HRANDFIELD draws distinct fields, or repeated ones, and never any that is not there', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  runner.line('HMSET h a 1 b 2 c 3 d 4');
  const drawn = (line: string): string[] => short(runner.line(line)).replace(/[[\]]/g, '').split(' ').filter(Boolean);
  const seen = new Set<string>();
  for (let i = 0; i < 100; i++) {
    const two = drawn('HRANDFIELD h 2');
    assert.equal(new Set(two).size, 2);
    for (const field of two) seen.add(field);
    seen.add(short(runner.line('HRANDFIELD h')));
  }
  assert.deepEqual([...seen].sort(), ['$a', '$b', '$c', '$d']);
  assert.deepEqual(drawn('HRANDFIELD h 100'), ['$a', '$b', '$c', '$d']);
  assert.equal(drawn('HRANDFIELD h -50').length, 50);
  const pairs = drawn('HRANDFIELD h -50 WITHVALUES');
  const values: Record<string, string> = { $a: '$1', $b: '$2', $c: '$3', $d: '$4' };
  for (let i = 0; i < pairs.length; i += 2) assert.equal(pairs[i + 1], values[pairs[i] as string]);
  transcript(runner, [
    ['HRANDFIELD h 0', '[]'],
    ['HRANDFIELD none', 'nil'],
    ['HRANDFIELD none 3', '[]'],
    ['HRANDFIELD h 1 FOO', '-ERR syntax error'],
    ['HRANDFIELD h x', '-ERR value is not an integer or out of range'],
    ['HRANDFIELD h -9223372036854775808', '-ERR value is out of range'],
  ]);
});

/** Puts a hash record with a given body and size, as another writer may have left it. */
function putRecord(runner: CommandRunner, options: { is64: boolean; size: number; tail: string; key?: string }): void {
  const { engine } = runner.types;
  const meta = new Metadata();
  meta.create(typeId.hash, { high: 1, low: 2 });
  meta.is64 = options.is64;
  meta.size = options.size;
  const key = new Scratch();
  writeMetadataKey(key, { ...spanOf(options.key ?? 'h'), namespace: defaultNamespace }, false);
  const value = new Scratch();
  meta.write(value);
  engine.tick.put(family.metadata, key, value, spanOf(Buffer.from(options.tail, 'hex')));
}

test('a hash in an encoding that is not known is refused instead of showing its values as they are', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  putRecord(runner, { is64: true, size: 1, tail: `02${'00'.repeat(24)}` });
  for (const line of ['HGET h a', 'HSET h a 1', 'HGETALL h', 'HDEL h a', 'HSCAN h 0']) {
    assert.match(runner.line(line), /^-ERR the hash is stored in an encoding/, line);
  }
  assert.equal(short(runner.line('DEL h')), ':1');
});

test('a record in the 32-bit form keeps it', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  putRecord(runner, { is64: false, size: 1, tail: '' });
  transcript(runner, [
    ['HSET h a 1', ':1'],
    ['HLEN h', ':2'],
    ['EXPIRE h 10', ':1'],
    ['TTL h', ':10'],
  ]);
  const { engine } = runner.types;
  writeMetadataKey(engine.key, { ...spanOf('h'), namespace: defaultNamespace }, false);
  assert.ok(engine.get(family.metadata, engine.key));
  assert.equal(engine.value.view().toString('hex'), '026553f10a000000010000000200000002');
});

test('a size that does not agree with the fields never puts the reply out of step', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  for (const size of [1, 7]) {
    putRecord(runner, { is64: true, size: 3, tail: '', key: 'x' });
    runner.line('HMSET x a 1 b 2');
    putRecord(runner, { is64: true, size, tail: '', key: 'x' });
    transcript(runner, [
      ['HGETALL x', '[$a $1 $b $2]'],
      ['HKEYS x', '[$a $b]'],
    ]);
  }
});
