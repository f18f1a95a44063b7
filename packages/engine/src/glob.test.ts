import assert from 'node:assert/strict';
import { test } from 'node:test';
import { spanOf } from './bytes.ts';
import { Glob } from './glob.ts';

function matches(pattern: string, text: string): boolean {
  return new Glob(Buffer.from(pattern, 'latin1')).matches(spanOf(Buffer.from(text, 'latin1')));
}

test('patterns match as they do in Redis', () => {
  const rows: [string, string, boolean][] = [
    ['', '', true],
    ['', 'a', false],
    ['*', '', true],
    ['*', 'anything', true],
    ['**', 'x', true],
    ['a*', 'a', true],
    ['a*', 'ba', false],
    ['a*b*c', 'aXbYc', true],
    ['a*b*c', 'aXbY', false],
    ['*ab', 'aab', true],
    ['?', 'x', true],
    ['?', '', false],
    ['h?llo', 'hxllo', true],
    ['h[ae]llo', 'hallo', true],
    ['h[ae]llo', 'hillo', false],
    ['h[^e]llo', 'hallo', true],
    ['h[^e]llo', 'hello', false],
    ['[a-c]1', 'b1', true],
    ['[c-a]1', 'b1', true],
    ['[a-c]1', 'd1', false],
    ['[\\]]', ']', true],
    ['[a-]', '-', false],
    ['[a-]', '^', true],
    ['[abc', 'b', true],
    ['\\*', '*', true],
    ['\\*', 'x', false],
    ['\\', '\\', true],
    ['a\\?b', 'a?b', true],
    ['\xff?', '\xff\x00', true],
    ['A', 'a', false],
  ];
  for (const [pattern, text, expected] of rows) assert.equal(matches(pattern, text), expected, `${pattern} ${text}`);
});

test('a pattern with many stars takes no exponential time', () => {
  assert.equal(matches('a*'.repeat(50) + 'b', 'a'.repeat(5000)), false);
});

test('a pattern says what all its matches begin with', () => {
  const rows: [string, string, boolean][] = [
    ['user:*', 'user:', true],
    ['user:', 'user:', false],
    ['us\\*r*', 'us*r', true],
    ['user:*:x', 'user:', false],
    ['*', '', true],
    ['[a]b', '', false],
  ];
  for (const [pattern, prefix, isPrefixOnly] of rows) {
    const glob = new Glob(Buffer.from(pattern));
    assert.deepEqual([glob.prefix.toString(), glob.isPrefixOnly], [prefix, isPrefixOnly], pattern);
  }
});
