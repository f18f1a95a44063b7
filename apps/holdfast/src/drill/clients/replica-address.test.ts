import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReplyError } from '@holdfast/resp';
import { replicaIn } from './replica-address.ts';

const slots = [
  [0, 8191, ['10.0.0.1', 7000, 'a'], ['10.0.0.1', 7100, 'b'], ['10.0.0.2', 7100, 'c']],
  [8192, 16383, ['10.0.0.1', 7001, 'd'], [Buffer.from('fe80::1'), 7101, 'e']],
];

test('the first replica of the range that holds the slot, IPv6 in brackets', () => {
  assert.equal(replicaIn(slots, 0), '10.0.0.1:7100');
  assert.equal(replicaIn(slots, 8192), '[fe80::1]:7101');
});

test('a range without a replica, a slot nobody has, or a refusal: none', () => {
  assert.equal(replicaIn([[0, 1, ['10.0.0.1', 7000, 'a']]], 0), undefined);
  assert.equal(replicaIn(slots, 16384), undefined);
  assert.equal(replicaIn(new ReplyError('CLUSTERDOWN'), 0), undefined);
});
