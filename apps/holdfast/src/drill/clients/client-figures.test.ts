import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Operation } from '@holdfast/history';
import { figuresOf, kindOfError } from './client-figures.ts';

function write(client: string, invokedMs: number, completedMs: number | null, reason: string | null = null): Operation {
  const outcome = reason === null && completedMs !== null ? 'ok' : 'unknown';
  const key = `${client}-${invokedMs}`;
  const rest = {
    phase: 'load',
    key,
    value: key,
    shard: client.startsWith('other') ? 1 : 0,
    address: 'a',
    node: null,
  } as const;
  return { op: 'write', client, ...rest, invokedMs, completedMs, outcome, reason };
}

const times = { askedMs: 1000, eventMs: 1000, cutMs: 1900, endMs: 4000 };

test('a write that began before the event proves no recovery, however late it is acknowledged', () => {
  const operations = [write('a', 950, 2000), write('a', 2010, 2050), write('b', 990, 1001), write('b', 1002, 2100)];
  const figures = figuresOf(operations, 0, ['a', 'b'], times);
  assert.equal(figures.msToRecover, 1050);
  assert.equal(figures.msToRecoverAll, 1100);
  assert.equal(figures.msAfterCut, 150);
  assert.equal(figures.lanesLost, 0);
  assert.equal(figures.msWithoutWrites, 1900, 'until the end');
  assert.equal(figures.longestWaitMs, 1098);
});

test('a lane without a write after the event is lost, and then not all have recovered', () => {
  const figures = figuresOf([write('a', 1500, 1600), write('b', 1500, null)], 0, ['a', 'b'], times);
  assert.equal(figures.msToRecover, 600);
  assert.equal(figures.msToRecoverAll, null);
  assert.equal(figures.lanesLost, 1);
  assert.equal(figures.longestWaitMs, 2500, 'still open at the end');
});

test('errors are counted by kind since the event was asked for, and apart before it', () => {
  const operations = [
    write('a', 100, 110, 'Error: too early'),
    write('a', 1001, 1010, 'Error: MOVED 77 127.0.0.1:7001'),
    write('a', 1011, 1020, 'Error: MOVED 12345 127.0.0.1:7000'),
    write('b', 1001, 1030, 'Error: read ECONNRESET'),
    write('other', 1001, 1040, 'Error: read ECONNRESET'),
    write('b', 3000, null),
  ];
  const figures = figuresOf(operations, 0, ['a', 'b'], times);
  assert.deepEqual(figures.errors, [
    { kind: 'Error: MOVED <n> <address>', count: 2 },
    { kind: 'Error: read ECONNRESET', count: 2 },
  ]);
  assert.equal(figures.errorsBefore, 1);
});

test('other shards have their own time without writes', () => {
  const operations = [write('other', 850, 900), write('other', 1000, 1300), write('other', 3900, 3950)];
  assert.equal(figuresOf(operations, 0, [], times).msWithoutWritesElsewhere, 2650);
  assert.equal(figuresOf([], 0, ['a'], times).msWithoutWritesElsewhere, null);
});

test('an error kind has nothing in it that differs from one error to the next', () => {
  const id = 'ab'.repeat(20);
  const rows = [
    ['MOVED 3999 10.1.2.3:7000', 'MOVED <n> <address>'],
    ['connect ECONNREFUSED [fe80::1]:7001', 'connect ECONNREFUSED <address>'],
    [`node ${id} at slot 17`, 'node <id> at slot <n>'],
    ['first line\n   second', 'first line second'],
    ['no reply from Redis6 v2', 'no reply from Redis6 v2'],
  ] as const;
  for (const [text, kind] of rows) assert.equal(kindOfError(text), kind);
});
