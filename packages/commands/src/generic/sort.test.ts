import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Request } from '@holdfast/resp';
import { openTestCommands } from '../data/testing/command-runner.ts';
import { short, transcript } from '../data/testing/transcript.ts';
import { keysOf } from '../table.ts';
import { sortScore } from './sort-order.ts';

const notDouble = "-One or more scores can't be converted into double";

test('lists, sets and sorted sets are sorted by number or by text', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['RPUSH l 10 9 1 2.5 -3', ':5'],
    ['SADD s 3 1 20', ':3'],
    ['ZADD z 3 1 2 5 1 4', ':3'],
    ['SORT l', '[$-3 $1 $2.5 $9 $10]'],
    ['SORT l DESC', '[$10 $9 $2.5 $1 $-3]'],
    ['SORT l ALPHA', '[$-3 $1 $10 $2.5 $9]'],
    ['SORT l LIMIT 1 2', '[$1 $2.5]'],
    ['SORT l LIMIT -1 1', '[$-3]'],
    ['SORT l LIMIT 3 -1', '[$9 $10]'],
    ['SORT l LIMIT 9 1', '[]'],
    ['SORT l BY nosort', '[$10 $9 $1 $2.5 $-3]'],
    ['SORT l BY nosort DESC LIMIT 1 2', '[$2.5 $1]'],
    ['SORT s DESC', '[$20 $3 $1]'],
    ['SORT s BY nosort DESC', '[$1 $20 $3]'],
    ['SORT s BY nosort DESC STORE out', ':3'],
    ['LRANGE out 0 -1', '[$3 $20 $1]'],
    ['SORT z', '[$1 $4 $5]'],
    ['SORT z BY nosort', '[$4 $5 $1]'],
    ['SORT z BY nosort DESC LIMIT 0 2', '[$1 $5]'],
    ['SORT none', '[]'],
    ['RPUSH words a b', ':2'],
    ['SORT words', notDouble],
    ['SORT words STORE l', notDouble],
    ['SORT words ALPHA DESC', '[$b $a]'],
    ['SET string x', '+OK'],
    ['HSET h f v', ':1'],
    ['SORT string', '-WRONGTYPE Operation against a key holding the wrong kind of value'],
    ['SORT h BY nosort', '-WRONGTYPE Operation against a key holding the wrong kind of value'],
    ['LLEN l', ':5'],
  ]);
});

test('elements are ordered by what other keys say of them, and answered as those say', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['RPUSH l 1 2 3 4', ':4'],
    ['MSET w_1 9 w_2 8 w_3 7 name_1 one name_2 two', '+OK'],
    ['HSET h_1 f 1 g x', ':2'],
    ['HSET h_2 f 3', ':1'],
    ['SORT l BY w_*', '[$4 $3 $2 $1]'],
    ['SORT l BY h_*->f DESC', '[$2 $1 $4 $3]'],
    ['SORT l BY name_* ALPHA', '[$3 $4 $1 $2]'],
    ['SORT l GET name_*', '[$one $two nil nil]'],
    ['SORT l GET # GET h_*->g LIMIT 0 2', '[$1 $x $2 nil]'],
    ['SORT l GET constant', '[nil nil nil nil]'],
    ['SORT l BY name_*', notDouble],
    ['SORT l GET name_* DESC STORE out', ':4'],
    ['LRANGE out 0 -1', '[$ $ $two $one]'],
  ]);
});

test('the result is stored in place of whatever the key was, and an empty one deletes it', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  runner.events = [];
  transcript(runner, [
    ['RPUSH l 3 1 2', ':3'],
    ['SET out x EX 100', '+OK'],
    ['SORT l STORE out', ':3'],
    ['TTL out', ':-1'],
    ['LRANGE out 0 -1', '[$1 $2 $3]'],
    ['SORT l DESC STORE l', ':3'],
    ['LRANGE l 0 -1', '[$3 $2 $1]'],
    ['SORT none STORE out', ':0'],
    ['EXISTS out', ':0'],
    ['SORT none STORE out', ':0'],
    ['SORT l STORE', '-ERR syntax error'],
    ['SORT l BY', '-ERR syntax error'],
    ['SORT l UP', '-ERR syntax error'],
    ['SORT l LIMIT 1', '-ERR syntax error'],
    ['SORT l LIMIT 1 x', '-ERR value is not an integer or out of range'],
  ]);
  assert.deepEqual(runner.events, [
    'l rpush l',
    '$ set out',
    'g expire out',
    'l sortstore out',
    'l sortstore l',
    'g del out',
  ]);
});

test('a cluster refuses patterns, whose keys it cannot route', async () => {
  await using opened = await openTestCommands(true);
  transcript(opened.runner, [
    ['RPUSH l 2 1', ':2'],
    ['SORT l', '[$1 $2]'],
    ['SORT l BY nosort', '[$2 $1]'],
    ['SORT l BY w_*', '-ERR BY option of SORT denied in cluster mode.'],
    ['SORT l GET #', '-ERR GET option of SORT denied in cluster mode.'],
  ]);
});

test('SORT_RO sorts, and stores nothing', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  runner.line('RPUSH l 2 1 3');
  assert.equal(short(runner.line('SORT_RO l DESC LIMIT 0 2')), '[$3 $2]');
  assert.equal(short(runner.line('SORT_RO l STORE out')), '-ERR syntax error');
});

test('the keys of SORT are the sorted one and the last that is stored to', async () => {
  await using opened = await openTestCommands();
  const keys = (line: string): string[] => {
    const words = line.split(' ');
    const definition = opened.runner.definitions.get(words[0] as string);
    assert.ok(definition !== undefined);
    return keysOf(definition, Request.of(...words)).map((index) => words[index] as string);
  };
  assert.deepEqual(keys('sort a'), ['a']);
  assert.deepEqual(keys('sort a store b'), ['a', 'b']);
  assert.deepEqual(keys('sort a store x store y BY store STORE b'), ['a', 'b']);
  assert.deepEqual(keys('sort a GET store'), ['a']);
  assert.deepEqual(keys('sort_ro a store b'), ['a']);
});

test('scores are read as C reads them', () => {
  const rows: [string, number][] = [
    ['', 0],
    [' 1', 1],
    ['1 ', NaN],
    [' ', NaN],
    ['+1.5e2', 150],
    ['.5', 0.5],
    ['5.', 5],
    ['.', NaN],
    ['0x1F', 31],
    ['-0x1f', -31],
    ['inf', Infinity],
    ['-Infinity', -Infinity],
    ['nan', NaN],
    ['1e400', NaN],
    ['1e-400', NaN],
    ['0e-400', 0],
    ['1e', NaN],
    ['1x', NaN],
  ];
  for (const [text, score] of rows) assert.ok(Object.is(sortScore(text), score), `'${text}': ${sortScore(text)}`);
});
