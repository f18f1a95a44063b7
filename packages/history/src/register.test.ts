import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBelow, seededRandom, type Random } from '@holdfast/base';
import type { Operation } from './operation.ts';
import { checkRegister } from './register.ts';
import { isLinearizableExhaustively } from './testing/exhaustive.ts';
import { read, write } from './testing/script.ts';

interface Case {
  readonly name: string;
  readonly history: readonly Operation[];
  /** Kinds of the faults that must be found; empty for a good history. */
  readonly faults: readonly string[];
}

const unknown = { outcome: 'unknown' } as const;
const failed = { outcome: 'failed' } as const;

const cases: readonly Case[] = [
  { name: 'an empty history is good', history: [], faults: [] },
  {
    name: 'a read of an untouched register is good',
    history: [read(null, 0, 1), read(null, 5, 6)],
    faults: [],
  },
  {
    name: 'reads that follow sequential writes are good',
    history: [write('a', 0, 1), read('a', 2, 3), write('b', 4, 5), read('b', 6, 7)],
    faults: [],
  },
  {
    name: 'a read beside a write may see the old or the new value',
    history: [write('a', 0, 1), write('b', 2, 9), read('a', 3, 4), read('b', 5, 6), read('b', 10, 11)],
    faults: [],
  },
  {
    name: 'two writes at once may be seen in either order, but by all alike',
    history: [write('a', 0, 10), write('b', 0, 10), read('b', 11, 12), read('b', 13, 14)],
    faults: [],
  },
  {
    name: 'reads that see two concurrent writes alternate are bad',
    history: [write('a', 0, 10), write('b', 0, 10), read('b', 11, 12), read('a', 13, 14), read('b', 15, 16)],
    faults: ['order-conflict'],
  },
  {
    name: 'a read of a value that was overwritten before the read began is bad',
    history: [write('a', 0, 1), write('b', 2, 3), read('a', 4, 5)],
    faults: ['order-conflict'],
  },
  {
    name: 'an absent value after an acknowledged write is bad',
    history: [write('a', 0, 1), read(null, 2, 3)],
    faults: ['order-conflict'],
  },
  {
    name: 'going back from the new to the old value beside the write is bad',
    history: [write('a', 0, 1), write('b', 2, 20), read('b', 3, 4), read('a', 5, 6)],
    faults: ['order-conflict'],
  },
  {
    name: 'an unknown write that nobody saw is good',
    history: [write('a', 0, 1), write('b', 2, null, unknown), read('a', 50, 51)],
    faults: [],
  },
  {
    name: 'an unknown write may take effect long after it was given up',
    history: [write('a', 0, 1), write('b', 2, 3, unknown), read('a', 50, 51), read('b', 60, 61)],
    faults: [],
  },
  {
    name: 'an unknown write that was seen cannot be undone',
    history: [write('a', 0, 1), write('b', 2, 3, unknown), read('b', 50, 51), read('a', 60, 61)],
    faults: ['order-conflict'],
  },
  {
    name: 'an unknown write cannot be seen before it began',
    history: [read('a', 0, 1), write('a', 2, null, unknown)],
    faults: ['read-before-write'],
  },
  {
    name: 'a refused write that was read is bad',
    history: [write('a', 0, 1, failed), read('a', 2, 3)],
    faults: ['refused-write-visible'],
  },
  {
    name: 'a refused write that nobody read is good',
    history: [write('a', 0, 1), write('b', 2, 3, failed), read('a', 4, 5)],
    faults: [],
  },
  {
    name: 'a value that nobody wrote is bad',
    history: [write('a', 0, 1), read('x', 2, 3)],
    faults: ['value-from-nowhere'],
  },
  {
    name: 'a read that got no answer proves nothing',
    history: [write('a', 0, 1), read(null, 2, null, unknown), read('a', 4, 5)],
    faults: [],
  },
  {
    name: 'a conflict is found although another value reaches further but settled too late to be part of it',
    history: [
      write('wide', 0, 2),
      read('wide', 30, 31), // "wide" is in effect from 2 to 30 at least ...
      write('inner', 10, 11), // ... and "inner" lies inside
    ],
    faults: ['order-conflict'],
  },
  {
    name: 'an end and a beginning at the same instant count as concurrent',
    history: [write('a', 0, 2), write('b', 2, 4), read('b', 4, 6), read('a', 4, 6)],
    faults: [],
  },
];

