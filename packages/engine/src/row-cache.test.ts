import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperationError, ProtocolError, randomBelow, seededRandom, type Random } from '@holdfast/base';
import { BatchBuilder } from './batch-builder.ts';
import { Scratch, Window, spanOf } from './bytes.ts';
import type { Commit } from './commit.ts';
import type { Engine } from './engine.ts';
import { family } from './families.ts';
import { hashOfKey } from './key-hash.ts';
import { defaultNamespace } from './namespace.ts';
import { Overlay } from './overlay.ts';
import { RowCache } from './row-cache.ts';
import { openTestEngine } from './testing/index.ts';

const scratch = new Scratch();

function key(text: string): Scratch {
  scratch.reset();
  scratch.bytes(Buffer.from(text, 'latin1'));
  return scratch;
}

const found = new Window();

/** What the cache answers; null: known to be absent; undefined: not known. */
function ask(cache: RowCache, of: number, name: string): string | null | undefined {
  const answer = cache.find(of, key(name), hashOfKey(of, key(name)), found);
  if (answer === 1) return found.view().toString('latin1');
  return answer === 0 ? null : undefined;
}

/** A tick of its own, as the engine hands it to the cache. */
class Writes {
  readonly overlay: Overlay = new Overlay();
  readonly builder: BatchBuilder = new BatchBuilder();

  put(of: number, name: string, value: string): this {
    this.builder.put(of, key(name), spanOf(Buffer.from(value, 'latin1')), spanOf(''));
    this.overlay.add(of, this.builder, hashOfKey(of, key(name)), 0);
    return this;
  }

  delete(of: number, name: string): this {
    this.builder.delete(of, key(name));
    this.overlay.add(of, this.builder, hashOfKey(of, key(name)), 0);
    return this;
  }

  deleteRange(of: number, begin: string, end: string): this {
    this.builder.deleteRange(of, Buffer.from(begin, 'latin1'), Buffer.from(end, 'latin1'));
    this.overlay.addRange(of, Buffer.from(begin, 'latin1'), Buffer.from(end, 'latin1'));
    return this;
  }

  /** The same writes as a master's batch. */
  taken(): { packed: Buffer; lengths: Uint32Array; count: number } {
    this.builder.close(undefined);
    return this.builder.take(1);
  }
}

/** Reads as the engine does: what the cache does not know is taken from the database and added. */
function read(cache: RowCache, database: Map<string, string>, of: number, name: string): string | null {
  const answer = ask(cache, of, name);
  if (answer !== undefined) return answer;
  const value = database.get(`${of}${name}`);
  const span = value === undefined ? undefined : spanOf(Buffer.from(value, 'latin1'));
  cache.add(of, key(name), hashOfKey(of, key(name)), span);
  return value ?? null;
}

const nameOf = (random: Random, names: number): string => {
  const number = randomBelow(random, names);
  // Of every length modulo four, with bytes of every kind; some share all but the end.
  return `${String.fromCharCode(200 + (number % 5))}key:${'x'.repeat(number % 40)}:${number}`;
};

const valueOf = (random: Random): string => {
  const length = randomBelow(random, 20) === 0 ? randomBelow(random, 3000) : randomBelow(random, 60);
  return String.fromCharCode(...random.bytes(length));
};

