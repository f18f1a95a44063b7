// Sorted sets against a simple model: random changes, with ranks, ranges and counts compared after each; commits in between.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBelow, seededRandom } from '@holdfast/base';
import { spanOf } from './bytes.ts';
import { family } from './families.ts';
import type { MemberWalk } from './member-walk.ts';
import { defaultNamespace } from './namespace.ts';
import { readOrderedDouble, writeOrderedDouble } from './ordered-double.ts';
import { openTestEngine } from './testing/index.ts';
import { Zsets, type ScoreBound } from './zsets.ts';

const nowMs = 1_700_000_000_000;
const key = { ...spanOf('z'), namespace: defaultNamespace };
const random = seededRandom(3);

type Row = [member: string, score: number];

function rowsOf(walk: MemberWalk, atMost = Infinity): Row[] {
  const rows: Row[] = [];
  try {
    while (rows.length < atMost && walk.next()) rows.push([walk.member.view().toString(), walk.score]);
  } finally {
    walk.close();
  }
  return rows;
}

/** By score, equal ones in byte order. */
function sorted(model: ReadonlyMap<string, number>): Row[] {
  return [...model].sort(([a, x], [b, y]) => (x !== y ? (x < y ? -1 : 1) : a < b ? -1 : 1));
}

const scores = [-Infinity, -1e300, -2, -1.5, 0, 1, 1.5, 2, 3, 1e-300, 1e300, Infinity];

function pick<T>(from: readonly T[]): T {
  return from[randomBelow(random, from.length)] as T;
}

function change(zsets: Zsets, model: Map<string, number>): void {
  const name = `m${randomBelow(random, 60)}`;
  const member = spanOf(name);
  const before = model.get(name);
  assert.equal(zsets.find(member), before !== undefined);
  if (before !== undefined) assert.equal(zsets.score, before);
  const score = pick(scores);
  if (before === undefined) {
    zsets.add(member, score);
    model.set(name, score);
  } else if (randomBelow(random, 3) === 0) {
    zsets.remove(member, before);
    model.delete(name);
  } else if (score !== before) {
    zsets.move(member, before, score);
    model.set(name, score);
  }
}

function within(rows: readonly Row[], min: ScoreBound, max: ScoreBound): Row[] {
  return rows.filter(
    ([, score]) =>
      (min.isExcluded ? score > min.score : score >= min.score) &&
      (max.isExcluded ? score < max.score : score <= max.score),
  );
}

function compare(zsets: Zsets, model: ReadonlyMap<string, number>): void {
  const rows = sorted(model);
  const last = rows.length - 1;
  assert.equal(zsets.size, rows.length);
  assert.deepEqual(rowsOf(zsets.walkScores()), rows);
  assert.deepEqual(
    rowsOf(zsets.walkMembers()),
    [...rows].sort(([a], [b]) => (a < b ? -1 : 1)),
  );
  rows.forEach(([member, score], rank) => assert.equal(zsets.rankOf(spanOf(member), score), rank));
  for (let rank = 0; rank <= last; rank++) {
    assert.deepEqual(rowsOf(zsets.walkRanks(rank), 3), rows.slice(rank, rank + 3));
    const down = rowsOf(zsets.walkRanks(rank, { reverse: true }), 3);
    assert.deepEqual(down, [...rows].reverse().slice(rank, rank + 3));
  }
  for (let i = 0; i < 10; i++) {
    const [min, max] = [0, 0].map(() => ({ score: pick(scores), isExcluded: randomBelow(random, 2) === 0 })) as [
      ScoreBound,
      ScoreBound,
    ];
    const expected = within(rows, min, max);
    assert.deepEqual(rowsOf(zsets.walkScores(min, max)), expected);
    assert.deepEqual(rowsOf(zsets.walkScores(min, max, { reverse: true })), [...expected].reverse());
    assert.equal(zsets.countScores(min, max), expected.length);
  }
}

test('a sorted set holds what a model holds, by rank, by score and by member', async () => {
  await using opened = await openTestEngine();
  const { engine, types } = opened;
  const zsets = new Zsets(types.records);
  const model = new Map<string, number>();
  for (let round = 0; round < 25; round++) {
    engine.beginCommand();
    zsets.openOrCreate(key, nowMs);
    const changes = randomBelow(random, 20);
    for (let i = 0; i < changes; i++) change(zsets, model);
    zsets.save(key);
    if (model.size > 0) {
      assert.equal(zsets.open(key, nowMs), 'found');
      compare(zsets, model);
    }
    if (randomBelow(random, 3) === 0) engine.commit();
  }
});

test('each member has one record in either family, and a removed one has none', async () => {
  await using opened = await openTestEngine();
  const { engine, types } = opened;
  const zsets = new Zsets(types.records);
  zsets.openOrCreate(key, nowMs);
  zsets.add(spanOf('a'), 1);
  zsets.add(spanOf('b'), 2);
  zsets.move(spanOf('a'), 1, 3);
  zsets.remove(spanOf('b'), 2);
  zsets.save(key);
  engine.commit();
  for (const records of [family.subkey, family.zsetScore]) {
    const entries = engine.iterate(records, {});
    assert.ok(entries.next());
    const isByScore = records === family.zsetScore;
    assert.ok(entries.key.view().toString('latin1').endsWith('a'));
    assert.equal(entries.value.length, isByScore ? 0 : 8);
    assert.ok(!entries.next());
    entries.close();
  }
});

test('a detached walk shows what was there when it began, while ticks go by', async () => {
  await using opened = await openTestEngine();
  const { engine, types } = opened;
  const zsets = new Zsets(types.records);
  zsets.openOrCreate(key, nowMs);
  for (let i = 0; i < 3000; i++) zsets.add(spanOf(`m${i}`), i);
  zsets.save(key);
  engine.commit();
  engine.beginCommand();
  zsets.open(key, nowMs);
  zsets.add(spanOf('uncommitted'), 1.5);
  const walk = zsets.walkRanks(1, { detached: true });
  zsets.remove(spanOf('m2'), 2);
  zsets.save(key);
  engine.commit();
  const other = { ...spanOf('another, longer key'), namespace: defaultNamespace };
  zsets.openOrCreate(other, nowMs);
  const rows = rowsOf(walk);
  assert.equal(rows.length, 3000);
  assert.deepEqual(rows.slice(0, 3), [
    ['m1', 1],
    ['uncommitted', 1.5],
    ['m2', 2],
  ]);
});

test('ordered doubles sort as numbers do and read back', () => {
  const numbers = [-Infinity, -1e300, -2.5, -1, -5e-324, -0, 0, 5e-324, 1, 2.5, 1e300, Infinity];
  const encoded = numbers.map((number) => {
    const bytes = Buffer.alloc(10);
    writeOrderedDouble(bytes, 1, number);
    assert.ok(Object.is(readOrderedDouble(bytes, 1), number));
    return bytes.toString('hex');
  });
  assert.deepEqual([...encoded].sort(), encoded);
});
