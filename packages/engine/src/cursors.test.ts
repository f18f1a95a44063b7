import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '@holdfast/base';
import { Cursors } from './cursors.ts';

test('a cursor stands for its position, is a number and never 0', () => {
  const cursors = new Cursors(seededRandom(1));
  const position = Buffer.from('key');
  const cursor = cursors.remember(position);
  position.fill(0);
  assert.match(cursor, /^[1-9][0-9]*$/);
  assert.ok(Number.isSafeInteger(Number(cursor)));
  assert.equal(cursors.recall(cursor)?.toString(), 'key');
  assert.equal(cursors.recall('0'), undefined);
});

test('the cursors of another process are not taken for own ones', () => {
  const [first, second] = [new Cursors(seededRandom(1)), new Cursors(seededRandom(2))];
  const cursor = first.remember(Buffer.from('key'));
  second.remember(Buffer.from('other'));
  assert.equal(second.recall(cursor), undefined);
});

test('the oldest cursors go when there are too many, by number or by bytes', () => {
  const cursors = new Cursors(seededRandom(1));
  const oldest = cursors.remember(Buffer.from('oldest'));
  const kept = Array.from({ length: 16_384 }, (_, i) => cursors.remember(Buffer.from(String(i))));
  assert.equal(cursors.recall(oldest), undefined);
  assert.equal(cursors.recall(kept[0] as string)?.toString(), '0');
  const large = Array.from({ length: 20 }, () => cursors.remember(Buffer.alloc(1 << 20)));
  assert.equal(cursors.recall(kept.at(-1) as string), undefined);
  assert.equal(cursors.recall(large[0] as string), undefined);
  assert.equal(cursors.recall(large.at(-1) as string)?.length, 1 << 20);
  const single = cursors.remember(Buffer.alloc(32 << 20));
  assert.equal(cursors.recall(single)?.length, 32 << 20);
});
