// XREAD and XREADGROUP that wait: what they are woken by, what they answer, what they keep.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReplyWriter, Request } from '@holdfast/resp';
import { openTestCommands, type CommandRunner } from '../data/testing/command-runner.ts';
import { short, transcript } from '../data/testing/transcript.ts';

/** Begins a command that has to wait. */
function begin(runner: CommandRunner, line: string): NonNullable<CommandRunner['waiting']> {
  assert.equal(runner.line(line), '', line);
  assert.ok(runner.waiting !== undefined, `${line} does not wait`);
  return runner.waiting;
}

/** Runs other commands while `wait` goes on, then asks it again. @returns its reply in short form; undefined: waits on. */
function after(runner: CommandRunner, wait: CommandRunner['waiting'], ...lines: string[]): string | undefined {
  for (const line of lines) runner.line(line);
  runner.waiting = wait;
  const reply = runner.retry();
  return reply === undefined ? undefined : short(reply);
}

test('XREAD waits for entries behind its ids, $ being the last one when it was called', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  runner.line('XADD s 5-0 f old');
  const wait = begin(runner, 'XREAD COUNT 2 BLOCK 100 STREAMS s none s $ $ 5-1');
  assert.deepEqual([wait.timeoutMs, wait.keys.map(String)], [100, ['s', 'none', 's']]);
  assert.equal(after(runner, wait, 'XADD other 1-0 f v'), undefined);
  assert.equal(
    after(runner, wait, 'XADD s 5-1 f a', 'XADD s 5-2 f b', 'XADD s 5-3 f c'),
    '[[$s [[$5-1 [$f $a]] [$5-2 [$f $b]]]] [$s [[$5-2 [$f $b]] [$5-3 [$f $c]]]]]',
  );
  assert.equal(runner.waiting, undefined);
});

test('XREAD does not wait when there is something to read, and waits through other types and deletion', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  transcript(runner, [
    ['XADD s 5-0 f v', '$5-0'],
    ['XREAD BLOCK 0 STREAMS s 4', '[[$s [[$5-0 [$f $v]]]]]'],
    ['SET string v', '+OK'],
    ['XREAD BLOCK 0 STREAMS string $', '-WRONGTYPE Operation against a key holding the wrong kind of value'],
  ]);
  const wait = begin(runner, 'XREAD BLOCK 0 STREAMS s $');
  assert.equal(wait.timeoutMs, 0);
  assert.equal(after(runner, wait, 'DEL s'), undefined);
  assert.equal(after(runner, wait, 'SET s v'), undefined);
  assert.equal(after(runner, wait, 'DEL s', 'XADD s 4-0 f v'), undefined, 'before what it waits for');
  assert.equal(after(runner, wait, 'XADD s 6-0 f v', 'XDEL s 6-0'), undefined);
  assert.equal(after(runner, wait, 'XADD s 7-0 f v'), '[[$s [[$7-0 [$f $v]]]]]');
});

test('a timeout is answered with nothing, and EXEC and scripts do not wait', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  runner.mayWait = false;
  transcript(runner, [
    ['XREAD BLOCK 0 STREAMS s $', 'nil'],
    ['XREAD STREAMS s $', 'nil-array'],
    ['XGROUP CREATE s g $ MKSTREAM', '+OK'],
    ['XREADGROUP GROUP g alice BLOCK 0 STREAMS s >', 'nil-array'],
    ['XREAD BLOCK -1 STREAMS s $', '-ERR timeout is negative'],
    ['XREAD BLOCK x STREAMS s $', '-ERR timeout is not an integer or out of range'],
  ]);
});

test('of several who wait for one group the first gets the entry, and the others wait on', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  runner.line('XGROUP CREATE s g $ MKSTREAM');
  const alice = begin(runner, 'XREADGROUP GROUP g alice BLOCK 0 STREAMS s >');
  const bob = begin(runner, 'XREADGROUP GROUP g bob BLOCK 1000 STREAMS s >');
  assert.equal(after(runner, alice, 'XADD s 1-0 f v'), '[[$s [[$1-0 [$f $v]]]]]');
  const before = runner.types.engine.visibleSequence();
  assert.equal(after(runner, bob), undefined);
  assert.equal(runner.types.engine.visibleSequence(), before, 'who waits on writes nothing');
  assert.equal(short(runner.line('XPENDING s g')), '[:1 $1-0 $1-0 [[$alice $1]]]');
  assert.equal(after(runner, bob, 'XADD s 2-0 f v'), '[[$s [[$2-0 [$f $v]]]]]');
});

test('whoever waits in a group learns that it is gone', async () => {
  const gone = "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option";
  for (const [line, expected] of [
    ['DEL s', gone],
    ['XGROUP DESTROY s g', gone],
    ['RENAME other s', gone],
    ['SET s v', '-WRONGTYPE Operation against a key holding the wrong kind of value'],
  ] as const) {
    await using opened = await openTestCommands();
    const { runner } = opened;
    runner.line('XGROUP CREATE s g $ MKSTREAM');
    runner.line('XADD other 1-0 f v');
    const wait = begin(runner, 'XREADGROUP GROUP g alice BLOCK 0 STREAMS s >');
    assert.equal(after(runner, wait, line), expected, line);
  }
});

test('a wait keeps its arguments when the request is gone', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  runner.line('XGROUP CREATE s g $ MKSTREAM');
  const definition = runner.definitions.get('xreadgroup');
  assert.ok(definition !== undefined);
  const request = Request.of('XREADGROUP', 'GROUP', 'g', 'alice', 'BLOCK', '0', 'STREAMS', 's', '>');
  let wait: CommandRunner['waiting'];
  definition.run(
    {
      nowMs: runner.nowMs,
      namespace: runner.namespace,
      session: undefined as never,
      waits: { begin: (begun) => (wait = begun) },
    },
    definition.parse(request),
    new ReplyWriter(),
  );
  request.buffer.fill(0);
  assert.equal(after(runner, wait, 'XADD s 1-0 f v'), '[[$s [[$1-0 [$f $v]]]]]');
  assert.match(runner.line('XINFO CONSUMERS s g'), /alice/);
});

test('the keys of a read are found behind STREAMS, whatever stands in front', async () => {
  await using opened = await openTestCommands();
  const rows: readonly (readonly [string, readonly number[]])[] = [
    ['XREAD STREAMS a b 0 0', [2, 3]],
    ['XREAD BLOCK 0 COUNT 5 streams a 0', [6]],
    ['XREAD COUNT STREAMS STREAMS a 0', [4]],
    ['XREADGROUP GROUP streams noack NOACK BLOCK 1 STREAMS a b > 0', [8, 9]],
    ['XREAD STREAMS a 0 0', []],
    ['XREAD COUNT 1 x', []],
    ['XREAD MORE STREAMS a 0', []],
    ['XINFO STREAM a FULL', [2]],
    ['XINFO HELP', []],
    ['XGROUP CREATE a g 0', [2]],
  ];
  for (const [line, expected] of rows) {
    const words = line.split(' ');
    const definition = opened.runner.definitions.get((words[0] as string).toLowerCase());
    assert.deepEqual(definition?.keyIndexes?.(Request.of(...words)), expected, line);
  }
});
