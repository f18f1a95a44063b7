// Streams and their groups against simple models, on a real engine: commits, rollbacks and reopening at any time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBelow, seededRandom } from '@holdfast/base';
import { Scratch, spanOf } from './bytes.ts';
import { EntryParts, writeEntryPart } from './stream-entry.ts';
import { StreamGroups, unknownEntriesRead, type StreamGroup } from './stream-groups.ts';
import { StreamId } from './stream-id.ts';
import { Streams, type EntryRange } from './streams.ts';
import { defaultNamespace } from './namespace.ts';
import { openTestEngine } from './testing/index.ts';

const nowMs = 1_700_000_000_000;
const key = { ...spanOf('stream'), namespace: defaultNamespace };

function entryOf(...parts: string[]): Scratch {
  const entry = new Scratch();
  for (const part of parts) writeEntryPart(entry, spanOf(part));
  return entry;
}

/** Ids and first fields of a range, as text. */
function shown(streams: Streams, range: EntryRange): string[] {
  const rows: string[] = [];
  const id = new StreamId();
  const parts = new EntryParts();
  const entries = streams.iterateEntries(range);
  try {
    while (entries.next()) {
      streams.readId(entries, id);
      parts.enter(entries.value);
      parts.next();
      rows.push(`${id.toString()} ${parts.view().toString()}`);
    }
  } finally {
    entries.close();
  }
  return rows;
}

test('parts of an entry are read as they were written, and a cut entry is no entry', () => {
  const texts = ['', 'a', 'b'.repeat(127), 'c'.repeat(128), 'd'.repeat(16_383), 'e'.repeat(16_384)];
  const entry = entryOf(...texts);
  const parts = new EntryParts();
  assert.equal(parts.count(entry), texts.length);
  parts.enter(entry);
  for (const text of texts) {
    assert.ok(parts.next());
    assert.equal(parts.view().toString(), text);
  }
  assert.equal(parts.next(), false);
  for (const cut of [1, 100, 16_384]) {
    assert.throws(() => parts.count({ ...spanOf(entry.view()), end: entry.end - cut }), {
      code: 'ENGINE_RECORD_CORRUPT',
    });
  }
  assert.throws(() => parts.count(spanOf(Buffer.alloc(9, 0xff))), { code: 'ENGINE_RECORD_CORRUPT' });
});

interface Model {
  entries: { id: StreamId; text: string }[];
  lastGenerated: string;
  maxDeleted: StreamId;
  added: bigint;
}

function copyOf(model: Model): Model {
  return { ...model, entries: [...model.entries], maxDeleted: model.maxDeleted.copy() };
}

function checkStream(streams: Streams, model: Model): void {
  assert.equal(streams.open(key, nowMs), 'found');
  assert.equal(streams.size, model.entries.length);
  assert.equal(streams.lastGenerated.toString(), model.lastGenerated);
  assert.equal(streams.maxDeleted.toString(), model.maxDeleted.toString());
  assert.equal(streams.entriesAdded, model.added);
  assert.equal(streams.first.toString(), model.entries[0]?.id.toString() ?? '0-0');
  assert.equal(streams.recordedFirst.toString(), streams.first.toString());
  assert.equal(streams.last.toString(), model.entries.at(-1)?.id.toString() ?? '0-0');
}

