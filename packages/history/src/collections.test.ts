import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Operation } from './operation.ts';
import { add, counted, deliver, entries, increment, list, pop, push, read, write } from './testing/script.ts';
import { judge } from './verdict.ts';

interface Case {
  readonly name: string;
  readonly history: readonly Operation[];
  /** Kinds of violations that must be found, each as often as it must be; empty for a good history. */
  readonly kinds: readonly string[];
  readonly lost?: number;
  readonly unjudged?: boolean;
}

const unknown = { outcome: 'unknown' } as const;
const failed = { outcome: 'failed' } as const;
const again = <T extends Operation>(operation: T): T => ({ ...operation, isAgain: true });
const lostWrite = 'acknowledged-write-lost';

const lists: readonly Case[] = [
  {
    name: 'every push is there or was popped',
    history: [push('a', 0, 1), push('b', 2, 3), pop('a', 4, 5), pop(null, 1, 2), list(['b'], 6, 7)],
    kinds: [],
  },
  {
    name: 'pushes at once may stand in either order',
    history: [push('a', 0, 9), push('b', 1, 8), list(['b', 'a'], 10, 11)],
    kinds: [],
  },
  { name: 'an acknowledged push is gone', history: [push('a', 0, 1), list([], 2, 3)], kinds: [lostWrite], lost: 1 },
  {
    name: 'each loss is counted once, however often the list is read',
    history: [push('a', 0, 1), push('b', 0, 1), list([], 2, 3), list([], 4, 5)],
    kinds: [lostWrite, lostWrite],
    lost: 2,
  },
  {
    name: 'a pop without an answer excuses one that is missing',
    history: [push('a', 0, 1), pop(null, 2, null, unknown), list([], 9, 10)],
    kinds: [],
  },
  {
    name: 'a pop without an answer excuses no second one',
    history: [push('a', 0, 1), push('b', 2, 3), pop(null, 4, null, unknown), list([], 9, 10)],
    kinds: [lostWrite],
    lost: 1,
  },
  {
    name: 'a pop that was refused, or began after the reading, excuses nothing',
    history: [push('a', 0, 1), pop(null, 2, 3, failed), list([], 4, 5), pop(null, 6, null, unknown)],
    kinds: [lostWrite],
  },
  {
    name: 'a value is delivered to two that wait',
    history: [push('a', 0, 1), pop('a', 0, 2), pop('a', 0, 3), list([], 4, 5)],
    kinds: ['delivered-twice'],
  },
  {
    name: 'a popped value is back',
    history: [push('a', 0, 1), pop('a', 2, 3), list(['a'], 4, 5)],
    kinds: [lostWrite],
  },
  {
    name: 'a value is in the list twice',
    history: [push('a', 0, 1), list(['a', 'a'], 2, 3)],
    kinds: ['not-linearizable'],
  },
  {
    name: 'a value stands behind one that was pushed after it',
    history: [push('a', 0, 1), push('b', 2, 3), list(['b', 'a'], 4, 5)],
    kinds: ['order-broken'],
  },
  {
    name: 'a value is popped before one that was pushed before it and stays',
    history: [push('a', 0, 1), push('b', 2, 3), pop('b', 4, 5), list(['a'], 6, 7)],
    kinds: ['order-broken'],
  },
  {
    name: 'a value is popped before one that was pushed before it and popped after it',
    history: [push('a', 0, 1), push('b', 2, 3), pop('b', 4, 5), pop('a', 6, 7), list([], 8, 9)],
    kinds: ['order-broken'],
  },
  {
    name: 'pops at once may end in either order',
    history: [push('a', 0, 1), push('b', 2, 3), pop('b', 4, 7), pop('a', 5, 6), list([], 8, 9)],
    kinds: [],
  },
  { name: 'a value comes from nowhere', history: [list(['x'], 0, 1)], kinds: ['not-linearizable'] },
  {
    name: 'a refused push is seen',
    history: [push('a', 0, 1, failed), pop('a', 2, 3), list([], 4, 5)],
    kinds: ['not-linearizable'],
  },
  {
    name: 'a value is popped before its push began',
    history: [pop('a', 0, 1), push('a', 2, 3), list([], 4, 5)],
    kinds: ['not-linearizable'],
  },
  {
    name: 'a push without an answer may be there or not',
    history: [push('a', 0, null, unknown), push('b', 0, null, unknown), list(['b'], 4, 5)],
    kinds: [],
  },
  {
    name: 'a reading lacks what a later one has',
    history: [push('a', 0, 1), list([], 2, 3), list(['a'], 4, 5)],
    kinds: ['stale-read'],
  },
  { name: 'a list that was not read at the end', history: [push('a', 0, 1)], kinds: [], unjudged: true },
];

