import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Scratch } from './bytes.ts';

test('numbers are written in decimal behind what stands there', () => {
  const scratch = new Scratch(4);
  const numbers = [0, 1, 9, 10, 99, 100, 12345, 0x7fffffff, 0x80000000, 2 ** 53 - 1, -1, -10, -(2 ** 53 - 1)];
  for (const number of numbers) {
    scratch.reset();
    scratch.bytes(Buffer.from('n='));
    scratch.decimal(number);
    assert.equal(scratch.view().toString(), `n=${number}`);
  }
});
