import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultNamespace, namespaceOf, spanOf, type Namespace } from '@holdfast/engine';
import { ExpiryWatch, watchedExpiriesMax } from './expiry-watch.ts';

/** Keys with their expiries, and what was told. */
class World {
  readonly keys = new Map<string, number>();
  readonly told: string[] = [];
  nowMs = 1_700_000_000_000;
  readonly watch = new ExpiryWatch({
    expireMs: (namespace, key, nowMs) => {
      const expireMs = this.keys.get(`${namespace.name} ${key.toString()}`);
      return expireMs !== undefined && expireMs !== 0 && expireMs <= nowMs ? undefined : expireMs;
    },
  });

  set(key: string, ttlMs: number, namespace: Namespace = defaultNamespace): void {
    this.keys.set(`${namespace.name} ${key}`, ttlMs === 0 ? 0 : this.nowMs + ttlMs);
    this.watch.note(namespace, spanOf(key), this.nowMs);
  }

  /** Lets time go by; what was told meanwhile. */
  pass(ms: number): string[] {
    this.nowMs += ms;
    this.watch.takeDead(this.nowMs, (namespace, key) => void this.told.push(`${namespace.name} ${key.toString()}`));
    return this.told.splice(0);
  }
}

const mine = (key: string): string => `__namespace ${key}`;

test('a key that dies is told of once, soon after its moment and never before', () => {
  const world = new World();
  world.set('a', 1000);
  world.set('b', 250);
  world.set('never', 0);
  assert.deepEqual(world.pass(200), []);
  assert.deepEqual(world.pass(200), [mine('b')]);
  assert.deepEqual(world.pass(500), []);
  assert.deepEqual(world.pass(200), [mine('a')]);
  assert.deepEqual(world.pass(10_000), []);
  assert.equal(world.watch.count, 0);
});

test('of a key that was deleted, overwritten, or given another expiry, nothing is told at the old moment', () => {
  const world = new World();
  for (const key of ['deleted', 'overwritten', 'later', 'again']) world.set(key, 500);
  world.keys.delete(mine('deleted'));
  world.keys.set(mine('overwritten'), 0);
  world.set('later', 2000);
  world.set('again', 500);
  assert.deepEqual(world.pass(700), [mine('again')]);
  assert.deepEqual(world.pass(2000), [mine('later')]);
});

test('after a long pause everything that died is told of, in order of the moments', () => {
  const world = new World();
  world.set('b', 50_000);
  world.set('a', 1000);
  world.set('c', 10_000_000);
  assert.deepEqual(world.pass(60_000), [mine('a'), mine('b')]);
  assert.equal(world.watch.count, 1);
});

test('the same key in two namespaces is two keys', () => {
  const world = new World();
  world.set('a', 100);
  world.set('a', 100, namespaceOf('other'));
  assert.deepEqual(world.pass(300).sort(), [mine('a'), 'other a']);
});

test('no more than a bounded number of keys is remembered', () => {
  const world = new World();
  for (let i = 0; i < watchedExpiriesMax + 10; i++) world.set(`k${i}`, 1000);
  assert.equal(world.watch.count, watchedExpiriesMax);
  world.watch.clear();
  assert.deepEqual(world.pass(5000), []);
  world.set('a', 100);
  assert.deepEqual(world.pass(300), [mine('a')]);
});