for (const slotPrefixed of [false, true]) {
  test(`a stream holds what its model holds, whatever was committed or taken back (slots ${slotPrefixed})`, async () => {
    await using opened = await openTestEngine({ slotPrefixed });
    const { engine, types } = opened;
    const random = seededRandom(slotPrefixed ? 3 : 4);
    const below = (n: number): number => randomBelow(random, n);
    const streams = new Streams(types.records);
    let model: Model = { entries: [], lastGenerated: '0-0', maxDeleted: new StreamId(), added: 0n };
    const ms = { now: 1 };
    const steps: readonly ((to: Model) => void)[] = [
      (to) => {
        if (below(3) === 0) ms.now++;
        const id = StreamId.of(ms.now, 0);
        if (id.compare(streams.lastGenerated) <= 0) {
          id.set(streams.lastGenerated);
          id.increment();
        }
        const text = String(below(1000));
        streams.append(id, entryOf(text, 'v'));
        to.entries.push({ id, text });
        to.lastGenerated = id.toString();
        to.added++;
      },
      (to) => {
        const at = below(to.entries.length + 1);
        const id = to.entries[at]?.id ?? StreamId.of(99_999);
        assert.equal(streams.removeEntry(id), at < to.entries.length);
        if (at < to.entries.length && id.compare(to.maxDeleted) > 0) to.maxDeleted = id.copy();
        to.entries.splice(at, 1);
        streams.settleEdges();
      },
      (to) => {
        const keep = below(60);
        const limit = below(4) === 0 ? 2 : Infinity;
        const gone = Math.min(Math.max(0, to.entries.length - keep), limit);
        assert.equal(streams.trim({ keep, limit }), gone);
        to.entries.splice(0, gone);
      },
      (to) => {
        const minId = StreamId.of(Math.max(0, ms.now - below(30)), below(2));
        const gone = to.entries.filter(({ id }) => id.compare(minId) < 0).length;
        assert.equal(streams.trim({ minId, limit: Infinity }), gone);
        to.entries.splice(0, gone);
      },
    ];
    engine.beginCommand();
    streams.create(key);
    streams.saveStream(key);
    for (let i = 0; i < 1500; i++) {
      engine.beginCommand();
      checkStream(streams, model);
      const next = copyOf(model);
      const chosen = below(10);
      (steps[chosen < 7 ? 0 : chosen - 6] as (to: Model) => void)(next);
      streams.saveStream(key);
      if (below(10) === 0) engine.rollbackCommand();
      else model = next;
      if (below(10) === 0) engine.commit();
      if (i % 20 > 0) continue;
      const from = StreamId.of(Math.max(0, ms.now - below(40)), below(3));
      const to = StreamId.of(Math.max(0, ms.now - below(40)), below(3));
      checkStream(streams, model);
      const rows = model.entries
        .filter(({ id }) => id.compare(from) >= 0 && id.compare(to) <= 0)
        .map(({ id, text }) => `${id.toString()} ${text}`);
      assert.deepEqual(shown(streams, { from, to }), rows);
      assert.deepEqual(shown(streams, { from, to, reverse: true }), rows.toReversed());
    }
    assert.ok(model.entries.length > 5);
  });
}

function newGroup(name: string): StreamGroup {
  return {
    name: Buffer.from(name),
    consumers: 0,
    pending: 0,
    lastDelivered: StreamId.of(2n ** 63n, 7),
    entriesRead: unknownEntriesRead,
    lag: 0n,
  };
}

