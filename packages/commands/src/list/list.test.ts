import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReplyWriter, Request } from '@holdfast/resp';
import type { Session } from '../session.ts';
import { slicedAbove, type SlicedReply } from '../sliced.ts';
import { openTestCommands } from '../data/testing/command-runner.ts';
import { short, transcript } from '../data/testing/transcript.ts';

const wrongType = '-WRONGTYPE Operation against a key holding the wrong kind of value';

test('elements are pushed and popped at both ends; a list without elements is gone', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['LPUSHX l a', ':0'],
    ['RPUSHX l a', ':0'],
    ['EXISTS l', ':0'],
    ['LPUSH l a b c', ':3'],
    ['RPUSH l 1 2', ':5'],
    ['RPUSHX l 3 4', ':7'],
    ['LPUSHX l d', ':8'],
    ['TYPE l', '+list'],
    ['LLEN l', ':8'],
    ['LRANGE l 0 -1', '[$d $c $b $a $1 $2 $3 $4]'],
    ['LPOP l', '$d'],
    ['RPOP l', '$4'],
    ['LPOP l 0', '[]'],
    ['LPOP l 2', '[$c $b]'],
    ['RPOP l 2', '[$3 $2]'],
    ['LPOP l 9', '[$a $1]'],
    ['EXISTS l', ':0'],
    ['LLEN l', ':0'],
    ['LPOP l', 'nil'],
    ['RPOP l 1', 'nil-array'],
    ['RPOP l 0', 'nil-array'],
    ['LPOP l -1', '-ERR value is out of range, must be positive'],
    ['LPOP l x', '-ERR value is out of range, must be positive'],
    ['LPOP l 1 1', "-ERR wrong number of arguments for 'lpop' command"],
    ['RPOP l 1 1', "-ERR wrong number of arguments for 'rpop' command"],
    ['RPUSH l x', ':1'],
    ['LRANGE l 0 -1', '[$x]'],
  ]);
});

test('a list that is created anew shows none of its former elements', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  for (const way of ['DEL l', 'PEXPIRE l 1', 'LTRIM l 5 1', 'LREM l 0 a', 'LMPOP 1 l LEFT COUNT 9']) {
    transcript(runner, [
      ['RPUSH l a a', ':2'],
      ['PERSIST l', ':0'],
    ]);
    runner.line(way);
    transcript(runner, [2, ['EXISTS l', ':0'], ['RPUSH l b', ':1'], ['LRANGE l 0 -1', '[$b]']]);
    runner.commit();
    transcript(runner, [
      ['LRANGE l 0 -1', '[$b]'],
      ['PTTL l', ':-1'],
      ['DEL l', ':1'],
    ]);
  }
});

test('elements are read and set by index, from either end', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['RPUSH l a b c d e', ':5'],
    ['LINDEX l 0', '$a'],
    ['LINDEX l 4', '$e'],
    ['LINDEX l 5', 'nil'],
    ['LINDEX l -5', '$a'],
    ['LINDEX l -6', 'nil'],
    ['LINDEX none 0', 'nil'],
    ['LINDEX l x', '-ERR value is not an integer or out of range'],
    ['LSET l 1 B', '+OK'],
    ['LSET l -1 E', '+OK'],
    ['LSET l 5 x', '-ERR index out of range'],
    ['LSET l -6 x', '-ERR index out of range'],
    ['LSET none 0 x', '-ERR no such key'],
    ['LRANGE l 1 -2', '[$B $c $d]'],
    ['LRANGE l -3 100', '[$c $d $E]'],
    ['LRANGE l -100 1', '[$a $B]'],
    ['LRANGE l 3 1', '[]'],
    ['LRANGE l 9 10', '[]'],
    ['LRANGE l 0 -9223372036854775808', '[]'],
    ['LRANGE none 0 -1', '[]'],
    ['LRANGE l 0 9223372036854775808', '-ERR value is not an integer or out of range'],
  ]);
});

test('elements are inserted beside others, removed by value and trimmed away', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['LINSERT none BEFORE a b', ':0'],
    ['RPUSH l a b c d e', ':5'],
    ['LINSERT l before a 0', ':6'],
    ['LINSERT l AFTER a 1', ':7'],
    ['LINSERT l BEFORE e 4', ':8'],
    ['LINSERT l AFTER e 5', ':9'],
    ['LINSERT l AFTER none x', ':-1'],
    ['LINSERT l beside a x', '-ERR syntax error'],
    ['LRANGE l 0 -1', '[$0 $a $1 $b $c $d $4 $e $5]'],
    ['RPUSH r x a x b x c x', ':7'],
    ['LREM r 2 x', ':2'],
    ['LRANGE r 0 -1', '[$a $b $x $c $x]'],
    ['LREM r -1 x', ':1'],
    ['LRANGE r 0 -1', '[$a $b $x $c]'],
    ['LREM r 0 x', ':1'],
    ['LREM r 0 none', ':0'],
    ['LREM none 0 x', ':0'],
    ['LREM r x x', '-ERR value is not an integer or out of range'],
    ['LRANGE r 0 -1', '[$a $b $c]'],
    ['LTRIM r 1 1', '+OK'],
    ['LRANGE r 0 -1', '[$b]'],
    ['LTRIM none 0 1', '+OK'],
    ['LTRIM r 0 x', '-ERR value is not an integer or out of range'],
    ['LTRIM l 2 -3', '+OK'],
    ['LRANGE l 0 -1', '[$1 $b $c $d $4]'],
    ['LTRIM l 5 9', '+OK'],
    ['EXISTS l', ':0'],
  ]);
});

