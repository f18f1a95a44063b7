import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTestCommands } from '../data/testing/command-runner.ts';
import { short, transcript } from '../data/testing/transcript.ts';

function info(values: readonly (number | 'nil')[]): string {
  const titles = ['Capacity', 'Size', 'Number of filters', 'Number of items inserted', 'Expansion rate'];
  const facts = titles.map((title, i) => `+${title} ${values[i] === 'nil' ? 'nil' : `:${values[i]}`}`);
  return `[${facts.join(' ')}]`;
}

test('items are added and found, and a filter says what it is', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['BF.EXISTS none x', ':0'],
    ['BF.MEXISTS none x y', '[:0 :0]'],
    ['BF.CARD none', ':0'],
    ['BF.INFO none', '-ERR key is not found'],
    ['BF.ADD b x', ':1'],
    ['BF.ADD b x', ':0'],
    ['BF.MADD b y x y', '[:1 :0 :0]'],
    ['BF.MEXISTS b x y z', '[:1 :1 :0]'],
    ['BF.CARD b', ':2'],
    ['BF.INFO b', info([100, 128, 1, 2, 2])],
    ['TYPE b', '+MBbloom--'],
    ['BF.RESERVE b 0.01 10', '-ERR the key already exists'],
    ['BF.RESERVE r 0.02 1000 EXPANSION 3', '+OK'],
    ['BF.INFO r', info([1000, 2048, 1, 0, 3])],
    ['BF.INFO r capacity', ':1000'],
    ['BF.INFO r size', ':2048'],
    ['BF.INFO r filters', ':1'],
    ['BF.INFO r items', ':0'],
    ['BF.INFO r expansion', ':3'],
    ['BF.INFO r other', '-ERR Invalid info argument'],
    ['BF.INFO r size items', "-ERR wrong number of arguments for 'bf.info' command"],
    ['BF.RESERVE n 0.01 10 NONSCALING', '+OK'],
    ['BF.INFO n', info([10, 32, 1, 0, 'nil'])],
    ['BF.INFO n expansion', 'nil'],
    ['SET s x', '+OK'],
    ['BF.ADD s x', '-WRONGTYPE Operation against a key holding the wrong kind of value'],
  ]);
});

test('settings are refused in the words of Kvrocks', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['BF.RESERVE b abc 10', '-ERR Bad error rate'],
    ['BF.RESERVE b -0.03 10', '-ERR error rate should be between 0 and 1'],
    ['BF.RESERVE b 1 10', '-ERR error rate should be between 0 and 1'],
    ['BF.RESERVE b 0.1 x', '-ERR Bad capacity'],
    ['BF.RESERVE b 0.1 -5', '-ERR Bad capacity'],
    ['BF.RESERVE b 0.1 4294967296', '-ERR Bad capacity'],
    ['BF.RESERVE b 0.1 0', '-ERR capacity should be larger than 0'],
    ['BF.RESERVE b 0.1 10 EXPANSION', '-ERR Bad expansion'],
    ['BF.RESERVE b 0.1 10 EXPANSION 1.5', '-ERR Bad expansion'],
    ['BF.RESERVE b 0.1 10 EXPANSION 65536', '-ERR Bad expansion'],
    ['BF.RESERVE b 0.1 10 EXPANSION 0', '-ERR expansion should be greater or equal to 1'],
    ['BF.RESERVE b 0.1 10 NONSCALING EXPANSION 1', '-ERR nonscaling filters cannot expand'],
    ['BF.RESERVE b 0.1 10 SOMETHING', '-ERR syntax error'],
    ['BF.INSERT b NOCREATE ITEMS x', '-ERR key is not found'],
    ['BF.INSERT b CAPACITY 10 ITEMS', '-ERR num of items should be greater than 0'],
    ['BF.INSERT b CAPACITY 10', '-ERR num of items should be greater than 0'],
    ['BF.INSERT b ERROR 2 ITEMS x', '-ERR error rate should be between 0 and 1'],
    ['BF.INSERT b CAPACITY 0 ITEMS x', '-ERR capacity should be larger than 0'],
    ['BF.INSERT b EXPANSION ITEMS x', '-ERR Bad expansion'],
    ['BF.INSERT b NONSCALING EXPANSION 2 ITEMS x', '-ERR nonscaling filters cannot expand'],
    ['BF.INSERT b x ITEMS x', '-ERR syntax error'],
    ['EXISTS b', ':0'],
    ['BF.INSERT b ERROR 0.0001 CAPACITY 200 EXPANSION 4 ITEMS x y x', '[:1 :1 :0]'],
    ['BF.INFO b', info([200, 1024, 1, 2, 4])],
    ['BF.INSERT b CAPACITY 10 NONSCALING ITEMS z', '[:1]'],
    ['BF.INFO b', info([200, 1024, 1, 3, 4])],
    ['BF.INSERT b NOCREATE ITEMS z', '[:0]'],
  ]);
});

test('a full filter is followed by a larger one, or refuses what is new', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  runner.line('BF.RESERVE b 0.0001 30 EXPANSION 2');
  const items = Array.from({ length: 91 }, (_, i) => `item ${i}`);
  for (const item of items.slice(0, 30)) assert.equal(short(runner.run('BF.ADD', 'b', item)), ':1');
  assert.equal(short(runner.line('BF.INFO b')), info([30, 128, 1, 30, 2]));
  assert.equal(short(runner.run('BF.ADD', 'b', 'item 3')), ':0');
  runner.commit();
  // From the second filter into the third within one command.
  const added = short(runner.run('BF.MADD', 'b', ...items))
    .split(' ')
    .filter((reply) => reply.includes(':1'));
  assert.equal(added.length, 61);
  assert.equal(short(runner.line('BF.INFO b')), info([210, 896, 3, 91, 2]));
  runner.commit();
  assert.equal(short(runner.run('BF.MEXISTS', 'b', ...items)), `[${items.map(() => ':1').join(' ')}]`);
  assert.equal(short(runner.line('BF.MADD b another')), '[:1]');
  assert.equal(short(runner.line('BF.CARD b')), ':92');

  runner.line('BF.RESERVE n 0.0001 3 NONSCALING');
  transcript(runner, [
    ['BF.MADD n a b c', '[:1 :1 :1]'],
    ['BF.MADD n a d b', '[:0 -ERR nonscaling filter is full :0]'],
    ['BF.ADD n d', '-ERR nonscaling filter is full'],
    ['BF.ADD n a', ':0'],
    ['BF.CARD n', ':3'],
  ]);
});

test('what was never added is found no more often than the error rate says, what was added always', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  runner.line('BF.RESERVE b 0.01 5000');
  const items = Array.from({ length: 5000 }, (_, i) => `added ${i}`);
  runner.run('BF.MADD', 'b', ...items);
  runner.commit();
  const others = items.map((item) => `not ${item}`);
  assert.ok(!short(runner.run('BF.MEXISTS', 'b', ...items)).includes(':0'));
  const wrong = short(runner.run('BF.MEXISTS', 'b', ...others)).split(':1').length - 1;
  assert.ok(wrong <= 50, `${wrong} of 5000`);
});
