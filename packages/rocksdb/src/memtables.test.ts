/** The binding's own memtables against a sorted list: keys of many forms, in many orders, nothing flushed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchBuilder, decodeBlock, openScratch, writeNow } from './testing/index.ts';
import type { Database } from './types.ts';

/** A generator that repeats: seeds name the failing run. */
function numbers(seed: number): (below: number) => number {
  let state = seed * 2654435761 + 1;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 0x100000000) * below);
  };
}

type Draw = (below: number) => number;

/** Kinds of keys: what tells them apart stands in different places. */
const forms: readonly ((draw: Draw) => Buffer)[] = [
  (draw) => Buffer.from(`key:${String(draw(100_000)).padStart(12, '0')}`),
  // Few different bytes, and keys that others begin with.
  (draw) => Buffer.from(Array.from({ length: draw(12) }, () => [0, 1, 97, 255][draw(4)] as number)),
  // What they have in common is longer than what a node leaves out.
  (draw) => Buffer.concat([Buffer.alloc([47, 48, 49, 60][draw(4)] as number, 112), Buffer.from([draw(3), draw(256)])]),
  (draw) => Buffer.alloc(draw(200), draw(2)),
  // Collections side by side, numbered elements in each.
  (draw) => {
    const key = Buffer.alloc(24, 99);
    key.fill(draw(3), 3, 16);
    key.writeUInt32BE(draw(5000), 20);
    return key;
  },
  (draw) => (forms[draw(forms.length - 1)] as (draw: Draw) => Buffer)(draw),
];

interface Row {
  readonly key: Buffer;
  readonly value: string;
}

const hex = (key: Buffer): string => key.toString('hex');

/** All rows of a family, forwards or backwards; `between` runs after each block. */
function rowsOf(database: Database, reverse: boolean, between: () => void = () => undefined): string[] {
  const iterator = database.iterate(0, { reverse });
  const rows: string[] = [];
  for (;;) {
    const block = iterator.next(7, 1 << 20);
    for (const [key, value] of decodeBlock(block.bytes)) rows.push(`${hex(key)}=${value.toString()}`);
    if (block.done) break;
    between();
  }
  iterator.close();
  return rows;
}

function sortedRows(model: ReadonlyMap<string, Row>): string[] {
  const rows = [...model.values()].sort((a, b) => a.key.compare(b.key));
  return rows.map(({ key, value }) => `${hex(key)}=${value}`);
}

/** Draws rows of a form; some of them again and again, in random, ascending or descending order. */
function drawRows(seed: number, count: number): Row[] {
  const draw = numbers(seed);
  const form = forms[seed % forms.length] as (draw: Draw) => Buffer;
  const rows = Array.from({ length: count }, (_, i) => ({ key: form(draw), value: `v${i}` }));
  const order = draw(3);
  if (order === 0) return rows;
  return rows.sort((a, b) => (order === 1 ? a.key.compare(b.key) : b.key.compare(a.key)));
}

function seeks(database: Database, model: ReadonlyMap<string, Row>, draw: Draw): void {
  const keys = [...model.values()].map(({ key }) => key).sort((a, b) => a.compare(b));
  for (const reverse of [false, true]) {
    const iterator = database.iterate(0, { reverse, keysOnly: true });
    for (let i = 0; i < 50; i++) {
      const at = (forms[draw(forms.length)] as (draw: Draw) => Buffer)(draw);
      const expected = reverse
        ? keys
            .filter((key) => key.compare(at) <= 0)
            .slice(-3)
            .reverse()
        : keys.filter((key) => key.compare(at) >= 0).slice(0, 3);
      iterator.next(1, 1);
      iterator.seek(at);
      const found = decodeBlock(iterator.next(3, 1 << 20).bytes).map(([key]) => hex(key));
      assert.deepEqual(found, expected.map(hex), `${reverse ? 'before' : 'after'} ${hex(at)}`);
    }
    iterator.close();
  }
}

