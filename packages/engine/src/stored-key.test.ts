// The expected bytes were worked out from Kvrocks' sources, not by our code.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Scratch, spanOf } from './bytes.ts';
import { Metadata, typeId } from './metadata-value.ts';
import { defaultNamespace, namespaceOf } from './namespace.ts';
import { readOrderedDouble, writeOrderedDouble } from './ordered-double.ts';
import { keyAfterPrefix, writeMetadataKey, writeSubkeyPrefix } from './stored-key.ts';
import { VersionSource, versionOf } from './version.ts';

const head = '0b5f5f6e616d657370616365';
const version = versionOf(1_700_000_000_000_000, 5);

function metadataKey(key: string, slotPrefixed: boolean): string {
  const scratch = new Scratch();
  writeMetadataKey(scratch, { ...spanOf(key), namespace: defaultNamespace }, slotPrefixed);
  return scratch.view().toString('hex');
}

function subkey(key: string, field: string, slotPrefixed: boolean): string {
  const scratch = new Scratch();
  writeSubkeyPrefix(scratch, { ...spanOf(key), namespace: defaultNamespace }, version, slotPrefixed);
  scratch.bytes(Buffer.from(field));
  return scratch.view().toString('hex');
}

function value(fill: (meta: Metadata) => void, body = ''): string {
  const meta = new Metadata();
  fill(meta);
  const scratch = new Scratch();
  meta.write(scratch);
  return Buffer.concat([scratch.view(), Buffer.from(body)]).toString('hex');
}

test('a metadata key is the namespace and the user key, with the slot between them in cluster mode', () => {
  assert.equal(metadataKey('k', false), `${head}6b`);
  assert.equal(metadataKey('k', true), `${head}1dcd6b`);
});

test('a sub key names its key by length and carries the version of the collection', () => {
  assert.equal(subkey('h', 'f', false), `${head}0000000168305120c0f200000566`);
  assert.equal(subkey('h', 'f', true), `${head}2dae0000000168305120c0f200000566`);
});

test('a version is the time in microseconds and a counter in eleven bits', () => {
  assert.deepEqual(version, { high: 0x305120c0, low: 0xf2000005 });
  assert.equal((BigInt(version.high) << 32n) | BigInt(version.low), (1_700_000_000_000_000n << 11n) + 5n);
});

test('no version is given out twice, not even by a clock that stands still', () => {
  const source = new VersionSource(
    { wallMs: () => 1_700_000_000_000 },
    { u32: () => 0xffffffff, bytes: () => new Uint8Array() },
  );
  const given = new Set<string>();
  for (let i = 0; i < 10_000; i++) {
    const { high, low } = source.next();
    given.add(`${high}:${low}`);
  }
  assert.equal(given.size, 10_000);
});

test('metadata values have the bytes of the examples, in both forms', () => {
  const string = (expireMs: number, is64: boolean) => (meta: Metadata) => {
    meta.create(typeId.string);
    meta.expireMs = expireMs;
    meta.is64 = is64;
  };
  assert.equal(value(string(0, true), 'v'), '81000000000000000076');
  assert.equal(value(string(1_700_000_060_000, true), 'v'), '810000018bcfe6526076');
  assert.equal(value(string(1_700_000_060_000, false), 'v'), '016553f13c76');
  const hash = (meta: Metadata): void => {
    meta.create(typeId.hash, version);
    meta.size = 1;
  };
  assert.equal(value(hash), '820000000000000000305120c0f20000050000000000000001');
});

test('the 32-bit form keeps seconds, and never 0 for a key that expires', () => {
  const seconds = (expireMs: number): string =>
    value((meta) => {
      meta.create(typeId.string);
      meta.is64 = false;
      meta.expireMs = expireMs;
    }).slice(2);
  assert.equal(seconds(0), '00000000');
  assert.equal(seconds(1), '00000001');
  assert.equal(seconds(999), '00000001');
  assert.equal(seconds(1500), '00000001');
  assert.equal(seconds(1501), '00000002');
});