for (const [bytes, names] of [
  [0, 50],
  [16 << 10, 400],
  [64 << 10, 3000],
  [1 << 20, 3000],
] as const)
  test(`whatever is read, written and deleted, a cache of ${bytes} bytes answers as a map, within its size`, () => {
    const random = seededRandom(bytes + 7);
    const cache = new RowCache(bytes);
    const database = new Map<string, string>();
    for (let round = 0; round < 4000; round++) {
      const of = randomBelow(random, 2);
      for (let i = 0; i < 20; i++) {
        const name = nameOf(random, names);
        assert.equal(read(cache, database, of, name), database.get(`${of}${name}`) ?? null);
      }
      assert.ok(cache.figures.bytes <= bytes, `${cache.figures.bytes} bytes`);
      const writes = new Writes();
      for (let i = randomBelow(random, 8); i > 0; i--) {
        const name = nameOf(random, names);
        if (randomBelow(random, 3) === 0) {
          database.delete(`${of}${name}`);
          writes.delete(of, name);
        } else {
          const value = valueOf(random);
          database.set(`${of}${name}`, value);
          writes.put(of, name, value);
        }
      }
      if (randomBelow(random, 30) === 0) {
        const [begin, end] = [nameOf(random, names), nameOf(random, names)].sort() as [string, string];
        for (const stored of [...database.keys()])
          if (stored.startsWith(String(of)) && stored.slice(1) >= begin && stored.slice(1) < end)
            database.delete(stored);
        writes.deleteRange(of, begin, end);
      }
      if (randomBelow(random, 2) === 0) {
        const { packed, lengths, count } = writes.taken();
        cache.batchesApplied(packed, lengths, count);
      } else cache.tickClosed(writes.overlay, writes.builder.buffer);
      if (randomBelow(random, 200) === 0) cache.clear();
      if (randomBelow(random, 100) === 0) {
        cache.resize(bytes >> 1);
        assert.ok(cache.figures.bytes <= bytes >> 1);
        cache.resize(bytes);
      }
    }
    const { hits, misses } = cache.figures;
    assert.equal(hits > misses / 20, bytes > 0, `${hits} hits, ${misses} misses: the test meant to have both`);
  });

test('a read of what is not there is remembered, and what is put later takes its place', () => {
  const cache = new RowCache(1 << 20);
  const database = new Map<string, string>();
  assert.equal(ask(cache, family.metadata, 'k'), undefined);
  assert.equal(read(cache, database, family.metadata, 'k'), null);
  assert.equal(ask(cache, family.metadata, 'k'), null);
  assert.equal(ask(cache, family.subkey, 'k'), undefined, 'families are apart');
  const before = cache.figures.bytes;
  const one = new Writes().put(family.metadata, 'k', '1').put(family.metadata, 'other', '1');
  cache.tickClosed(one.overlay, one.builder.buffer);
  assert.equal(ask(cache, family.metadata, 'k'), '1');
  assert.equal(ask(cache, family.metadata, 'other'), undefined, 'a write adds nothing');
  const two = new Writes().put(family.metadata, 'k', '2').delete(family.metadata, 'k');
  cache.tickClosed(two.overlay, two.builder.buffer);
  assert.equal(ask(cache, family.metadata, 'k'), null, 'the newest write counts');
  assert.deepEqual([cache.figures.entries, cache.figures.bytes], [1, before]);
});

test('a value that grew stands elsewhere, one that is too large or under a long key is not kept', () => {
  const cache = new RowCache(1 << 20);
  const database = new Map([
    ['1k', 'short'],
    ['1large', 'x'.repeat(100_000)],
    [`1${'n'.repeat(70_000)}`, 'v'],
  ]);
  for (const name of ['k', 'large', 'n'.repeat(70_000)]) read(cache, database, 1, name);
  assert.equal(ask(cache, 1, 'k'), 'short');
  assert.equal(ask(cache, 1, 'large'), undefined);
  assert.equal(ask(cache, 1, 'n'.repeat(70_000)), undefined);
  for (const length of [5, 6, 7, 500, 1000, 3]) {
    const writes = new Writes().put(1, 'k', 'y'.repeat(length));
    cache.tickClosed(writes.overlay, writes.builder.buffer);
    assert.equal(ask(cache, 1, 'k'), 'y'.repeat(length));
  }
  const writes = new Writes().put(1, 'k', 'z'.repeat(100_000));
  cache.tickClosed(writes.overlay, writes.builder.buffer);
  assert.equal(ask(cache, 1, 'k'), undefined);
  assert.equal(cache.figures.entries, 0);
});

