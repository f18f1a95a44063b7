import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBelow, seededRandom, type Random } from '@holdfast/base';
import { Scratch, spanOf } from './bytes.ts';
import type { Engine } from './engine.ts';
import type { EntryIterator, IterateRange } from './entry-iterator.ts';
import { family } from './families.ts';
import { openTestEngine } from './testing/index.ts';

const of = family.subkey;
const groups = ['a', 'b', 'c'];
const keysPerGroup = 40;

/** A database of a few groups of keys, and the same in a map. */
class Model {
  readonly values = new Map<string, string>();
  readonly #engine: Engine;
  readonly #random: Random;
  readonly #key = new Scratch();
  #count = 0;

  constructor(engine: Engine, random: Random) {
    this.#engine = engine;
    this.#random = random;
  }

  randomKey(): string {
    const group = groups[randomBelow(this.#random, groups.length)] as string;
    return `${group}${String(randomBelow(this.#random, keysPerGroup)).padStart(2, '0')}`;
  }

  /** One command: some puts, deletes or a range delete; sometimes taken back. */
  change(): void {
    const { tick } = this.#engine;
    const before = new Map(this.values);
    this.#engine.beginCommand();
    for (let i = randomBelow(this.#random, 6); i >= 0; i--) {
      const key = this.randomKey();
      this.#key.reset();
      this.#key.bytes(Buffer.from(key));
      const kind = randomBelow(this.#random, 10);
      if (kind === 0) {
        const end = this.randomKey();
        tick.deleteRange(of, Buffer.from(key), Buffer.from(end));
        for (const one of [...this.values.keys()]) if (key <= one && one < end) this.values.delete(one);
      } else if (kind < 4) {
        tick.delete(of, this.#key, 1);
        this.values.delete(key);
      } else {
        const value = `v${++this.#count}`;
        tick.put(of, this.#key, spanOf(Buffer.from(value)), undefined, 1);
        this.values.set(key, value);
      }
    }
    if (randomBelow(this.#random, 5) > 0) return;
    this.#engine.rollbackCommand();
    this.values.clear();
    for (const [key, value] of before) this.values.set(key, value);
  }

  entries({ gte, lt, reverse }: { gte: string; lt: string; reverse: boolean }): string[] {
    const found = [...this.values].filter(([key]) => gte <= key && key < lt).sort(([a], [b]) => (a < b ? -1 : 1));
    if (reverse) found.reverse();
    return found.map(([key, value]) => `${key}=${value}`);
  }
}

interface Running {
  readonly iterator: EntryIterator;
  readonly expected: readonly string[];
  readonly seen: string[];
}

/** An iteration over a random range, and what it must show. */
function begin(engine: Engine, model: Model, random: Random, how: Partial<IterateRange> = { detached: true }): Running {
  const group = groups[randomBelow(random, groups.length)] as string;
  const reverse = randomBelow(random, 2) === 0;
  const isGroup = randomBelow(random, 2) === 0;
  const [one, other] = [model.randomKey(), model.randomKey()].sort() as [string, string];
  const bounds = isGroup ? { gte: group, lt: `${group}~` } : { gte: one, lt: other };
  const range: IterateRange = {
    gte: Buffer.from(bounds.gte),
    lt: Buffer.from(bounds.lt),
    reverse,
    ...how,
    ...(isGroup ? { group: Buffer.from(group) } : {}),
  };
  return { iterator: engine.iterate(of, range), expected: model.entries({ ...bounds, reverse }), seen: [] };
}

/** Takes up to `count` entries. @returns whether there may be more. */
function step({ iterator, seen }: Running, count: number): boolean {
  for (let i = 0; i < count; i++) {
    if (!iterator.next()) return false;
    const text = (span: { buffer: Buffer; start: number; end: number }): string =>
      span.buffer.toString('latin1', span.start, span.end);
    seen.push(`${text(iterator.key)}=${text(iterator.value)}`);
  }
  return true;
}

for (const seed of [1, 2, 3, 4]) {
  test(`detached iterations show the moment they were made, whatever later ticks write (seed ${seed})`, async () => {
    await using opened = await openTestEngine();
    const { engine } = opened;
    const random = seededRandom(seed);
    const model = new Model(engine, random);
    const running = new Set<Running>();
    let ended = 0;
    for (let round = 0; round < 1500; round++) {
      model.change();
      if (randomBelow(random, 8) === 0) running.add(begin(engine, model, random));
      if (randomBelow(random, 6) === 0) engine.commit();
      for (const one of running) {
        if (randomBelow(random, 4) > 0 || step(one, randomBelow(random, 5))) continue;
        assert.deepEqual(one.seen, one.expected);
        one.iterator.close();
        running.delete(one);
        ended++;
      }
    }
    for (const one of running) {
      while (step(one, 100));
      assert.deepEqual(one.seen, one.expected);
      one.iterator.close();
      ended++;
    }
    assert.ok(ended > 100, `${ended} iterations`);
  });
}

test('a detached iteration outlives a tick that is dropped: it shows what the command saw', async () => {
  await using opened = await openTestEngine();
  const { engine } = opened;
  const random = seededRandom(9);
  const model = new Model(engine, random);
  for (let i = 0; i < 20; i++) model.change();
  engine.commit();
  for (let i = 0; i < 20; i++) model.change();
  const one = begin(engine, model, random);
  engine.dropTick();
  while (step(one, 100));
  assert.deepEqual(one.seen, one.expected);
  one.iterator.close();
});

test('iterations that pass entries on show the same, however many they expect, also two at a time', async () => {
  await using opened = await openTestEngine();
  const { engine } = opened;
  const random = seededRandom(5);
  const model = new Model(engine, random);
  let entries = 0;
  for (let round = 0; round < 1500; round++) {
    model.change();
    if (randomBelow(random, 6) === 0) engine.commit();
    const both = [0, 1].map(() => begin(engine, model, random, { passing: randomBelow(random, 30) }));
    while (both.map((one) => step(one, 3)).includes(true));
    for (const { iterator, seen, expected } of both) {
      assert.deepEqual(seen, expected);
      iterator.close();
      iterator.close();
      entries += seen.length;
    }
  }
  assert.ok(entries > 10_000, `${entries} entries`);
});

test('entries that have no room in what is read at once are passed on all the same', async () => {
  await using opened = await openTestEngine();
  const { engine } = opened;
  const key = new Scratch();
  const lengths = [10, 70_000, 30_000, 30_000, 30_000, 1, 0, 100_000];
  engine.beginCommand();
  for (const [i, length] of lengths.entries()) {
    key.reset();
    key.bytes(Buffer.from(`g${i}`));
    engine.tick.put(of, key, spanOf(Buffer.alloc(length, 97 + i)), undefined, 1);
  }
  engine.commit();
  for (const reverse of [false, true])
    for (const from of [0, 1]) {
      const range = { gte: Buffer.from(`g${from}`), lt: Buffer.from('h'), group: Buffer.from('g'), reverse };
      const entries = engine.iterate(of, { ...range, passing: 100 });
      const seen: string[] = [];
      const text = (value: Buffer): string => `${value.length} of ${value[0] ?? 0}`;
      while (entries.next()) seen.push(`${entries.key.view().toString()} ${text(entries.value.view())}`);
      entries.close();
      const expected = lengths.map((length, i) => `g${i} ${length} of ${length === 0 ? 0 : 97 + i}`).slice(from);
      assert.deepEqual(seen, reverse ? expected.reverse() : expected);
    }
});
