import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Request } from '@holdfast/resp';
import { Refusal } from '../command.ts';
import { TrimOptions } from './trim-options.ts';

/** How many of `size` entries, `added` in all, are to go at most; a node has `node` of them. */
function limitOf(text: string, size: number, added: number, node: number): number {
  const options = new TrimOptions();
  const request = Request.of(...text.split(' '));
  for (let index = 0; index < request.count;) {
    const next = options.parse(request, index);
    assert.ok(!(next instanceof Refusal) && next > index, text);
    index = next;
  }
  assert.equal(options.check(), undefined);
  return options.trimOf(size, added, node).limit;
}

const rows: readonly (readonly [string, size: number, added: number, node: number, limit: number])[] = [
  ['MAXLEN 5', 12, 12, 100, 7],
  ['MAXLEN = 5', 12, 99, 10, 7],
  ['MAXLEN ~ 1', 102, 102, 1, 100],
  ['MAXLEN ~ 1', 102, 102, 100, 100],
  ['MAXLEN ~ 55 LIMIT 30', 101, 101, 10, 30],
  ['MAXLEN ~ 55 LIMIT 30', 72, 102, 10, 10],
  ['MAXLEN ~ 0 LIMIT 1', 3, 3, 2, 0],
  ['MAXLEN ~ 0 LIMIT 2', 3, 3, 2, 2],
  ['MAXLEN ~ 0', 3, 3, 100, 3],
  ['MAXLEN ~ 444', 555, 1000, 100, 55],
  ['MAXLEN ~ 0', 2_000_000, 2_000_000, 100_000, 1_000_000],
  ['MAXLEN ~ 0 LIMIT 0', 2_000_000, 2_000_000, 100, 2_000_000],
  ['MINID ~ 5 LIMIT 7', 12, 12, 100, 7],
  ['MINID 5', 12, 12, 100, Infinity],
];

test('an approximate trim ends where a node of Redis would, an exact one where it is told to', () => {
  for (const [text, size, added, node, limit] of rows) assert.equal(limitOf(text, size, added, node), limit, text);
});
