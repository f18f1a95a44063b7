import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperationError, ProtocolError } from '@holdfast/base';
import { BatchBuilder, tickBytesMax, type BuilderMark } from './batch-builder.ts';
import { BatchReader, countOf, sequenceOf } from './batch-reader.ts';
import { Scratch, spanOf } from './bytes.ts';
import { family } from './families.ts';

function key(text: string): Scratch {
  const scratch = new Scratch();
  scratch.bytes(Buffer.from(text, 'latin1'));
  return scratch;
}

/** The records of a batch as text. */
function records(batch: Buffer): string[] {
  const reader = new BatchReader(batch);
  const found: string[] = [];
  while (reader.next()) {
    found.push(
      `${reader.kind}${reader.family} ${reader.key.view().toString()} ${reader.value.view().toString()}`.trim(),
    );
  }
  return found;
}

test('SET k v becomes the 42 bytes that Kvrocks writes', () => {
  const builder = new BatchBuilder();
  builder.logData(Buffer.from('1'));
  builder.put(family.metadata, key('\x0b__namespacek'), spanOf(Buffer.from('810000000000000000', 'hex')), spanOf('v'));
  builder.close(undefined);
  const { packed, lengths, count } = builder.take(5);
  assert.equal(
    packed.toString('hex'),
    '050000000000000001000000' + '030131' + '0501' + '0d0b5f5f6e616d6573706163656b' + '0a81000000000000000076',
  );
  assert.deepEqual([...lengths], [42]);
  assert.equal(count, 1);
});

test('every kind of record is read back as it was written, whatever its size', () => {
  const builder = new BatchBuilder(16);
  const long = 'x'.repeat(300);
  const huge = 'y'.repeat(70_000);
  builder.put(family.subkey, key('a'), spanOf('1'), spanOf('2'));
  builder.put(family.stream, key(long), spanOf(''), spanOf(huge));
  builder.delete(family.subkey, key('d'));
  builder.delete(family.metadata, key(long));
  builder.deleteRange(family.subkey, Buffer.from('b'), Buffer.from('e'));
  builder.deleteRange(family.metadata, Buffer.from('b'), Buffer.from(long));
  builder.close('0123456789ABCDEF');
  const { packed } = builder.take(1);
  assert.equal(countOf(packed), 6);
  assert.deepEqual(records(packed), [
    'put0 a 12',
    `put5 ${long} ${huge}`,
    'delete0 d',
    `delete1 ${long}`,
    'delete-range0 b e',
    `delete-range1 b ${long}`,
    'log-data0 r 0123456789ABCDEF',
  ]);
});

test('several batches stand one after the other, with the sequences that follow', () => {
  const builder = new BatchBuilder();
  const first = 2 ** 40 + 7;
  builder.put(1, key('a'), spanOf(''), spanOf('1'));
  builder.put(1, key('b'), spanOf(''), spanOf('2'));
  builder.close(undefined);
  builder.logData(Buffer.from('1'));
  builder.put(1, key('c'), spanOf(''), spanOf('3'));
  builder.close(undefined);
  assert.equal(builder.total, 3);
  const { packed, lengths, count } = builder.take(first);
  assert.equal(count, 2);
  const second = lengths[0] as number;
  assert.equal(packed.length, second + (lengths[1] as number));
  assert.deepEqual([sequenceOf(packed), countOf(packed)], [first, 2]);
  assert.deepEqual([sequenceOf(packed, second), countOf(packed, second)], [first + 2, 1]);
  assert.equal(builder.length, 0);
});

test('a batch without a counted record is taken back', () => {
  const builder = new BatchBuilder();
  builder.logData(Buffer.from('1'));
  builder.close('0123456789ABCDEF');
  assert.equal(builder.length, 0);
  assert.equal(builder.take(1).count, 0);
});

test('truncating to a mark opens a batch again that was closed since', () => {
  const builder = new BatchBuilder();
  const mark: BuilderMark = { length: 0, batchStart: -1, count: 0, closed: 0, total: 0 };
  builder.put(1, key('a'), spanOf(''), spanOf('1'));
  builder.mark(mark);
  builder.put(4, key('b'), spanOf(''), spanOf('2'));
  builder.close('0123456789ABCDEF');
  builder.put(1, key('c'), spanOf(''), spanOf('3'));
  builder.truncate(mark);
  builder.put(1, key('d'), spanOf(''), spanOf('4'));
  builder.close(undefined);
  const { packed, count } = builder.take(1);
  assert.equal(count, 1);
  assert.equal(countOf(packed), 2);
  assert.deepEqual(records(packed), ['put1 a 1', 'put1 d 4']);
});

test('a record that would make the tick too large is refused before anything is written', () => {
  const builder = new BatchBuilder();
  builder.put(1, key('a'), spanOf(''), spanOf('1'));
  const { length } = builder;
  const huge = { buffer: Buffer.alloc(1), start: 0, end: tickBytesMax };
  assert.throws(
    () => builder.put(1, key('b'), spanOf(''), huge),
    (error) => error instanceof OperationError && error.code === 'ENGINE_TICK_TOO_LARGE',
  );
  assert.deepEqual([builder.length, builder.total], [length, 1]);
});

test('a batch that is cut off or carries an unknown record is refused by the reader', () => {
  const builder = new BatchBuilder();
  builder.put(1, key('abc'), spanOf(''), spanOf('1'));
  builder.close(undefined);
  const { packed } = builder.take(1);
  for (let cut = 0; cut < packed.length; cut++) {
    if (cut === 12) continue; // the header alone is an empty batch
    assert.throws(() => records(packed.subarray(0, cut)), ProtocolError, `cut at ${cut}`);
  }
  const unknown = Buffer.from(packed);
  unknown[12] = 0x7f;
  assert.throws(() => records(unknown), ProtocolError);
});

test('what was given back is built in again, but not while it is read', () => {
  const builder = new BatchBuilder();
  const build = (value: string): Buffer => {
    builder.put(1, key('a'), spanOf(''), spanOf(value));
    builder.close(undefined);
    return builder.take(1).packed;
  };
  const [first, second] = [build('1'), build('2')];
  builder.recycle(first);
  const third = build('3'); // open already when it was given back
  const fourth = build('4');
  assert.equal(fourth.buffer, first.buffer);
  assert.deepEqual([second, third, fourth].map(records), [['put1 a 2'], ['put1 a 3'], ['put1 a 4']]);
  assert.equal(new Set([second, third, fourth, builder.buffer].map(({ buffer }) => buffer)).size, 4);
});

test('neither large buffers nor many are kept', () => {
  const builder = new BatchBuilder();
  const given = Array.from({ length: 9 }, (_, i) => Buffer.allocUnsafeSlow(i === 8 ? 2 ** 20 + 1 : 2 ** 20));
  for (const buffer of given.reverse()) builder.recycle(buffer);
  const used = Array.from({ length: 10 }, () => {
    builder.put(1, key('a'), spanOf(''), spanOf('1'));
    builder.close(undefined);
    return builder.take(1).packed.buffer;
  });
  const again = given.filter(({ buffer }) => used.includes(buffer));
  assert.equal(again.length, 4);
  assert.ok(again.every(({ length }) => length === 2 ** 20));
});