for (let seed = 0; seed < 18; seed++) {
  test(`what is put, overwritten and deleted stands in order and is found (seed ${seed})`, async (t) => {
    const database = await openScratch(t);
    const draw = numbers(seed + 1000);
    const model = new Map<string, Row>();
    let batch = batchBuilder();
    for (const row of drawRows(seed, 3000)) {
      if (draw(6) === 0) {
        batch.delete(0, row.key);
        model.delete(hex(row.key));
      } else {
        batch.put(0, row.key, row.value);
        model.set(hex(row.key), row);
      }
      if (draw(100) !== 0) continue;
      writeNow(database, batch.bytes());
      batch = batchBuilder();
    }
    writeNow(database, batch.put(0, 'last', '').bytes());
    model.set(hex(Buffer.from('last')), { key: Buffer.from('last'), value: '' });
    const rows = sortedRows(model);
    assert.deepEqual(rowsOf(database, false), rows);
    assert.deepEqual(rowsOf(database, true), rows.toReversed());
    const into = Buffer.alloc(16);
    for (const { key, value } of model.values())
      assert.equal(into.toString('latin1', 0, database.get(0, key, into)), value);
    seeks(database, model, draw);
    await database.flush();
    assert.deepEqual(rowsOf(database, false), rows, 'the file has the same');
  });
}

for (const reverse of [false, true]) {
  test(`an iteration ${reverse ? 'backwards' : 'forwards'} shows what was there when it began, whatever is put between its blocks`, async (t) => {
    const database = await openScratch(t);
    const model = new Map<string, Row>();
    const rows = drawRows(5, 4000);
    const write = (some: readonly Row[]): void => {
      const batch = batchBuilder();
      for (const { key, value } of some) batch.put(0, key, value);
      writeNow(database, batch.bytes());
    };
    write(rows.slice(0, 1000));
    for (const row of rows.slice(0, 1000)) model.set(hex(row.key), row);
    let next = 1000;
    const seen = rowsOf(database, reverse, () => {
      if (next < rows.length) write(rows.slice(next, (next += 20)));
    });
    assert.ok(next > 2000, 'much was put meanwhile');
    const expected = sortedRows(model);
    assert.deepEqual(seen, reverse ? expected.reverse() : expected);
  });
}

test('while a worker writes, everything written before is found, and iterations are in order and whole', async (t) => {
  const database = await openScratch(t);
  const rows = drawRows(6 * 4, 60_000);
  const known = new Map<string, Row>();
  const into = Buffer.alloc(16);
  const draw = numbers(7);
  let isWriting = false;
  let lookupsMeanwhile = 0;
  for (let from = 0; from < rows.length; from += 5000) {
    const batch = batchBuilder();
    const written = rows.slice(from, from + 5000);
    for (const { key, value } of written) batch.put(0, key, value);
    const bytes = batch.bytes();
    isWriting = true;
    const done = database
      .writeAsync(bytes, Uint32Array.of(bytes.length), 1, { sync: false, noSlowdown: false })
      .finally(() => (isWriting = false));
    const keys = [...known.values()].map(({ key }) => key);
    const order = keys.toSorted((a, b) => a.compare(b)).map(hex);
    while (isWriting) {
      for (let i = 0; i < 200 && keys.length > 0; i++) {
        assert.ok(database.get(0, keys[draw(keys.length)] as Buffer, into) >= 0);
        lookupsMeanwhile++;
      }
      const iterator = database.iterate(0, { keysOnly: true, reverse: draw(2) === 0 });
      const block = decodeBlock(iterator.next(300, 1 << 20).bytes).map(([key]) => hex(key));
      iterator.close();
      assert.deepEqual(block, [...new Set(block)], 'no key twice');
      const sorted = block.toSorted();
      assert.ok(block.join() === sorted.join() || block.join() === sorted.toReversed().join(), 'in order');
      const [first, last] = [sorted[0] ?? '', sorted.at(-1) ?? ''];
      const missing = order.filter((key) => key >= first && key <= last && !block.includes(key));
      assert.deepEqual(missing, [], 'and without a gap');
      await new Promise(setImmediate);
    }
    await done;
    for (const row of written) known.set(hex(row.key), row);
  }
  assert.ok(lookupsMeanwhile > 0);
  assert.deepEqual(rowsOf(database, false), sortedRows(known));
});
