import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WatchedKeys, type Watcher } from './watched-keys.ts';

function setup(): { watched: WatchedKeys<Watcher>; a: Watcher; b: Watcher } {
  return { watched: new WatchedKeys(), a: { watchedBytes: 0 }, b: { watchedBytes: 0 } };
}

test('only who watches a key is spoilt by its write, until it unwatches', () => {
  const { watched, a, b } = setup();
  assert.ok(watched.empty);
  watched.watch(a, 'key', 0);
  watched.watch(b, 'other', 0);
  watched.touch('key');
  assert.deepEqual([watched.isSpoilt(a, 1), watched.isSpoilt(b, 1)], [true, false]);
  watched.unwatch(a);
  assert.equal(watched.isSpoilt(a, 1), false);
  watched.touch('key');
  assert.equal(watched.isSpoilt(a, 1), false);
  watched.replacedAll();
  assert.equal(watched.isSpoilt(b, 1), true);
  watched.unwatch(b);
  assert.ok(watched.empty);
});

test('a flush spoils the watches of keys that were there, and of its own namespace only', () => {
  const { watched, a, b } = setup();
  watched.watch(a, '1absent', undefined);
  watched.watch(b, '2there', 0);
  watched.deletedAll('1');
  assert.deepEqual([watched.isSpoilt(a, 1), watched.isSpoilt(b, 1)], [false, false]);
  watched.deletedAll('');
  assert.deepEqual([watched.isSpoilt(a, 1), watched.isSpoilt(b, 1)], [false, true]);
  watched.replacedAll();
  assert.equal(watched.isSpoilt(a, 1), true);
});

test('a watched key that expires spoils, the first of several and not before its time', () => {
  const { watched, a } = setup();
  watched.watch(a, 'late', 2000);
  watched.watch(a, 'never', 0);
  watched.watch(a, 'early', 1000);
  assert.equal(watched.isSpoilt(a, 999), false);
  assert.equal(watched.isSpoilt(a, 1000), true);
  watched.unwatch(a);
  assert.equal(watched.isSpoilt(a, 3000), false);
});

test('watched keys count to the memory of who watches them, each once', () => {
  const { watched, a } = setup();
  watched.watch(a, 'x'.repeat(1000), 0);
  const once = a.watchedBytes;
  assert.ok(once > 1000);
  watched.watch(a, 'x'.repeat(1000), 0);
  assert.equal(a.watchedBytes, once);
  watched.unwatch(a);
  assert.equal(a.watchedBytes, 0);
});
