import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReplyWriter } from '@holdfast/resp';
import { openTestCommands, type CommandRunner } from '../data/testing/command-runner.ts';
import { short, transcript } from '../data/testing/transcript.ts';

const wrongType = '-WRONGTYPE Operation against a key holding the wrong kind of value';

/** Runs a command that has to wait, and hands the wait on to be tried again beside other commands. */
function begin(
  runner: CommandRunner,
  line: string,
): { retry(): string | undefined; keys: string[]; timeoutMs: number } {
  assert.equal(runner.line(line), '', line);
  const { waiting } = runner;
  assert.ok(waiting !== undefined, line);
  return {
    keys: waiting.keys.map(String),
    timeoutMs: waiting.timeoutMs,
    retry() {
      runner.waiting = waiting;
      const reply = runner.retry();
      return reply === undefined ? undefined : short(reply);
    },
  };
}

test('a blocking pop that finds an element answers at once', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['RPUSH b 1 2 3 4 5 6', ':6'],
    ['BLPOP a b 0', '[$b $1]'],
    ['BRPOP a b 1.5', '[$b $6]'],
    ['BLMPOP 0 2 a b RIGHT COUNT 2', '[$b [$5 $4]]'],
    ['BLMOVE b c LEFT RIGHT 0', '$2'],
    ['BRPOPLPUSH b c 0', '$3'],
    ['EXISTS b', ':0'],
    ['LRANGE c 0 -1', '[$3 $2]'],
    ['BLMOVE c c LEFT RIGHT 0', '$3'],
    ['LRANGE c 0 -1', '[$2 $3]'],
  ]);
});

test('a blocking pop waits for its keys and is served from the first that has become a list', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const rows: [line: string, served: string, rest: string][] = [
    ['BLPOP a b 1', '[$b $1]', '[$2 $3]'],
    ['BRPOP a b 0.25', '[$b $3]', '[$1 $2]'],
    ['BLMPOP 0 2 a b LEFT COUNT 2', '[$b [$1 $2]]', '[$3]'],
    ['BLMPOP 0 2 a b RIGHT', '[$b [$3]]', '[$1 $2]'],
    ['BLMOVE b to LEFT LEFT 0', '$1', '[$2 $3]'],
    ['BRPOPLPUSH b to 0', '$3', '[$1 $2]'],
    ['BLMOVE b b LEFT RIGHT 0', '$1', '[$2 $3 $1]'],
  ];
  for (const [line, served, rest] of rows) {
    const wait = begin(runner, line);
    assert.equal(wait.retry(), undefined, line);
    transcript(runner, [['RPUSH b 1 2 3', ':3']]);
    runner.commit();
    assert.equal(wait.retry(), served, line);
    transcript(runner, [
      ['LRANGE b 0 -1', rest],
      ['DEL b', ':1'],
    ]);
  }
});

test('a wait says which keys it is for, and for how long', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const rows: [line: string, keys: string[], timeoutMs: number][] = [
    ['BLPOP a b a 1.5', ['a', 'b', 'a'], 1500],
    ['BRPOP a 0', ['a'], 0],
    ['BLMPOP 0.001 2 a b LEFT COUNT 3', ['a', 'b'], 1],
    ['BLMOVE a b LEFT RIGHT 0.0001', ['a'], 1],
    ['BRPOPLPUSH a b 10', ['a'], 10_000],
  ];
  for (const [line, keys, timeoutMs] of rows) {
    const wait = begin(runner, line);
    assert.deepEqual([wait.keys, wait.timeoutMs], [keys, timeoutMs], line);
  }
});

test('what a wait keeps is its own: the request it came with may be written over', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const wait = begin(runner, 'BLPOP key 0');
  const other = begin(runner, 'BLPOP yyy 0');
  transcript(runner, [['RPUSH key v', ':1']]);
  assert.equal(other.retry(), undefined);
  assert.equal(wait.retry(), '[$key $v]');
});

test('a key that becomes another type is waited on; once another key is a list, it is an error before it', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  transcript(runner, [['SET s x', '+OK']]);
  for (const line of [
    'BLPOP s b 0',
    'BRPOP a s 0',
    'BLMPOP 0 2 s b LEFT',
    'BLMOVE s b LEFT LEFT 0',
    'BRPOPLPUSH s b 0',
  ]) {
    assert.equal(short(runner.line(line)), wrongType, line);
    assert.equal(runner.waiting, undefined);
  }
  const wait = begin(runner, 'BLPOP a b 0');
  transcript(runner, [['SET a x', '+OK']]);
  assert.equal(wait.retry(), undefined);
  transcript(runner, [['RPUSH b 1', ':1']]);
  assert.equal(wait.retry(), wrongType);
  transcript(runner, [
    ['LRANGE b 0 -1', '[$1]'],
    ['DEL a', ':1'],
  ]);
});

test('a move that is served finds a destination of another type: an error, and the element stays', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const wait = begin(runner, 'BLMOVE a s LEFT RIGHT 0');
  transcript(runner, [
    ['SET s x', '+OK'],
    ['RPUSH a 1 2', ':2'],
  ]);
  assert.equal(wait.retry(), wrongType);
  transcript(runner, [['LRANGE a 0 -1', '[$1 $2]']]);
});

test('an expired list serves nobody', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const wait = begin(runner, 'BLPOP a 0');
  transcript(runner, [['RPUSH a 1', ':1'], ['PEXPIRE a 10', ':1'], 20]);
  assert.equal(wait.retry(), undefined);
});

test('where nothing may wait, and when the time is up, there is no element', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  for (const protocol of [2, 3] as const) {
    runner.protocol = protocol;
    const nilArray = protocol === 2 ? '*-1\r\n' : '_\r\n';
    const nil = protocol === 2 ? '$-1\r\n' : '_\r\n';
    const rows: [line: string, refused: string][] = [
      ['BLPOP a b 0', nilArray],
      ['BRPOP a 0', nilArray],
      ['BLMPOP 0 1 a LEFT', nilArray],
      ['BLMOVE a b LEFT RIGHT 0', nil],
      ['BRPOPLPUSH a b 0', nil],
    ];
    for (const [line, refused] of rows) {
      runner.mayWait = false;
      assert.equal(runner.line(line), refused, line);
      runner.mayWait = true;
      assert.equal(runner.line(line), '', line);
      const reply = new ReplyWriter();
      reply.protocol = protocol;
      runner.waiting?.expire(reply);
      assert.equal(reply.take().toString(), nilArray, line);
    }
  }
});

test('timeouts and sides that cannot be are refused', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['BLPOP a -1', '-ERR timeout is negative'],
    ['BRPOP a x', '-ERR timeout is not a float or out of range'],
    ['BLPOP a 0x7FFFFFFFFFFFFF', '-ERR timeout is out of range'],
    ['BLMPOP x 1 a LEFT', '-ERR timeout is not a float or out of range'],
    ['BLMPOP x 1 a UP', '-ERR syntax error'],
    ['BLMPOP 0 0 a LEFT', '-ERR numkeys should be greater than 0'],
    ['BLMPOP 0 1 a LEFT COUNT 0', '-ERR count should be greater than 0'],
    ['BLMOVE a b LEFT UP 0', '-ERR syntax error'],
    ['BLMOVE a b LEFT LEFT -1', '-ERR timeout is negative'],
    ['BRPOPLPUSH a b nan', '-ERR timeout is not a float or out of range'],
  ]);
});