const streams: readonly Case[] = [
  {
    name: 'every entry is there and was delivered',
    history: [
      add(['1-1', 'a'], 0, 1),
      add(['1-2', 'b'], 2, 3),
      deliver([['1-1', 'a']], 2, 4),
      deliver([['1-2', 'b']], 5, 6),
      deliver([], 7, 8),
      entries(
        [
          ['1-1', 'a'],
          ['1-2', 'b'],
        ],
        9,
        10,
      ),
    ],
    kinds: [],
  },
  {
    name: 'an acknowledged entry is gone',
    history: [add(['1-1', 'a'], 0, 1), entries([], 2, 3)],
    kinds: [lostWrite],
    lost: 1,
  },
  {
    name: 'two entries were given one id',
    history: [add(['1-1', 'a'], 0, 1), add(['1-1', 'b'], 2, 3), entries([['1-1', 'b']], 4, 5)],
    kinds: [lostWrite, lostWrite],
  },
  {
    name: 'an entry has another id than was said',
    history: [add(['1-1', 'a'], 0, 1), entries([['1-2', 'a']], 2, 3)],
    kinds: ['not-linearizable'],
  },
  {
    name: 'ids do not grow, as numbers and not as text',
    history: [
      add(['9-1', 'a'], 0, 9),
      add(['10-1', 'b'], 0, 9),
      entries(
        [
          ['10-1', 'b'],
          ['9-1', 'a'],
        ],
        10,
        11,
      ),
    ],
    kinds: ['order-broken'],
  },
  {
    name: 'ids grow as numbers',
    history: [
      add(['9-1', 'a'], 0, 9),
      add(['10-1', 'b'], 0, 9),
      entries(
        [
          ['9-1', 'a'],
          ['10-1', 'b'],
        ],
        10,
        11,
      ),
    ],
    kinds: [],
  },
  {
    name: 'an entry stands before one that was added before it',
    history: [
      add(['2-1', 'a'], 0, 1),
      add(['1-1', 'b'], 2, 3),
      entries(
        [
          ['1-1', 'b'],
          ['2-1', 'a'],
        ],
        4,
        5,
      ),
    ],
    kinds: ['order-broken'],
  },
  {
    name: 'a new entry is delivered twice',
    history: [
      add(['1-1', 'a'], 0, 1),
      deliver([['1-1', 'a']], 2, 3),
      deliver([['1-1', 'a']], 4, 5),
      deliver([], 6, 7),
      entries([['1-1', 'a']], 8, 9),
    ],
    kinds: ['delivered-twice'],
  },
  {
    name: 'an entry whose delivery was lost is asked for again',
    history: [
      add(['1-1', 'a'], 0, 1),
      deliver([], 2, 3, unknown),
      again(deliver([['1-1', 'a']], 4, 5)),
      again(deliver([], 6, 7)),
      deliver([], 6, 7),
      entries([['1-1', 'a']], 8, 9),
    ],
    kinds: [],
  },
  {
    name: 'an entry was delivered to nobody',
    history: [
      add(['1-1', 'a'], 0, 1),
      deliver([], 2, 3, unknown),
      again(deliver([], 4, 5)),
      deliver([], 6, 7),
      entries([['1-1', 'a']], 8, 9),
    ],
    kinds: ['not-delivered'],
  },
  {
    name: 'a group that was not read to its end',
    history: [add(['1-1', 'a'], 0, 1), deliver([], 0, 0.5), entries([['1-1', 'a']], 8, 9)],
    kinds: [],
    unjudged: true,
  },
  {
    name: 'a refused entry is delivered',
    history: [add([null, 'a'], 0, 1, failed), deliver([['1-1', 'a']], 2, 3), deliver([], 4, 5), entries([], 6, 7)],
    kinds: ['not-linearizable'],
  },
];

