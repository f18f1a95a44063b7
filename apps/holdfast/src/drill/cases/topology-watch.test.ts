import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressViolations, type TopologyAnswer } from './topology-watch.ts';

const internal = new Set(['10.0.0.1:6661', '10.0.0.2:6661']);

function answer(...shown: string[]): TopologyAnswer {
  return { asked: null, master: 'a', shown, invokedMs: 0, completedMs: 1 };
}

test('addresses that are where they belong are no violation', () => {
  const followed = new Map([['10.0.0.2:6661', '10.0.0.1:6661']]);
  assert.deepEqual(addressViolations(internal, [answer('lb:7000', 'lb:7100')], followed), []);
});

test('an internal address that clients were shown is told once', () => {
  const answers = [answer('lb:7000', '10.0.0.2:6661'), answer('lb:7000', '10.0.0.2:6661')];
  assert.deepEqual(
    addressViolations(internal, answers, new Map()).map(({ kind, message }) => `${kind}: ${message}`),
    ['address-leaked: clients were shown 10.0.0.2:6661, which is internal'],
  );
});

test('a replica that follows an LB address is told', () => {
  const followed = new Map([['10.0.0.2:6661', 'lb:7000']]);
  assert.deepEqual(
    addressViolations(internal, [], followed).map(({ message }) => message),
    ['10.0.0.2:6661 follows lb:7000, which is no internal address of the cluster'],
  );
});

test('a cluster without LB addresses hides none', () => {
  assert.deepEqual(addressViolations(new Set(), [answer('10.0.0.1:1')], new Map([['a', 'b']])), []);
});