test('reading a metadata value gives back what was written, in either form', () => {
  for (const is64 of [true, false]) {
    const meta = new Metadata();
    meta.create(typeId.hash, version);
    meta.is64 = is64;
    meta.expireMs = 1_700_000_060_000;
    meta.size = 70_000;
    const scratch = new Scratch();
    meta.write(scratch);
    const bytes = Buffer.concat([scratch.view(), Buffer.from('tail')]);
    const read = new Metadata();
    assert.equal(read.read(spanOf(bytes)), true);
    assert.deepEqual(
      [read.type, read.is64, read.expireMs, read.high, read.low, read.size],
      [typeId.hash, is64, 1_700_000_060_000, version.high, version.low, 70_000],
    );
    assert.equal(bytes.subarray(read.bodyStart).toString(), 'tail');
    for (let cut = 0; cut < bytes.length - 4; cut++) assert.equal(read.read(spanOf(bytes.subarray(0, cut))), false);
  }
});

test('a record is dead after its time, and a collection without elements always', () => {
  const meta = new Metadata();
  meta.create(typeId.string);
  meta.expireMs = 1000;
  assert.deepEqual(
    [999, 1000, 1001].map((now) => meta.isDead(now)),
    [false, false, true],
  );
  meta.create(typeId.hash, version);
  assert.equal(meta.isDead(0), true);
  meta.create(typeId.stream, version);
  assert.equal(meta.isDead(0), false);
});

test('doubles in keys sort as numbers and have the bytes of the examples', () => {
  const rows: [number, string][] = [
    [-Infinity, '000fffffffffffff'],
    [-1, '400fffffffffffff'],
    [-0, '7fffffffffffffff'],
    [0, '8000000000000000'],
    [1, 'bff0000000000000'],
    [2.5, 'c004000000000000'],
    [Infinity, 'fff0000000000000'],
  ];
  for (const [number, hex] of rows) {
    const bytes = Buffer.alloc(8);
    writeOrderedDouble(bytes, 0, number);
    assert.equal(bytes.toString('hex'), hex);
    assert.ok(Object.is(readOrderedDouble(bytes, 0), number));
  }
  const hexes = rows.map(([, hex]) => hex);
  assert.deepEqual(hexes.toSorted(), hexes);
});

test('the end of a prefix is the next prefix, also behind bytes of 0xff', () => {
  assert.equal(keyAfterPrefix(Buffer.from('ab'))?.toString(), 'ac');
  assert.deepEqual(keyAfterPrefix(Buffer.of(1, 0xff, 0xff)), Buffer.of(2));
  assert.equal(keyAfterPrefix(Buffer.of(0xff, 0xff)), undefined);
});

test('a namespace longer than its length byte can say is refused', () => {
  assert.throws(() => namespaceOf('x'.repeat(256)), RangeError);
  assert.equal(namespaceOf('x'.repeat(255)).prefix.length, 256);
});

test('one scratch takes keys of any namespaces in turn, whatever else it held', () => {
  const scratch = new Scratch(16);
  const namespaces = [defaultNamespace, namespaceOf('a'), namespaceOf('b'), defaultNamespace, defaultNamespace];
  for (const namespace of namespaces) {
    const expected = Buffer.concat([namespace.prefix, Buffer.from('key')]);
    for (let i = 0; i < 3; i++) {
      writeMetadataKey(scratch, { ...spanOf('key'), namespace }, false);
      assert.deepEqual(scratch.view(), expected);
    }
    scratch.reset();
    scratch.bytes(Buffer.alloc(100, 'x'));
    writeMetadataKey(scratch, { ...spanOf('key'), namespace }, false);
    assert.deepEqual(scratch.view(), expected);
    scratch.bytes(Buffer.alloc(500, 'y'));
    writeMetadataKey(scratch, { ...spanOf('key'), namespace }, false);
    assert.deepEqual(scratch.view(), expected);
  }
});
