import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { ProtocolError, seededRandom } from '@holdfast/base';
import { batch, note, put, storeId } from './testing/batches.ts';
import { BatchReader, readBatchHeader, summarizeBatch } from './write-batch.ts';

/** `SET k v` as Kvrocks 2.10 writes it at sequence 5, without replication id. */
const workedExample = Buffer.from(
  '050000000000000001000000' + '030131' + '0501' + '0d0b5f5f6e616d6573706163656b' + '0a81000000000000000076',
  'hex',
);

function records(bytes: Buffer): string[] {
  const reader = new BatchReader(bytes);
  const seen: string[] = [];
  while (reader.next()) {
    const key = bytes.latin1Slice(reader.keyStart, reader.keyEnd);
    const value = bytes.latin1Slice(reader.valueStart, reader.valueEnd);
    seen.push(`${reader.sequence} ${reader.kind} ${reader.family} ${key} ${value}`);
  }
  return seen;
}

describe('BatchReader', () => {
  it('reads the worked example of the format page', () => {
    assert.equal(workedExample.length, 42);
    assert.deepEqual(readBatchHeader(workedExample), { sequence: 5, count: 1 });
    const value = '\x81\0\0\0\0\0\0\0\0v';
    assert.deepEqual(records(workedExample), ['5 log-data 0 1 ', `5 put 1 \x0b__namespacek ${value}`]);
  });

  it('knows every record RocksDB writes and counts only those that take a sequence', () => {
    const body = ['00', '01', '61', '01', '0161', '0162', '02', '0161', '0162', '03', '0161', '04', '07', '0161']
      .concat(['05', '07', '0161', '0162', '06', '07', '0161', '0162', '07', '0161', '08', '07', '0161', '09', '0a'])
      .concat(['0161', '0b', '0161', '0c', '0161', '0d', '0e', '07', '0161', '0162', '0f', '0161', '0162', '12', '13'])
      .concat(['15', '0161', '0162', '16', '0161', '0162', '17', '07', '0161', '0162'])
      .join('');
    const bytes = Buffer.from('0a00000000000000' + '0c000000' + body, 'hex');
    assert.deepEqual(
      records(bytes).map((line) => line.split(' ').slice(0, 3).join(' ')),
      ['10 delete 0', '11 put 0', '12 merge 0', '13 log-data 0', '13 delete 7', '14 put 7', '15 merge 7']
        .concat(['16 single-delete 0', '17 single-delete 7', '18 marker 0', '18 marker 0', '18 marker 0'])
        .concat(['18 marker 0', '18 marker 0', '18 delete-range 7', '19 delete-range 0', '20 marker 0'])
        .concat(['20 marker 0', '20 marker 0', '20 entity 0', '21 entity 7']),
    );
  });

  it('refuses a batch cut at any offset', () => {
    for (let cut = 0; cut < workedExample.length; cut++)
      assert.throws(() => summarizeBatch(workedExample.subarray(0, cut)), ProtocolError, `cut at ${cut}`);
  });

  it('refuses a header that counts other than the records do', () => {
    const bytes = Buffer.from(workedExample);
    bytes.writeUInt32LE(2, 8);
    assert.throws(() => summarizeBatch(bytes), /announces 2 records and holds 1/);
  });

  it('refuses lengths beyond 32 bits and sequences beyond 2^53 instead of rounding them', () => {
    assert.throws(() => summarizeBatch(Buffer.from('010000000000000001000000' + '01ffffffff7f', 'hex')), /32 bits/);
    assert.throws(() => readBatchHeader(Buffer.from('000000000000200000000000', 'hex')), /2\^53/);
    assert.equal(readBatchHeader(Buffer.from('ffffffffffff1f0000000000', 'hex')).sequence, Number.MAX_SAFE_INTEGER);
  });

  it('ends in records or a ProtocolError whatever the bytes are', () => {
    const random = seededRandom(7);
    for (let round = 0; round < 2000; round++) {
      const bytes = Buffer.from(workedExample);
      for (let i = 0; i < 3; i++) bytes[12 + (random.u32() % 30)] = random.u32() & 0xff;
      try {
        summarizeBatch(bytes);
      } catch (error) {
        assert.ok(error instanceof ProtocolError, String(error));
      }
    }
  });
});

describe('summarizeBatch', () => {
  it('finds the last replication id note and the last put', () => {
    const bytes = batch(
      7,
      note('A'.repeat(16)),
      put('a', '1'),
      storeId('B'.repeat(16)),
      { remove: [1, 'x'] },
      note('B'.repeat(16)),
    );
    const summary = summarizeBatch(bytes);
    assert.deepEqual([summary.sequence, summary.count, summary.replicationId], [7, 3, 'B'.repeat(16)]);
    assert.equal(summary.lastPut?.family, 4);
    assert.equal(summary.lastPut.key.toString(), 'replication_id_');
    assert.equal(summary.lastPut.value.toString(), 'B'.repeat(16));
  });

  it('takes no other log data for an id', () => {
    for (const text of ['r short', `r ${'A'.repeat(17)}`, `x ${'A'.repeat(16)}`, '1'])
      assert.equal(summarizeBatch(batch(1, { log: text })).replicationId, undefined, text);
  });
});