const rankText =
  "-ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... " +
  'or use negative to start from the end of the list';

test('LPOS finds matches from either end, skips, counts and gives up', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['RPUSH l a b c 1 2 3 c c', ':8'],
    ['LPOS l a', ':0'],
    ['LPOS l c', ':2'],
    ['LPOS l c RANK 2', ':6'],
    ['LPOS l c RANK 4', 'nil'],
    ['LPOS l c RANK -1', ':7'],
    ['LPOS l c RANK -3', ':2'],
    ['LPOS l c COUNT 0', '[:2 :6 :7]'],
    ['LPOS l c COUNT 2 RANK -1', '[:7 :6]'],
    ['LPOS l c COUNT 0 MAXLEN 7', '[:2 :6]'],
    ['LPOS l c MAXLEN 2', 'nil'],
    ['LPOS l c COUNT 1 MAXLEN 2', '[]'],
    ['LPOS none c', 'nil'],
    ['LPOS none c COUNT 0', '[]'],
    ['LPOS l c RANK 0', rankText],
    ['LPOS l c COUNT -1', "-ERR COUNT can't be negative"],
    ['LPOS l c MAXLEN -1', "-ERR MAXLEN can't be negative"],
    ['LPOS l c RANK', '-ERR syntax error'],
    ['LPOS l c LIMIT 1', '-ERR syntax error'],
    ['LPOS l c RANK 9223372036854775807', 'nil'],
    ['LPOS l c RANK x', '-ERR value is not an integer or out of range'],
  ]);
  assert.match(
    opened.runner.line('LPOS l c RANK -9223372036854775808'),
    /^-ERR value is out of range.*rank would overflow/,
  );
});

test('elements move between lists and around in one; a destination of another type leaves both as they were', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  transcript(runner, [
    ['RPUSH a 1 2 3 4', ':4'],
    ['LMOVE a b LEFT RIGHT', '$1'],
    ['LMOVE a b RIGHT LEFT', '$4'],
    ['RPOPLPUSH a b', '$3'],
    ['LRANGE a 0 -1', '[$2]'],
    ['LRANGE b 0 -1', '[$3 $4 $1]'],
    ['LMOVE b b LEFT RIGHT', '$3'],
    ['LMOVE b b RIGHT RIGHT', '$3'],
    ['RPOPLPUSH b b', '$3'],
    ['LRANGE b 0 -1', '[$3 $4 $1]'],
    ['RPOPLPUSH a a', '$2'],
    ['LMOVE none a LEFT LEFT', 'nil'],
    ['LMOVE none none LEFT LEFT', 'nil'],
    ['LMOVE a b UP LEFT', '-ERR syntax error'],
    ['SET s x', '+OK'],
    ['LMOVE none s LEFT LEFT', 'nil'],
    ['LMOVE s a LEFT LEFT', wrongType],
  ]);
  const before = runner.types.engine.visibleSequence();
  transcript(runner, [
    ['LMOVE a s LEFT LEFT', wrongType],
    ['RPOPLPUSH a s', wrongType],
    ['BLMOVE a s LEFT LEFT 0', wrongType],
    ['BRPOPLPUSH a s 0', wrongType],
  ]);
  assert.equal(runner.types.engine.visibleSequence(), before);
  transcript(runner, [
    ['LMOVE a b LEFT LEFT', '$2'],
    ['EXISTS a', ':0'],
    ['LRANGE b 0 -1', '[$2 $3 $4 $1]'],
  ]);
});

test('LMPOP pops from the first list that is there', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  transcript(runner, [
    ['LMPOP 1 a LEFT', 'nil-array'],
    ['RPUSH b 1 2 3', ':3'],
    ['RPUSH c x', ':1'],
    ['LMPOP 3 a b c LEFT', '[$b [$1]]'],
    ['LMPOP 2 b c right COUNT 9', '[$b [$3 $2]]'],
    ['LMPOP 2 b c RIGHT COUNT 9', '[$c [$x]]'],
    ['LMPOP 0 a LEFT', '-ERR numkeys should be greater than 0'],
    ['LMPOP x a LEFT', '-ERR numkeys should be greater than 0'],
    ['LMPOP 2 a LEFT', '-ERR syntax error'],
    ['LMPOP 1 a LEFT COUNT 0', '-ERR count should be greater than 0'],
    ['LMPOP 1 a LEFT COUNT x', '-ERR count should be greater than 0'],
    ['LMPOP 1 a LEFT COUNT', '-ERR syntax error'],
    ['LMPOP 1 a LEFT COUNT 1 COUNT 1', '-ERR syntax error'],
    ['LMPOP 1 a UP', '-ERR syntax error'],
    ['SET s x', '+OK'],
    ['LMPOP 2 s a LEFT', wrongType],
  ]);
  runner.protocol = 3;
  assert.equal(runner.line('LMPOP 1 none LEFT'), '_\r\n');
  assert.equal(runner.line('LPOP none'), '_\r\n');
});

