import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Dice } from './dice.ts';
import { EventHeap } from './event-heap.ts';

test('events come soonest first, and in the order they were planned where they fall together', () => {
  const heap = new EventHeap();
  const dice = new Dice(1);
  const planned = Array.from({ length: 500 }, (_, order) => ({ atMs: dice.below(40), order }));
  const happened: { atMs: number; order: number }[] = [];
  for (const each of planned) heap.push(each.atMs, () => happened.push(each));
  for (let next = heap.pop(); next !== undefined; next = heap.pop()) next.run?.();
  assert.deepEqual(
    happened,
    planned.toSorted((a, b) => a.atMs - b.atMs || a.order - b.order),
  );
});

test('an empty heap has nothing and never', () => {
  const heap = new EventHeap();
  assert.equal(heap.pop(), undefined);
  assert.equal(heap.nextMs, Infinity);
});
