import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { ProtocolError, seededRandom } from '@holdfast/base';
import { batch, note, put, storeId } from './testing/batches.ts';
import { readBatchHeader, summarizeBatch } from './write-batch.ts';

/** `SET k v` as Kvrocks 2.10 writes it at sequence 5, without replication id. */
const workedExample = Buffer.from(
  '050000000000000001000000' + '030131' + '0501' + '0d0b5f5f6e616d6573706163656b' + '0a81000000000000000076',
  'hex',
);

describe('summarizeBatch', () => {
  it('reads the worked example of the format page', () => {
    assert.equal(workedExample.length, 42);
    const { sequence, count, replicationId, lastPut } = summarizeBatch(workedExample);
    assert.deepEqual([sequence, count, replicationId, lastPut?.family], [5, 1, undefined, 1]);
    assert.equal(lastPut?.key.toString('latin1'), '\x0b__namespacek');
    assert.equal(lastPut.value.toString('latin1'), '\x81\0\0\0\0\0\0\0\0v');
  });

  it('finds the last replication id note and the last put, wherever in a buffer the batch stands', () => {
    const [first, second] = ['A'.repeat(16), 'B'.repeat(16)] as const;
    const bytes = batch(7, note(first), put('a', '1'), storeId(second), { remove: [1, 'x'] }, note(second));
    const framed = Buffer.concat([Buffer.from('$99\r\n'), bytes, Buffer.from('\r\n')]);
    const summary = summarizeBatch(framed, 5, 5 + bytes.length);
    assert.deepEqual([summary.sequence, summary.count, summary.replicationId], [7, 3, second]);
    assert.equal(summary.lastPut?.family, 4);
    assert.equal(summary.lastPut.key.toString(), 'replication_id_');
    assert.equal(summary.lastPut.value.toString(), second);
  });

  it('takes no other log data for an id', () => {
    for (const text of ['r short', `r ${'A'.repeat(17)}`, `x ${'A'.repeat(16)}`, '1'])
      assert.equal(summarizeBatch(batch(1, { log: text })).replicationId, undefined, text);
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

  it('refuses sequences beyond 2^53 instead of rounding them', () => {
    assert.throws(() => readBatchHeader(Buffer.from('000000000000200000000000', 'hex')), /2\^53/);
    assert.equal(readBatchHeader(Buffer.from('ffffffffffff1f0000000000', 'hex')).sequence, Number.MAX_SAFE_INTEGER);
  });

  it('ends in a summary or a ProtocolError whatever the bytes are', () => {
    const random = seededRandom(7);
    let refused = 0;
    for (let round = 0; round < 2000; round++) {
      const bytes = Buffer.from(workedExample);
      for (let i = 0; i < 3; i++) bytes[12 + (random.u32() % 30)] = random.u32() & 0xff;
      try {
        summarizeBatch(bytes);
      } catch (error) {
        assert.ok(error instanceof ProtocolError, String(error));
        refused++;
      }
    }
    assert.ok(refused > 0 && refused < 2000, `${refused} of 2000 refused`);
  });
});