const counters: readonly Case[] = [
  {
    name: 'every increment counts once',
    history: [increment(1, 0, 1), increment(3, 2, 9), increment(2, 2, 9), counted(3, 10, 11)],
    kinds: [],
  },
  {
    name: 'one without an answer may count or not',
    history: [increment(1, 0, 1), increment(null, 2, null, unknown), increment(2, 4, 5), counted(2, 6, 7)],
    kinds: [],
  },
  {
    name: 'acknowledged increments are gone',
    history: [increment(1, 0, 1), increment(2, 0, 1), increment(3, 0, 1), counted(1, 2, 3)],
    kinds: [lostWrite, lostWrite, 'stale-read'],
    lost: 2,
  },
  {
    name: 'two increments come to one count, although another without an answer hides the loss',
    history: [increment(1, 0, 1), increment(1, 0, 1), increment(null, 0, null, unknown), counted(2, 4, 5)],
    kinds: ['not-linearizable'],
  },
  {
    name: 'the counter goes back',
    history: [increment(2, 0, 1), increment(1, 2, 3), counted(2, 4, 5)],
    kinds: ['not-linearizable', 'not-linearizable'],
  },
  {
    name: 'an increment is executed twice',
    history: [increment(1, 0, 1), counted(2, 2, 3)],
    kinds: ['not-linearizable'],
  },
  {
    name: 'a refused increment is executed',
    history: [increment(1, 0, 1), increment(null, 2, 3, failed), counted(2, 4, 5)],
    kinds: ['not-linearizable'],
  },
  { name: 'a counter that was not read at the end', history: [increment(1, 0, 1)], kinds: [], unjudged: true },
];

const both = (value: string, fromMs: number, toMs: number): Operation => ({
  ...write(value, fromMs, toMs),
  also: 'k2',
});
const seen = (value: string | null, beside: string | null, fromMs: number, toMs: number): Operation => {
  return { ...read(value, fromMs, toMs), also: { key: 'k2', value: beside } };
};

const transactions: readonly Case[] = [
  {
    name: 'both keys are seen alike',
    history: [seen(null, null, 0, 1), both('a', 2, 9), seen('a', 'a', 3, 4), seen('a', 'a', 10, 11)],
    kinds: [],
  },
  {
    name: 'half of one is seen',
    history: [both('a', 0, 1), both('b', 2, 9), seen('b', 'a', 3, 4), seen('b', 'b', 10, 11)],
    kinds: ['torn-transaction'],
  },
  {
    name: 'one that was acknowledged is gone, both halves of it',
    history: [both('a', 0, 1), both('b', 2, 3), seen('a', 'a', 4, 5)],
    kinds: [lostWrite, 'stale-read', 'not-linearizable'],
    lost: 1,
  },
];

const kinds: readonly (readonly [string, readonly Case[]])[] = [
  ['lists', lists],
  ['streams', streams],
  ['counters', counters],
  ['transactions', transactions],
];
for (const [what, cases] of kinds)
  for (const { name, history, kinds: wanted, lost, unjudged = false } of cases)
    test(`${what}: ${name}`, () => {
      const verdict = judge(history, { masterships: [], pauses: [] });
      assert.deepEqual(verdict.violations.map(({ kind }) => kind).sort(), [...wanted].sort());
      assert.equal(verdict.acknowledgedWritesLost, lost ?? wanted.filter((kind) => kind === lostWrite).length);
      assert.deepEqual(verdict.unjudgedKeys, unjudged ? ['k'] : []);
      for (const { operations, message } of verdict.violations) {
        assert.ok(operations.length > 0);
        assert.match(message, /c0 \w+/);
      }
    });

test('a push that a woken master acknowledged and that is gone is seen from both sides', () => {
  const evidence = {
    masterships: [
      { shard: 0, epoch: 1, node: 'A', fromMs: 0, untilMs: 200 },
      { shard: 0, epoch: 2, node: 'B', fromMs: 210, untilMs: null },
    ],
    pauses: [{ node: 'A', fromMs: 100, untilMs: 400 }],
  };
  const queued = push('q', 150, 405, { node: 'A', phase: 'queued' });
  assert.deepEqual(
    judge([queued, list([], 500, 501, { node: 'B' })], evidence).violations.map(({ kind }) => kind),
    ['acknowledged-after-fence', lostWrite],
  );
  const seenThere = judge([queued, list(['q'], 500, 501, { node: 'B' })], evidence);
  assert.deepEqual(
    seenThere.violations.map(({ kind }) => kind),
    ['acknowledged-after-fence', 'fenced-write-visible'],
  );
});

test('a value that was pushed twice makes a history that nothing can be said about', () => {
  const twice = [push('a', 0, 1), push('a', 2, 3)];
  assert.throws(() => judge(twice, { masterships: [], pauses: [] }), { code: 'HISTORY_VALUE_TWICE' });
});
