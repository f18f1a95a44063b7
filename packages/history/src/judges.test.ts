import assert from 'node:assert/strict';
import { test } from 'node:test';
import { longestGapWithoutWrites, lostWrites, staleReads } from './judges.ts';
import { read, write } from './testing/script.ts';

const unknown = { outcome: 'unknown' } as const;

const values = (history: Parameters<typeof lostWrites>[0]): string[] =>
  lostWrites(history).lost.map(({ write: lost }) => lost.value);

test('lost: an acknowledged write that the last read misses is lost, with every one after the value read', () => {
  const history = [write('a', 0, 1), write('b', 2, 3), write('c', 4, 5), read('a', 100, 101)];
  assert.deepEqual(values(history), ['b', 'c']);
});

test('lost: an absent key loses all its acknowledged writes', () => {
  assert.deepEqual(values([write('a', 0, 1), write('b', 2, null, unknown), read(null, 100, 101)]), ['a']);
});

test('lost: a write overwritten by a later one, or by one at the same time, is not lost', () => {
  assert.deepEqual(values([write('a', 0, 1), write('b', 2, 3), read('b', 100, 101)]), []);
  assert.deepEqual(values([write('a', 0, 5), write('b', 3, 9), read('a', 100, 101)]), []);
});

test('lost: a write overwritten by an unknown one is not lost, since that one may have come later', () => {
  assert.deepEqual(values([write('u', 0, null, unknown), write('a', 2, 3), read('u', 100, 101)]), []);
});

test('lost: an unknown write that was read before another write began cannot have come after that', () => {
  assert.deepEqual(values([write('u', 0, null, unknown), read('u', 1, 2), write('a', 3, 4), read('u', 9, 10)]), ['a']);
});

test('lost: an unknown write or a refused one is never lost', () => {
  assert.deepEqual(
    values([write('a', 0, null, unknown), write('b', 2, 3, { outcome: 'failed' }), read(null, 9, 10)]),
    [],
  );
});

test('lost: only the last read counts, a stale one in between does not', () => {
  const history = [write('a', 0, 1), write('b', 2, 3), read('a', 10, 11), read('b', 20, 21)];
  assert.deepEqual(values(history), []);
});

test('lost: a key whose acknowledged writes nobody looked for afterwards is named, not passed', () => {
  const history = [
    write('a', 0, 1, { key: 'k1' }),
    read('a', 0.5, 2, { key: 'k1' }),
    write('a', 0, 1, { key: 'k2' }),
    read(null, 5, null, { key: 'k2', outcome: 'unknown' }),
    write('a', 0, null, { key: 'k3', outcome: 'unknown' }),
  ];
  assert.deepEqual(lostWrites(history), { lost: [], unjudgedKeys: ['k1', 'k2'] });
});

test('stale: a read that begins after an acknowledged write must see it or a newer one', () => {
  const history = [write('a', 0, 1), write('b', 2, 3), read('a', 4, 5), read('b', 4, 5)];
  assert.deepEqual(
    staleReads(history).map(({ read: stale, newer }) => [stale.value, newer.value]),
    [['a', 'b']],
  );
});

test('stale: a read beside the write may see the value before it', () => {
  assert.deepEqual(staleReads([write('a', 0, 1), write('b', 2, 9), read('a', 5, 6), read('a', 8, 20)]), []);
});

test('stale: an absent value after an acknowledged write is stale', () => {
  assert.equal(staleReads([write('a', 0, 1), read(null, 2, 3)]).length, 1);
});

test('stale: an unknown write makes nothing stale until somebody read it', () => {
  const before = [write('a', 0, 1), write('u', 2, 3, unknown), read('a', 10, 11)];
  assert.deepEqual(staleReads(before), []);
  const after = [...before, read('u', 12, 13), read('a', 14, 15)];
  assert.deepEqual(
    staleReads(after).map(({ read: stale, newer }) => [stale.invokedMs, newer.value]),
    [[14, 'u']],
  );
});

test('stale: seeing an unknown write that began before the acknowledged one is not stale: it may have come later', () => {
  assert.deepEqual(staleReads([write('u', 0, null, unknown), write('a', 2, 3), read('a', 4, 5), read('u', 6, 7)]), []);
});

test('stale: keys are judged apart', () => {
  assert.deepEqual(staleReads([write('a', 0, 1, { key: 'x' }), read(null, 2, 3, { key: 'y' })]), []);
});

test('gap: the longest time without acknowledged writes counts both edges and ignores other outcomes', () => {
  const history = [
    write('a', 0, 10),
    write('b', 10, 20),
    write('c', 20, 60, unknown),
    write('d', 20, 95),
    write('e', 30, 99, { outcome: 'failed' }),
    read('a', 40, 50),
  ];
  assert.deepEqual(longestGapWithoutWrites(history, { fromMs: 5, toMs: 100 }), { fromMs: 20, toMs: 95 });
  assert.deepEqual(longestGapWithoutWrites(history, { fromMs: 5, toMs: 500 }), { fromMs: 95, toMs: 500 });
  assert.deepEqual(longestGapWithoutWrites([], { fromMs: 5, toMs: 500 }), { fromMs: 5, toMs: 500 });
});