test('a deleted range of sub keys drops what it covers, one of metadata everything', () => {
  const cache = new RowCache(1 << 20);
  const database = new Map([...'abcdef'].flatMap((name) => [0, 1].map((of) => [`${of}list${name}`, name] as const)));
  const fill = (): void => [...database.keys()].forEach((at) => void read(cache, database, Number(at[0]), at.slice(1)));
  fill();
  const sub = new Writes().deleteRange(0, 'listb', 'liste');
  cache.tickClosed(sub.overlay, sub.builder.buffer);
  assert.deepEqual(
    [...'abcdef'].map((name) => ask(cache, 0, `list${name}`)),
    ['a', undefined, undefined, undefined, 'e', 'f'],
  );
  assert.equal(ask(cache, 1, 'listc'), 'c');
  const meta = new Writes().deleteRange(1, 'lista', 'listb').taken();
  cache.batchesApplied(meta.packed, meta.lengths, meta.count);
  assert.deepEqual([cache.figures.entries, cache.figures.bytes], [0, 0]);
});

test('a damaged batch empties the cache', () => {
  const cache = new RowCache(1 << 20);
  read(cache, new Map([['1k', 'v']]), 1, 'k');
  const { packed, lengths } = new Writes().put(1, 'k', 'new').taken();
  lengths[0] = packed.length - 2;
  assert.throws(() => cache.batchesApplied(packed, lengths, 1), ProtocolError);
  assert.equal(ask(cache, 1, 'k'), undefined);
});

test('memory is taken as records come; a smaller size keeps the newest', () => {
  const cache = new RowCache(4 << 20);
  assert.equal(cache.figures.bytes, 0);
  const database = new Map<string, string>();
  for (let i = 0; i < 30_000; i++) database.set(`1key${i}`, `value ${i}`);
  for (let i = 0; i < 1000; i++) read(cache, database, 1, `key${i}`);
  const { bytes } = cache.figures;
  assert.ok(bytes > 0 && bytes < 1 << 20, String(bytes));
  for (let i = 1000; i < 30_000; i++) read(cache, database, 1, `key${i}`);
  assert.equal(cache.figures.entries, 30_000);
  cache.resize(1 << 20);
  assert.ok(cache.figures.bytes <= 1 << 20 && cache.figures.entries > 8_000, JSON.stringify(cache.figures));
  assert.equal(ask(cache, 1, 'key29999'), 'value 29999');
  assert.equal(ask(cache, 1, 'key0'), undefined);
  cache.resize(0);
  assert.deepEqual([cache.figures.entries, cache.figures.bytes], [0, 0]);
  read(cache, database, 1, 'key1');
  assert.equal(cache.figures.entries, 0);
});

test('what is brought near answers as before, and counts for nothing', () => {
  const cache = new RowCache(1 << 20);
  const database = new Map<string, string>();
  const prefix = Buffer.from(defaultNamespace.prefix).toString('latin1');
  // Of hashes, of what is too short for one, and of strings.
  const valueOf = (i: number): string => String.fromCharCode(0x80 | (i % 3)) + 'x'.repeat(i % 200);
  for (let i = 0; i < 20_000; i++) {
    const name = `${prefix}key${i}`;
    database.set(`${family.metadata}${name}`, valueOf(i));
    read(cache, database, family.metadata, name);
  }
  const before = cache.figures;
  const names = Array.from({ length: 40 }, (_, i) => `key${19_990 + (i >> 1)}`);
  const text = Buffer.from(names.join(''));
  const ends = names.map((_, i) => names.slice(0, i + 1).join('').length);
  const start = (i: number): number => ends[i - 1] ?? 0;
  const end = (i: number): number => ends[i] as number;
  const elementStart = (i: number): number => (i % 3 === 0 ? -1 : start(i));
  const keys = { buffer: text, count: 40, start, end, elementStart, elementEnd: end };
  const empty = new RowCache(1 << 20);
  for (const each of [cache, empty]) for (const prefixed of [true, false]) each.warm(defaultNamespace, keys, prefixed);
  assert.deepEqual([cache.figures, empty.figures.entries], [before, 0]);
  for (let i = 19_000; i < 20_000; i++)
    assert.equal(ask(cache, family.metadata, `${prefix}key${i}`), valueOf(i), String(i));
});

