import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Request } from '@holdfast/resp';
import { Refusal } from '../command.ts';
import { countedKeys } from './numkeys.ts';
import { parseTimeout } from './timeout.ts';

const notFloat = 'ERR timeout is not a float or out of range';
const outOfRange = 'ERR timeout is out of range';
const negative = 'ERR timeout is negative';

test('a timeout is read as Redis reads a float of seconds, rounded up to milliseconds', () => {
  const rows: [string, number | string][] = [
    ['0', 0],
    ['-0', 0],
    ['1', 1000],
    ['+1', 1000],
    ['0.5', 500],
    ['.5', 500],
    ['5.', 5000],
    ['0.001', 1],
    ['0.0001', 1],
    ['1e-3', 1],
    ['1e-4000', 1],
    ['0x10', 16_000],
    ['-0.0001', 0],
    ['-1', negative],
    ['-inf', negative],
    ['-0x1', negative],
    ['inf', outOfRange],
    ['0x7FFFFFFFFFFFFF', outOfRange],
    ['1e300', outOfRange],
    ['', notFloat],
    ['x', notFloat],
    [' 1', notFloat],
    ['1 ', notFloat],
    ['nan', notFloat],
    ['1,5', notFloat],
    ['.', notFloat],
  ];
  for (const [text, expected] of rows) {
    const timeout = parseTimeout(Request.of('blpop', 'k', text), 2);
    const found = timeout instanceof Refusal ? timeout.message : timeout;
    assert.ok(Object.is(found, expected), `${text}: ${found}`);
  }
});

test('the keys behind their number are found, and none when the number is not to be trusted', () => {
  assert.deepEqual(countedKeys(Request.of('lmpop', '2', 'a', 'b', 'left'), 1), [2, 3]);
  assert.deepEqual(countedKeys(Request.of('blmpop', '0', '1', 'a', 'left'), 2), [3]);
  for (const count of ['0', '-1', 'x', '5', '99999999999999']) {
    assert.deepEqual(countedKeys(Request.of('lmpop', count, 'a', 'b', 'left'), 1), [], count);
  }
});
