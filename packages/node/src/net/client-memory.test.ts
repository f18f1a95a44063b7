import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '@holdfast/base';
import { ClientMemory, type MeasuredClient } from './client-memory.ts';

const mebibyte = 1024 * 1024;

function setup(limitBytes: number, clients: Record<string, { bytes: number; noEvict?: boolean }>) {
  const open = new Set<MeasuredClient>();
  for (const [peer, { bytes, noEvict = false }] of Object.entries(clients)) {
    const client = { peer, memoryBytes: bytes, noEvict, destroy: () => void open.delete(client) };
    open.add(client);
  }
  const memory = new ClientMemory(open, () => limitBytes, silentLogger);
  return { memory, left: () => [...open].map(({ peer }) => peer) };
}

test('the largest clients go until the rest fits', () => {
  const { memory, left } = setup(100, { a: { bytes: 30 }, b: { bytes: 200 }, c: { bytes: 60 }, d: { bytes: 55 } });
  memory.enforce();
  assert.deepEqual(left(), ['a', 'd']);
  assert.equal(memory.evicted, 2);
});

test('clients that fit stay', () => {
  const { memory, left } = setup(100, { a: { bytes: 30 }, b: { bytes: 70 } });
  memory.enforce();
  assert.deepEqual(left(), ['a', 'b']);
});

test('a client that is not to be evicted goes last', () => {
  const clients = { a: { bytes: 500, noEvict: true }, b: { bytes: 20 }, c: { bytes: 10 } };
  const { memory, left } = setup(505, clients);
  memory.enforce();
  assert.deepEqual(left(), ['a']);
  const tighter = setup(100, clients);
  tighter.memory.enforce();
  assert.deepEqual(tighter.left(), []);
});

test('everybody is measured only after enough growth', () => {
  const { memory, left } = setup(100, { a: { bytes: 200 } });
  memory.grew(15 * mebibyte);
  assert.deepEqual(left(), ['a']);
  memory.grew(mebibyte);
  assert.deepEqual(left(), []);
});

test('a budget of 0 is none', () => {
  const { memory, left } = setup(0, { a: { bytes: 2 ** 40 } });
  memory.enforce();
  assert.deepEqual(left(), ['a']);
});
