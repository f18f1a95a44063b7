import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WaitingKeys } from './waiting-keys.ts';

function taken(keys: WaitingKeys<string>): string[] {
  const all: string[] = [];
  for (let key = keys.takeReady(); key !== undefined; key = keys.takeReady()) all.push(key);
  return all;
}

test('waiters of a key are served in the order in which they came, whatever else they wait for', () => {
  const keys = new WaitingKeys<string>();
  keys.add('second', ['b', 'a']);
  keys.add('first', ['a']);
  keys.add('third', ['a', 'a']);
  assert.deepEqual(keys.waitersOf('a'), ['second', 'first', 'third']);
  keys.remove('second');
  keys.remove('second');
  assert.deepEqual([keys.waitersOf('a'), keys.waitersOf('b')], [['first', 'third'], []]);
});

test('written keys are looked at in the order in which they were written, each once, and only when somebody waits', () => {
  const keys = new WaitingKeys<string>();
  keys.add('one', ['a', 'b', 'c']);
  for (const key of ['b', 'x', 'a', 'b']) keys.touch(key);
  assert.deepEqual(taken(keys), ['b', 'a']);
  assert.equal(keys.hasReady, false);
  keys.touch('c');
  assert.equal(keys.hasReady, true, 'written again while the others were looked at');
  assert.deepEqual(taken(keys), ['c']);
});

test('a key for which nobody waits any more need not be looked at', () => {
  const keys = new WaitingKeys<string>();
  keys.add('one', ['a']);
  keys.touch('a');
  keys.remove('one');
  assert.deepEqual([keys.hasReady, keys.empty], [false, true]);
});

test('a write to everything is one to each key, and a flush to each of its namespace', () => {
  const keys = new WaitingKeys<string>();
  keys.add('one', ['\x01na', '\x01nb', '\x02nsa']);
  keys.deletedAll('\x01n');
  assert.deepEqual(taken(keys), ['\x01na', '\x01nb']);
  keys.replacedAll();
  assert.equal(taken(keys).length, 3);
});

test('who waits for no key keeps nothing busy', () => {
  const keys = new WaitingKeys<string>();
  keys.add('timer only', []);
  assert.equal(keys.empty, true);
  keys.remove('timer only');
});

test('keys are counted, all of them and those that some wait for', () => {
  const keys = new WaitingKeys<string>();
  assert.equal(keys.count(), 0);
  keys.add('one', ['a', 'b']);
  keys.add('two', ['b', 'c']);
  assert.deepEqual([keys.count(), keys.count((waiter) => waiter === 'two')], [3, 2]);
  keys.remove('two');
  assert.deepEqual([keys.count(), keys.count((waiter) => waiter === 'two')], [2, 0]);
});