test('groups, consumers and pending entries of one name do not mix with those of another, nor with entries', async () => {
  await using opened = await openTestEngine();
  const { engine, types } = opened;
  const streams = new Streams(types.records);
  const groups = new StreamGroups(streams);
  streams.create(key);
  const names = ['g', 'gg', '', 'g\0', '\xff'.repeat(300)];
  const ids = [StreamId.of(1), StreamId.of(2n ** 64n - 2n, 2n ** 64n - 1n)];
  for (const id of ids) streams.append(id, entryOf('f', 'v'));
  for (const name of names) {
    const group = newGroup(name);
    groups.put({ ...group, consumers: names.length, pending: ids.length });
    streams.groups++;
    for (const of of names) {
      groups.putConsumer(group, { name: Buffer.from(of), pending: of.length, seenMs: 5, activeMs: 0 });
    }
    for (const id of ids) {
      groups.putPending(group, { id, consumer: Buffer.from(`of ${name}`), deliveredMs: nowMs, deliveries: 3 });
    }
  }
  streams.saveStream(key);
  for (const isCommitted of [false, true]) {
    if (isCommitted) engine.commit();
    assert.equal(streams.open(key, nowMs), 'found');
    assert.equal(shown(streams, {}).length, ids.length);
    assert.deepEqual(
      groups.list().map(({ name }) => name.toString()),
      [...names].sort((a, b) => Buffer.from(a).compare(Buffer.from(b))),
    );
    for (const name of names) {
      const group = groups.find(spanOf(name));
      assert.ok(group !== undefined);
      assert.equal(group.lastDelivered.toString(), '9223372036854775808-7');
      assert.equal(group.entriesRead, unknownEntriesRead);
      assert.equal(groups.consumers(group).length, names.length);
      assert.deepEqual(groups.findConsumer(group, spanOf('gg')), {
        name: Buffer.from('gg'),
        pending: 2,
        seenMs: 5,
        activeMs: 0,
      });
      const pending = groups.iterate(group, { reverse: true });
      assert.ok(pending.next());
      assert.deepEqual(pending.entry(), {
        id: ids[1],
        consumer: Buffer.from(`of ${name}`),
        deliveredMs: nowMs,
        deliveries: 3,
      });
      assert.ok(pending.isOf(Buffer.from(`of ${name}`)));
      assert.ok(!pending.isOf(Buffer.from('of')));
      assert.ok(pending.next());
      assert.ok(!pending.next());
      pending.close();
    }
    assert.equal(groups.find(spanOf('other')), undefined);
  }
  const group = groups.find(spanOf('g')) as StreamGroup;
  groups.remove(group);
  streams.groups--;
  streams.saveStream(key);
  streams.open(key, nowMs);
  assert.equal(groups.list().length, names.length - 1);
  assert.equal(groups.findPending(group, ids[0] as StreamId), undefined);
  assert.equal(groups.findConsumer(group, spanOf('g')), undefined);
  assert.ok(groups.findPending(newGroup('gg'), ids[0] as StreamId) !== undefined);
});

test('a consumer that goes takes only its own pending entries', async () => {
  await using opened = await openTestEngine();
  const streams = new Streams(opened.types.records);
  const groups = new StreamGroups(streams);
  streams.create(key);
  const group = { ...newGroup('g'), consumers: 2, pending: 10 };
  for (let i = 0; i < 10; i++) {
    const consumer = Buffer.from(i % 3 === 0 ? 'alice' : 'bob');
    groups.putPending(group, { id: StreamId.of(i), consumer, deliveredMs: 1, deliveries: 1 });
  }
  const alice = { name: Buffer.from('alice'), pending: 4, seenMs: 1, activeMs: 1 };
  groups.putConsumer(group, alice);
  groups.removeConsumer(group, alice);
  assert.deepEqual([group.consumers, group.pending], [1, 6]);
  const left: string[] = [];
  const pending = groups.iterate(group, { from: StreamId.of(2), to: StreamId.of(8) });
  while (pending.next()) left.push(pending.id.toString());
  pending.close();
  assert.deepEqual(left, ['2-0', '4-0', '5-0', '7-0', '8-0']);
  assert.equal(groups.findConsumer(group, spanOf('alice')), undefined);
});

test('the old form of a record, without its number of groups, is read', async () => {
  await using opened = await openTestEngine();
  const streams = new Streams(opened.types.records);
  streams.create(key);
  streams.append(StreamId.of(5, 6), entryOf('f', 'v'));
  streams.groups = 3;
  streams.saveStream(key);
  streams.open(key, nowMs);
  streams.tail = Buffer.from(streams.tail.subarray(0, 88));
  streams.save(key, true);
  assert.equal(streams.open(key, nowMs), 'found');
  assert.deepEqual([streams.groups, streams.entriesAdded, streams.last.toString()], [0, 1n, '5-6']);
  streams.tail = Buffer.alloc(40);
  streams.save(key, true);
  assert.throws(() => streams.open(key, nowMs), { code: 'ENGINE_RECORD_CORRUPT' });
});
