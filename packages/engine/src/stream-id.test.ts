import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBelow, seededRandom } from '@holdfast/base';
import { Scratch } from './bytes.ts';
import { StreamId } from './stream-id.ts';

const highest = 2n ** 64n - 1n;
/** Numbers around every place where halves carry. */
const numbers = [
  0n,
  1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 53n + 1n,
  2n ** 63n,
  highest,
];
const pairs = numbers.flatMap((ms) => numbers.map((seq) => [ms, seq] as const));

/** An id as one number of 128 bits. */
function whole(id: StreamId): bigint {
  const [ms, seq] = id.toString().split('-').map(BigInt) as [bigint, bigint];
  return (ms << 64n) | seq;
}

test('an id is told as it was made, from numbers of either kind and from bytes', () => {
  for (const [ms, seq] of pairs) {
    const id = StreamId.of(ms, seq);
    assert.equal(id.toString(), `${ms}-${seq}`);
    const bytes = new Scratch();
    bytes.u8(7);
    id.write(bytes);
    assert.equal(bytes.buffer.readBigUInt64BE(1), ms);
    assert.equal(bytes.buffer.readBigUInt64BE(9), seq);
    const read = StreamId.highest();
    read.read(bytes.buffer, 1);
    assert.equal(read.compare(id), 0);
    assert.equal(read.isZero, ms === 0n && seq === 0n);
    if (ms <= Number.MAX_SAFE_INTEGER && seq <= Number.MAX_SAFE_INTEGER) {
      assert.equal(StreamId.of(Number(ms), Number(seq)).toString(), `${ms}-${seq}`);
    }
  }
});

test('ids are ordered as their numbers, and as their bytes', () => {
  const random = seededRandom(5);
  for (let i = 0; i < 2000; i++) {
    const [a, b] = [0, 1].map(() => StreamId.of(...(pairs[randomBelow(random, pairs.length)] as [bigint, bigint])));
    assert.ok(a !== undefined && b !== undefined);
    const [x, y] = [whole(a), whole(b)];
    assert.equal(Math.sign(a.compare(b)), x < y ? -1 : x > y ? 1 : 0);
    const [p, q] = [new Scratch(), new Scratch()];
    a.write(p);
    b.write(q);
    assert.equal(Buffer.compare(p.view(), q.view()), Math.sign(a.compare(b)));
    assert.equal(Math.sign(a.compareMs(b)), Math.sign(Number((x >> 64n) - (y >> 64n))));
  }
});

test('the next and the previous id carry, and end where ids end', () => {
  for (const [ms, seq] of pairs) {
    const id = StreamId.of(ms, seq);
    const value = whole(id);
    const next = id.copy();
    assert.equal(next.increment(), value < 2n ** 128n - 1n);
    assert.equal(whole(next), value < 2n ** 128n - 1n ? value + 1n : value);
    const before = id.copy();
    assert.equal(before.decrement(), value > 0n);
    assert.equal(whole(before), value > 0n ? value - 1n : 0n);
    const sameMs = id.copy();
    assert.equal(sameMs.incrementSeq(), seq < highest);
    assert.equal(whole(sameMs), seq < highest ? value + 1n : value);
    assert.equal(whole(id), value, 'a copy is another id');
  }
});