test('a range of many elements is answered whole, in slices and not', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const count = slicedAbove + 100;
  const values = Array.from({ length: count }, (_, i) => `v${i}`);
  // Both halves of the middle, and both what is committed and what is not.
  runner.run('LPUSH', 'l', ...values.slice(0, 5000).reverse());
  runner.commit();
  runner.run('RPUSH', 'l', ...values.slice(5000));
  const whole = short(runner.line('LRANGE l 0 -1'));
  assert.equal(whole, `[${values.map((value) => `$${value}`).join(' ')}]`);
  runner.mayWait = false;
  assert.equal(short(runner.line('LRANGE l 0 -1')), whole);
});

test('slices show the list as it was when the command ran, whatever is written between them', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const values = Array.from({ length: slicedAbove + 1 }, (_, i) => `v${i}`);
  runner.run('RPUSH', 'l', ...values);
  runner.commit();
  runner.line('LSET l 8000 uncommitted');
  values[8000] = 'uncommitted';
  const request = Request.of('LRANGE', 'l', '0', '-1');
  const definition = runner.definitions.get('lrange');
  assert.ok(definition !== undefined);
  const reply = new ReplyWriter();
  let sliced: SlicedReply | undefined;
  const { nowMs, namespace } = runner;
  const slices = { begin: (begun: SlicedReply) => void (sliced = begun) };
  definition.run({ nowMs, namespace, session: {} as Session, slices }, definition.parse(request), reply);
  assert.ok(sliced !== undefined);
  assert.equal(reply.take().toString(), `*${values.length}\r\n`);
  let body = '';
  let count = 0;
  try {
    for (let isLast = false; !isLast; count++) {
      isLast = !sliced.next(reply);
      body += reply.take().toString();
      runner.line(['LSET l 5000 changed', 'LTRIM l 100 -100', 'DEL l', 'RPUSH l new'][count % 4] as string);
      runner.commit();
    }
  } finally {
    sliced.close();
  }
  assert.ok(count >= 4, `${count} slices`);
  assert.equal(body, values.map((value) => `$${value.length}\r\n${value}\r\n`).join(''));
});

test('list commands say what they did, and del when the last element went', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const rows: [line: string, ...events: string[]][] = [
    ['RPUSH l a b c', 'l rpush l'],
    ['LPUSHX l x', 'l lpush l'],
    ['LPUSHX none x'],
    ['LMOVE l m LEFT RIGHT', 'l rpush m', 'l lpop l'],
    ['LMOVE m l LEFT RIGHT', 'l rpush l', 'l lpop m', 'g del m'],
    ['LMOVE l l LEFT LEFT', 'l lpush l', 'l lpop l'],
    ['RPOPLPUSH l l', 'l lpush l', 'l rpop l'],
    ['LSET l 0 q', 'l lset l'],
    ['LSET l 9 q'],
    ['LINSERT l BEFORE q z', 'l linsert l'],
    ['LINSERT l BEFORE none z'],
    ['LREM l 0 none'],
    ['LREM l 0 z', 'l lrem l'],
    ['LTRIM l 0 -1', 'l ltrim l'],
    ['LTRIM none 0 1'],
    ['LPOP l 0'],
    ['LPOP l 2', 'l lpop l'],
    ['LMPOP 1 l RIGHT COUNT 10', 'l rpop l', 'g del l'],
    ['RPUSH l a', 'l rpush l'],
    ['LREM l 0 a', 'l lrem l', 'g del l'],
    ['RPUSH l a', 'l rpush l'],
    ['LTRIM l 5 1', 'l ltrim l', 'g del l'],
    ['RPUSH l a b', 'l rpush l'],
    ['BLPOP l 0', 'l lpop l'],
    ['BLMOVE l m LEFT LEFT 0', 'l lpush m', 'l lpop l', 'g del l'],
    ['BRPOPLPUSH m m 0', 'l lpush m', 'l rpop m'],
    ['BLMPOP 0 1 m LEFT', 'l lpop m', 'g del m'],
    ['BLPOP m 0'],
    ['LRANGE l 0 -1'],
  ];
  for (const [line, ...events] of rows) {
    runner.events = [];
    runner.line(line);
    assert.deepEqual(runner.events, events, line);
  }
});
