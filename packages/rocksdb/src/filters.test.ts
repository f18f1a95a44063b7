/** The compaction filters against the rules of Kvrocks' read side: what is hidden goes, everything else stays. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchBuilder, decodeBlock, kvrocksFamilies, openScratch, writeNow } from './testing/index.ts';
import type { Database } from './types.ts';

const namespace = '__namespace';
const version = 0x305120c0f2000005n;

const types = { string: 1, hash: 2, list: 3, bitmap: 6, stream: 8, bloom: 9, json: 10, hyperloglog: 11 } as const;
type Type = keyof typeof types;

interface Form {
  readonly slotPrefixed: boolean;
  /** 64-bit metadata form (bit 7 set) or the older 32-bit one. */
  readonly wide: boolean;
}

function prefix(form: Form): Buffer {
  return Buffer.concat([
    Buffer.of(namespace.length),
    Buffer.from(namespace),
    Buffer.alloc(form.slotPrefixed ? 2 : 0, 7),
  ]);
}

function metadataKey(form: Form, key: string): Buffer {
  return Buffer.concat([prefix(form), Buffer.from(key)]);
}

function subkey(form: Form, key: string, name: string, ofVersion = version): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(key.length);
  const versionBytes = Buffer.alloc(8);
  versionBytes.writeBigUInt64BE(ofVersion);
  return Buffer.concat([prefix(form), length, Buffer.from(key), versionBytes, Buffer.from(name)]);
}

function metadata(form: Form, type: Type, expireMs: number, size: number): Buffer {
  const number = (value: number): Buffer => {
    const bytes = Buffer.alloc(form.wide ? 8 : 4);
    if (form.wide) bytes.writeBigUInt64BE(BigInt(value));
    else bytes.writeUInt32BE(value);
    return bytes;
  };
  const expire = number(form.wide ? expireMs : Math.ceil(expireMs / 1000));
  const head = [Buffer.of(types[type] | (form.wide ? 0x80 : 0)), expire];
  if (type === 'string' || type === 'json') return Buffer.concat([...head, Buffer.from('payload')]);
  const versionBytes = Buffer.alloc(8);
  versionBytes.writeBigUInt64BE(version);
  return Buffer.concat([...head, versionBytes, number(size)]);
}

function names(database: Database, family: number, cut: number): string[] {
  return decodeBlock(database.iterate(family, {}).next(1000, 1 << 20).bytes).map(([key]) =>
    key.toString('latin1', cut),
  );
}

const forms: readonly Form[] = [
  { slotPrefixed: false, wide: true },
  { slotPrefixed: true, wide: true },
  { slotPrefixed: false, wide: false },
  { slotPrefixed: true, wide: false },
];