for (const { name, history, faults } of cases) {
  test(`register: ${name}`, () => {
    const kinds = checkRegister(history).map((fault) => fault.kind);
    assert.deepEqual(kinds, faults);
    const isGood = isLinearizableExhaustively(history);
    assert.equal(isGood, faults.length === 0, 'the exhaustive search agrees');
  });
}

test('register: the verdict does not depend on the order in which operations were recorded', () => {
  for (const { history, faults } of cases) {
    assert.equal(checkRegister([...history].reverse()).length > 0, faults.length > 0);
  }
});

test('register: a value written twice is refused, since nothing could be judged', () => {
  assert.throws(() => checkRegister([write('a', 0, 1), write('a', 2, 3)]), { code: 'HISTORY_VALUE_TWICE' });
});

/** A small history with arbitrary times and reads: about half of them are good. */
function arbitraryHistory(random: Random): Operation[] {
  const writes = 1 + randomBelow(random, 4);
  const operations: Operation[] = [];
  for (let i = 0; i < writes; i++) {
    const fromMs = randomBelow(random, 20);
    const outcome = randomBelow(random, 4) === 0 ? 'unknown' : 'ok';
    operations.push(write(`v${i}`, fromMs, fromMs + randomBelow(random, 12), { outcome }));
  }
  const reads = randomBelow(random, 5);
  for (let i = 0; i < reads; i++) {
    const fromMs = randomBelow(random, 30);
    const seen = randomBelow(random, writes + 1);
    operations.push(read(seen === writes ? null : `v${seen}`, fromMs, fromMs + randomBelow(random, 8)));
  }
  return operations;
}

test('register: agrees with the exhaustive search on 5000 arbitrary histories, good ones and bad ones', () => {
  const random = seededRandom(20);
  const counts = { good: 0, bad: 0 };
  for (let i = 0; i < 5000; i++) {
    const history = arbitraryHistory(random);
    const expected = isLinearizableExhaustively(history);
    assert.equal(checkRegister(history).length === 0, expected, JSON.stringify(history));
    counts[expected ? 'good' : 'bad']++;
  }
  assert.ok(counts.good > 500 && counts.bad > 500, JSON.stringify(counts));
});

/** What a correct register makes of concurrent clients: each operation takes effect at an instant inside its interval. */
function correctHistory(random: Random, count: number): Operation[] {
  const operations: Operation[] = [];
  let state: string | null = null;
  for (let i = 0; i < count; i++) {
    const effectMs = 1 + i;
    const fromMs = effectMs - randomBelow(random, 20) - 0.5;
    const toMs = effectMs + randomBelow(random, 20) + 0.25;
    const kind = randomBelow(random, 10);
    if (kind < 5) operations.push(read(state, fromMs, toMs));
    else if (kind === 5) operations.push(write(`lost${i}`, fromMs, null, unknown));
    else {
      state = `v${i}`;
      operations.push(write(state, fromMs, toMs, kind === 6 ? unknown : {}));
    }
  }
  return operations;
}

test('register: accepts 50,000 operations of a correct register and finds one forged read among them', () => {
  const history = correctHistory(seededRandom(4), 50_000);
  assert.deepEqual(checkRegister(history), []);
  const victim = history.findIndex((operation, at) => at > 40_000 && operation.op === 'read');
  const old = history.find((operation) => operation.op === 'write' && operation.outcome === 'ok');
  assert.ok(old?.op === 'write');
  const forged = history.with(victim, { ...(history[victim] as Operation & { op: 'read' }), value: old.value });
  assert.ok(checkRegister(forged).length > 0);
});
