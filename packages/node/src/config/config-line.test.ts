import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBelow, seededRandom } from '@holdfast/base';
import { formatConfigLine, parseConfigLine, type ConfigLine } from './config-line.ts';

const entry = (key: string, value: string | undefined, comment = ''): ConfigLine => ({
  kind: 'entry',
  key,
  value,
  comment,
});
const unfinished: ConfigLine = { kind: 'bad', message: 'config line ends unexpectedly in quoted string' };
const tooMuch: ConfigLine = { kind: 'bad', message: 'more than 2 item in config line' };

const lines: readonly (readonly [string, ConfigLine])[] = [
  ['', { kind: 'blank' }],
  [' \t\r', { kind: 'blank' }],
  ['# port 1', { kind: 'blank' }],
  ['  # port 1', { kind: 'blank' }],
  ['port 6666', entry('port', '6666')],
  ['  port \t 6666 \r', entry('port', '6666')],
  ['bind 127.0.0.1  ::1', entry('bind', '127.0.0.1  ::1')],
  ['port', entry('port', undefined)],
  ['port # none', entry('port', undefined, '# none')],
  ['port 6666#x', entry('port', '6666', '#x')],
  ['requirepass a"b', entry('requirepass', 'a"b')],
  ['requirepass ""', entry('requirepass', '')],
  ['requirepass "a # b" # why', entry('requirepass', 'a # b', '# why')],
  ["requirepass 'it''s'", tooMuch],
  ['requirepass \'say "x"\'', entry('requirepass', 'say "x"')],
  ['x "\\\\ \\\' \\" \\t\\r\\n\\v\\f\\b"', entry('x', '\\ \' " \t\r\n\v\f\b')],
  ['x "\\d"', entry('x', '\\d')],
  ['x "a" b', tooMuch],
  ['x "a', unfinished],
  ['x "a\\"', unfinished],
  ["x '", unfinished],
];

test('lines are divided into key, value and comment', () => {
  for (const [line, expected] of lines) assert.deepEqual(parseConfigLine(line), expected, JSON.stringify(line));
});

test('a formatted line is read back as the same key and value', () => {
  const random = seededRandom(6);
  const alphabet = 'ab \t#"\'\\\n\r\v\f\b:';
  for (let i = 0; i < 3000; i++) {
    const length = randomBelow(random, 8);
    const value = Array.from({ length }, () => alphabet[randomBelow(random, alphabet.length)]).join('');
    assert.deepEqual(parseConfigLine(formatConfigLine('key', value)), entry('key', value), JSON.stringify(value));
  }
});