for (const form of forms) {
  const label = `${form.slotPrefixed ? 'with' : 'without'} slots, ${form.wide ? 64 : 32}-bit`;
  const past = Date.now() - 10_000;
  const longPast = Date.now() - 400_000;
  const future = Date.now() + 3_600_000;

  test(`metadata filter (${label}) drops what reads hide`, async (t) => {
    const database = await openScratch(t, { columnFamilies: kvrocksFamilies, slotPrefixed: form.slotPrefixed });
    const records: [name: string, value: Buffer, stays: boolean][] = [
      ['a string', metadata(form, 'string', 0, 0), true],
      ['b string expired', metadata(form, 'string', past, 0), false],
      ['c string later', metadata(form, 'string', future, 0), true],
      ['d hash', metadata(form, 'hash', 0, 1), true],
      ['e hash empty', metadata(form, 'hash', 0, 0), false],
      ['f hash expired', metadata(form, 'hash', past, 1), false],
      ['g stream empty', metadata(form, 'stream', 0, 0), true],
      ['h bloom empty', metadata(form, 'bloom', 0, 0), true],
      ['i hyperloglog empty', metadata(form, 'hyperloglog', 0, 0), true],
      ['j json expired', metadata(form, 'json', past, 0), false],
      ['k cut short', metadata(form, 'hash', past, 0).subarray(0, 12), true],
      ['l no bytes', Buffer.alloc(0), true],
      ['m unknown type', Buffer.concat([Buffer.of(0x8f), Buffer.alloc(24)]), true],
    ];
    const batch = batchBuilder();
    for (const [name, value] of records) batch.put(1, metadataKey(form, name), value);
    writeNow(database, batch.bytes());
    await database.compact(1);
    const expected = records.filter(([, , stays]) => stays).map(([name]) => name);
    assert.deepEqual(names(database, 1, prefix(form).length), expected);
  });

  for (const family of [0, 2, 5]) {
    test(`sub-key filter (${label}) of family ${family} drops orphans only`, async (t) => {
      const database = await openScratch(t, { columnFamilies: kvrocksFamilies, slotPrefixed: form.slotPrefixed });
      const meta = batchBuilder()
        .put(1, metadataKey(form, 'alive'), metadata(form, 'hash', future, 2))
        .put(1, metadataKey(form, 'bits'), metadata(form, 'bitmap', 0, 2048))
        .put(1, metadataKey(form, 'empty'), metadata(form, 'hash', 0, 0))
        .put(1, metadataKey(form, 'grace'), metadata(form, 'hash', past, 1))
        .put(1, metadataKey(form, 'json'), metadata(form, 'json', 0, 0))
        .put(1, metadataKey(form, 'old'), metadata(form, 'hash', longPast, 1))
        .put(1, metadataKey(form, 'stream'), metadata(form, 'stream', 0, 0))
        .put(1, metadataKey(form, 'string'), metadata(form, 'string', 0, 0))
        .put(1, metadataKey(form, 'unreadable'), Buffer.of(0x82));
      writeNow(database, meta.bytes());
      const sub = batchBuilder();
      const add = (key: string, name: string, value: Uint8Array | string = 'v', ofVersion = version): void => {
        sub.put(family, subkey(form, key, name, ofVersion), value);
      };
      add('alive', '1 stays');
      add('alive', '2 older version', 'v', version - 1n);
      add('alive', '3 newer version', 'v', version + 1n);
      add('alive', '4 stays, is zero', Buffer.alloc(4));
      add('bits', '0 zero', Buffer.alloc(1024));
      add('bits', '1024 stays', Buffer.of(0, 0, 1));
      for (const key of ['empty', 'json', 'missing', 'old', 'string']) add(key, 'gone');
      for (const key of ['grace', 'stream', 'unreadable']) add(key, 'stays');
      sub.put(family, Buffer.from('\x05short'), 'stays');
      sub.put(family, '', 'stays');
      sub.put(family, Buffer.concat([prefix(form), Buffer.of(255, 255, 255, 255, 1, 2, 3)]), 'stays');
      writeNow(database, sub.bytes());
      await database.compact(family);
      const left = names(database, family, 0).join('|');
      for (const gone of ['gone', 'older', 'newer', '0 zero']) assert.ok(!left.includes(gone), `${gone} is gone`);
      for (const kept of ['alive', '4 stays', '1024 stays', 'grace', 'stream', 'unreadable', '\x05short'])
        assert.ok(left.includes(kept), `${kept} stays`);
      assert.equal(left.split('|').length, 9);
    });
  }
}

test('pubsub keeps nothing, propagate loses its key script only, search keeps everything', async (t) => {
  const database = await openScratch(t, { columnFamilies: kvrocksFamilies });
  const batch = batchBuilder();
  for (const family of [3, 4, 6]) for (const key of ['script', 'script2', 'scrip']) batch.put(family, key, 'v');
  writeNow(database, batch.bytes());
  for (const family of [3, 4, 6]) await database.compact(family);
  assert.deepEqual(names(database, 3, 0), []);
  assert.deepEqual(names(database, 4, 0), ['scrip', 'script2']);
  assert.deepEqual(names(database, 6, 0), ['scrip', 'script', 'script2']);
});

test('filters see metadata that only lies in the memtable', async (t) => {
  const database = await openScratch(t, { columnFamilies: kvrocksFamilies });
  const form: Form = { slotPrefixed: false, wide: true };
  const batch = batchBuilder()
    .put(1, metadataKey(form, 'h'), metadata(form, 'hash', 0, 1))
    .put(0, subkey(form, 'h', 'field'), 'v');
  writeNow(database, batch.bytes());
  await database.compact(0);
  assert.equal(names(database, 0, 0).length, 1);
  writeNow(database, batchBuilder().delete(1, metadataKey(form, 'h')).bytes());
  await database.compact(0);
  assert.equal(names(database, 0, 0).length, 0);
});

test('a compaction can be limited to a range', async (t) => {
  const database = await openScratch(t, { columnFamilies: kvrocksFamilies });
  for (const key of ['a', 'b', 'c']) {
    writeNow(database, batchBuilder().put(3, key, 'v').bytes());
    await database.flush();
  }
  await database.compact(3, { gte: Buffer.from('c'), lt: Buffer.from('b') });
  assert.deepEqual(names(database, 3, 0), ['a', 'b', 'c'], 'an empty range does nothing');
  await database.compact(3, { gte: Buffer.from('b'), lt: Buffer.from('bb') });
  assert.ok(!names(database, 3, 0).includes('b'));
});