test('keys chosen to fall into one bucket do not make lookups long: some of them are not kept', () => {
  const cache = new RowCache(64 << 10);
  const database = new Map<string, string>();
  for (let i = 0; database.size < 100; i++) {
    const name = `key${i}`;
    if ((hashOfKey(1, key(name)) & 1023) === 5) database.set(`1${name}`, name);
  }
  for (const at of database.keys()) assert.equal(read(cache, database, 1, at.slice(1)), at.slice(1));
  assert.ok(cache.figures.entries <= 16, String(cache.figures.entries));
  for (const at of database.keys()) assert.equal(read(cache, database, 1, at.slice(1)), at.slice(1));
});

/** Plain LRU of so many keys, to compare with. */
class Lru {
  hits = 0;
  readonly #keys = new Set<string>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  ask(name: string): void {
    if (this.#keys.delete(name)) this.hits++;
    this.#keys.add(name);
    if (this.#keys.size > this.#max) for (const oldest of this.#keys) return void this.#keys.delete(oldest);
  }
}

/** Numbers below `count`, the n-th about as often as 1/n^skew. */
function zipf(random: Random, count: number, skew: number): () => number {
  const sums = new Float64Array(count);
  let sum = 0;
  for (let i = 0; i < count; i++) sums[i] = sum += 1 / (i + 1) ** skew;
  return () => {
    const wanted = ((random.u32() + 0.5) / 2 ** 32) * sum;
    let [low, high] = [0, count - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sums[middle] as number) < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

test('hot keys stay while others are read once: more hits than plain LRU of as many records', (t) => {
  const names = 40_000;
  for (const [trace, scan, least] of [
    ['zipf', 0, 1.05],
    ['zipf, two thirds of the reads a scan', 2, 1.3],
    ['zipf, five sixths of the reads a scan', 5, 1.4],
  ] as const) {
    const random = seededRandom(scan + 1);
    const next = zipf(random, names, 0.9);
    const cache = new RowCache(256 << 10);
    let lru: Lru | undefined;
    let scanned = 0;
    const database = { get: (): string => 'v'.repeat(20) } as unknown as Map<string, string>;
    for (let i = 0; i < 80_000; i++) {
      const name = `key:${String(next()).padStart(12, '0')}`;
      read(cache, database, 1, name);
      lru?.ask(name);
      for (let s = 0; s < scan; s++) {
        const once = `once:${String(scanned++).padStart(11, '0')}`;
        read(cache, database, 1, once);
        lru?.ask(once);
      }
      if (i === 20_000) {
        cache.resetFigures();
        lru = new Lru(cache.figures.entries);
      }
    }
    assert.ok(lru !== undefined);
    const { hits, misses, entries } = cache.figures;
    t.diagnostic(
      `${trace}: ${entries} records, ${((hits / (hits + misses)) * 100).toFixed(1)} % hits, ` +
        `LRU ${((lru.hits / (hits + misses)) * 100).toFixed(1)} %`,
    );
    assert.ok(hits >= lru.hits * least, `${trace}: ${hits} hits, LRU ${lru.hits}`);
  }
});

/** Makes the next write of an engine fail before it reaches the database. */
function failNextWrite(engine: Engine): void {
  Object.defineProperty(engine.database, 'write', {
    configurable: true,
    value: () => {
      Reflect.deleteProperty(engine.database, 'write');
      throw new Error('the disk is gone');
    },
  });
}

/** Commits a tick on a worker, the next one having begun; `fails`: the database takes nothing of it. */
function commitBehind(engine: Engine, fails: boolean, meanwhile: () => void): void {
  let error: OperationError | undefined;
  const isWritten = engine.visibleSequence() > engine.latestSequence();
  if (fails)
    Object.defineProperty(engine.database, 'writeAsync', {
      configurable: true,
      value: () => Promise.reject(new Error('the disk is gone')),
    });
  engine.commitOnWorker((_, failure) => (error = failure));
  if (fails) Reflect.deleteProperty(engine.database, 'writeAsync');
  meanwhile();
  engine.settle();
  assert.equal(error !== undefined, fails && isWritten);
}

/** Random commands of one tick, some taken back, the same for every engine. */
function randomTick(random: Random, engines: readonly Engine[]): void {
  const name = (): string => `g${randomBelow(random, 3)}:${randomBelow(random, 60)}`;
  for (let commands = randomBelow(random, 6); commands > 0; commands--) {
    for (const { tick } of engines) tick.beginCommand();
    for (let i = randomBelow(random, 4); i > 0; i--) {
      const of = randomBelow(random, 3);
      const [first, second] = [name(), name()].sort() as [string, string];
      const kind = randomBelow(random, 20);
      const value = spanOf(Buffer.from(random.bytes(randomBelow(random, 50))));
      for (const { tick } of engines) {
        if (kind < 12) tick.put(of, key(first), value, undefined, 3);
        else if (kind < 19) tick.delete(of, key(first), 3);
        else tick.deleteRange(of, Buffer.from(first), Buffer.from(second));
      }
    }
    if (randomBelow(random, 5) === 0) for (const { tick } of engines) tick.rollbackCommand();
  }
}

test('master and replica answer with a row cache as without, through failed commits, dropped ticks and reopening', async () => {
  await using plain = await openTestEngine({ rowCacheBytes: 0 });
  await using cached = await openTestEngine({ rowCacheBytes: 16 << 10 });
  await using replica = await openTestEngine({ rowCacheBytes: 16 << 10 });
  const masters = [plain.engine, cached.engine];
  const random = seededRandom(23);
  const valueIn = (engine: Engine, of: number, name: string): string | undefined =>
    engine.get(of, key(name)) ? engine.value.view().toString('latin1') : undefined;
  const compare = (engine: Engine, step: number): void => {
    for (let i = 0; i < 40; i++) {
      const [of, name] = [randomBelow(random, 3), `g${randomBelow(random, 3)}:${randomBelow(random, 60)}`];
      assert.equal(valueIn(engine, of, name), valueIn(plain.engine, of, name), `step ${step}: ${of} ${name}`);
    }
  };
  for (let step = 0; step < 1500; step++) {
    // The draws of a tick are made once: both engines take part in each.
    randomTick(random, masters);
    compare(cached.engine, step);
    const end = randomBelow(random, 30);
    if (end === 0) {
      for (const engine of masters) engine.dropTick();
    } else if (end === 1) {
      for (const engine of masters) {
        failNextWrite(engine);
        if (engine.visibleSequence() > engine.latestSequence()) assert.throws(() => engine.commit(), OperationError);
        else Reflect.deleteProperty(engine.database, 'write');
      }
    } else if (end === 2) {
      plain.engine.dropTick();
      commitBehind(cached.engine, true, () => {
        for (let i = 0; i < 40; i++) valueIn(cached.engine, randomBelow(random, 3), `g1:${randomBelow(random, 60)}`);
      });
    } else if (end < 15) {
      const commit = plain.engine.commit();
      commitBehind(cached.engine, false, () => compare(cached.engine, step));
      if (commit !== undefined) replica.engine.applyReplicated(commit.packed, commit.lengths, commit.count);
    } else {
      const commits = masters.map((engine): Commit | undefined => engine.commit());
      const commit = commits[0];
      assert.equal(commits[1]?.lastSequence, commit?.lastSequence);
      if (commit !== undefined) replica.engine.applyReplicated(commit.packed, commit.lengths, commit.count);
    }
    compare(cached.engine, step);
    compare(replica.engine, step);
    if (step % 300 === 299)
      for (const engine of [cached.engine, replica.engine]) {
        await engine.close();
        assert.equal(engine.rowCache.figures.entries, 0);
        await engine.reopen();
      }
  }
  for (const engine of [cached.engine, replica.engine]) assert.ok(engine.rowCache.figures.hits > 1000);
  assert.equal(plain.engine.rowCache.figures.hits, 0);
});
