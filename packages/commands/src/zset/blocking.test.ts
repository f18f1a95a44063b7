// Popping from several keys, and waiting for one of them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTestCommands } from '../data/testing/command-runner.ts';
import { short, transcript } from '../data/testing/transcript.ts';

test('members are popped off either end, flat or in pairs', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  transcript(runner, [
    ['ZADD z 1 a 2 b 3 c 4 d 5 e 6 f', ':6'],
    ['ZPOPMIN z', '[$a $1]'],
    ['ZPOPMAX z 2', '[$f $6 $e $5]'],
    ['ZPOPMIN z 0', '[]'],
    ['ZMPOP 2 none z MIN', '[$z [[$b $2]]]'],
    ['ZMPOP 1 z MAX COUNT 10', '[$z [[$d $4] [$c $3]]]'],
    ['ZMPOP 1 z MAX COUNT 10', 'nil-array'],
    ['ZPOPMIN z', '[]'],
    ['ZPOPMIN z 5', '[]'],
    ['EXISTS z', ':0'],
  ]);
  runner.protocol = 3;
  transcript(runner, [
    ['ZADD z 1 a 2 b 3 c 4 d', ':4'],
    ['ZPOPMIN z', '[$a ,1]'],
    ['ZPOPMIN z 1', '[[$b ,2]]'],
    ['ZMPOP 1 z MIN', '[$z [[$c ,3]]]'],
    ['BZPOPMAX z 0', '[$z $d ,4]'],
    ['ZMPOP 1 z MIN', 'nil'],
  ]);
});

test('pops refuse counts and timeouts that are none', async () => {
  await using opened = await openTestCommands();
  const numkeys = '-ERR numkeys should be greater than 0';
  const count = '-ERR count should be greater than 0';
  transcript(opened.runner, [
    ['ZPOPMIN z -1', '-ERR value is out of range, must be positive'],
    ['ZPOPMIN z x', '-ERR value is out of range, must be positive'],
    ['ZPOPMAX z 1 1', "-ERR wrong number of arguments for 'zpopmax' command"],
    ['ZMPOP 0 z MIN', numkeys],
    ['ZMPOP -1 z MIN', numkeys],
    ['ZMPOP x z MIN', `${numkeys}: not started as an integer`],
    ['ZMPOP 2 z MIN', '-ERR syntax error'],
    ['ZMPOP 1 z MID', '-ERR syntax error'],
    ['ZMPOP 1 z MIN MAX', '-ERR syntax error'],
    ['ZMPOP 1 z MIN COUNT', '-ERR syntax error'],
    ['ZMPOP 1 z MIN COUNT 1 COUNT 1', '-ERR syntax error'],
    ['ZMPOP 1 z MIN COUNT 0', count],
    ['ZMPOP 1 z MIN COUNT x', `${count}: not started as an integer`],
    ['BZMPOP 0 0 z MIN', numkeys],
    ['BZMPOP x 1 z MIN', '-ERR timeout is not a float or out of range: not started as a number'],
    ['BZMPOP -1 1 z MIN', '-ERR timeout is negative'],
    ['BZPOPMIN z x', '-ERR timeout is not a float or out of range'],
    ['BZPOPMIN z -1', '-ERR timeout is negative'],
    ['SET s v', '+OK'],
    ['BZPOPMIN z s 0', '-WRONGTYPE Operation against a key holding the wrong kind of value'],
    ['BZMPOP 0 2 z s MIN', '-WRONGTYPE Operation against a key holding the wrong kind of value'],
  ]);
});

test('a blocking pop that finds nothing waits for its keys and is served by the first that comes', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  assert.equal(runner.line('BZPOPMIN a b 1.5'), '');
  assert.deepEqual(runner.waiting?.keys.map(String), ['a', 'b']);
  assert.equal(runner.waiting.timeoutMs, 1500);
  const { waiting } = runner;
  for (const [line, reply] of [
    ['SET a v', '+OK'],
    ['DEL b', ':0'],
  ] as const) {
    assert.equal(short(runner.line(line)), reply);
    runner.waiting = waiting;
    assert.equal(runner.retry(), undefined, `${line} serves nobody`);
  }
  runner.line('ZADD b 2 y 1 x');
  runner.waiting = waiting;
  assert.equal(short(runner.retry() ?? ''), '[$b $x $1]');
  transcript(runner, [['ZRANGE b 0 -1', '[$y]']]);
});

test('BZMPOP waits too, takes several at once, and gives up with a nil', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  assert.equal(runner.line('BZMPOP 0 2 a b MAX COUNT 2'), '');
  const { waiting } = runner;
  assert.equal(waiting?.timeoutMs, 0);
  runner.line('ZADD a 1 x 2 y 3 z');
  runner.waiting = waiting;
  assert.equal(short(runner.retry() ?? ''), '[$a [[$z $3] [$y $2]]]');
  runner.mayWait = false;
  transcript(runner, [
    ['BZPOPMIN none 0', 'nil-array'],
    ['BZMPOP 0 1 none MIN', 'nil-array'],
    ['BZMPOP 0 1 a MIN', '[$a [[$x $1]]]'],
  ]);
});
