/** Paths and documents made to cost without end: each is refused, or costs what its size does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTestCommands } from '../data/testing/command-runner.ts';
import { compilePattern } from './pattern.ts';

const tooMuch = '-ERR the path selects too much of the document for one command\r\n';
const numbers = (count: number): string => Array.from({ length: count }, (_, i) => i).join();
const repeated = (text: string, times: number, sign: string): string => Array<string>(times).fill(text).join(sign);
/** Arrays in one another, the innermost with very many elements. */
const deepAndWide = `${'['.repeat(1000)}${numbers(200_000)}${']'.repeat(1000)}`;

test('what a path selects again and again is bounded', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const text = 'x'.repeat(1 << 20);
  runner.run('JSON.SET', 'wide', '$', `{"a":[${numbers(100_000)}],"o":{"k":1},"s":"${text}"}`);
  runner.run('JSON.SET', 'deep', '$', deepAndWide);
  const again = (name: string): string => `$[${repeated(`"${name}"`, 15_000, ',')}]`;
  for (const words of [
    ['JSON.GET', 'wide', `$.a[${repeated('0:', 20_000, ',')}]`],
    ['JSON.ARRINDEX', 'wide', again('a'), '"none"'],
    ['JSON.STRLEN', 'wide', again('s')],
    ['JSON.RESP', 'wide', again('a')],
    ['JSON.DEBUG', 'MEMORY', 'wide', again('a')],
    ['JSON.RESP', 'deep', '$..*'],
    ['JSON.ARRAPPEND', 'deep', '$..*', '1'],
  ]) {
    assert.equal(runner.run(...words), tooMuch, words.join(' ').slice(0, 60));
  }
  assert.equal(runner.run('JSON.OBJKEYS', 'wide', '$["o","o"]'), '*2\r\n*1\r\n$1\r\nk\r\n*1\r\n$1\r\nk\r\n');
  assert.equal(runner.run('JSON.ARRINDEX', 'wide', '$["a","a"]', '99999'), '*2\r\n:99999\r\n:99999\r\n');
});

test('a document of more than two million values is walked through once', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  runner.run('JSON.SET', 'a', '$', `[[${'1,'.repeat(1_050_000)}2],[${'1,'.repeat(1_050_000)}3]]`);
  assert.equal(runner.run('JSON.ARRINDEX', 'a', '$[*]', '3'), '*2\r\n:-1\r\n:1050000\r\n');
  assert.equal(runner.run('JSON.ARRINDEX', 'a', '$[0,1,0]', '3'), tooMuch);
});

test('comparisons in filters are counted by what they compare', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const [array, text] = [`[${numbers(100_000)}]`, `"${'y'.repeat(1 << 20)}"`];
  runner.run('JSON.SET', 'a', '$', `{"b":${array},"l":[${array}],"s":${text},"t":[${text}]}`);
  const all = (term: string): string => repeated(term, 5000, '&&');
  assert.equal(runner.run('JSON.GET', 'a', `$.l[?(${all('@==$.b')})]`), tooMuch);
  assert.equal(runner.run('JSON.GET', 'a', `$.t[?(${all('@<=$.s')})]`), tooMuch);
  assert.equal(runner.run('JSON.ARRLEN', 'a', '$.l[?(@==$.b)]'), '*1\r\n:100000\r\n');
});

test('patterns cost by their ranges, and are read at a price', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const classes = Array.from({ length: 900 }, (_, i) => String.fromCodePoint(0x400 + 2 * i)).join('');
  const open = `${'(?:a|'.repeat(40)}${'x'.repeat(700)}`;
  const objects = Array<string>(50_000).fill('{"s":"x"}').join();
  runner.run('JSON.SET', 'a', '$', `{"t":["${'z'.repeat(1 << 20)}"],"p":${JSON.stringify(open)},"o":[${objects}]}`);
  assert.equal(runner.run('JSON.GET', 'a', `$.t[?(@=~"[${classes}]")]`), tooMuch);
  assert.equal(runner.run('JSON.GET', 'a', '$.o[?(@.s=~$.p)]'), tooMuch);
});

test('repetitions of nothing are read at once', () => {
  for (const text of ['(){1000}{1000}{1000}', '((()){1000}{1000}{1000}){1000}{1000}{1000}']) {
    const pattern = compilePattern(text);
    assert.ok(typeof pattern !== 'string', text);
    assert.ok(pattern.isFoundIn('anything'));
  }
});

test('texts that would become too long are refused before they are made', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  runner.run('JSON.SET', 'a', '$', `[${repeated('"x"', 5000, ',')}]`);
  const longer = JSON.stringify('y'.repeat(1 << 16));
  assert.match(runner.run('JSON.STRAPPEND', 'a', '$[*]', longer), /^-ERR the document would have more than/);
  assert.equal(runner.run('JSON.STRAPPEND', 'a', '$[0]', '"é"'), '*1\r\n:3\r\n');
});

test('JSON.MSET of one key very many times does not read its document as often', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const entries = Array.from({ length: 2000 }, (_, i) => ['a', `$.k${i}`, '1']).flat();
  assert.equal(runner.run('JSON.MSET', 'a', '$', `{"s":"${'x'.repeat(8 << 20)}"}`, ...entries), tooMuch);
  assert.equal(runner.run('EXISTS', 'a'), ':0\r\n');
});
