import assert from 'node:assert/strict';
import { test } from 'node:test';
import { giveBack, roomFor, spareReplyBytes } from './reply-memory.ts';
import { ReplyWriter } from './reply-writer.ts';

test('memory that was given back is given out again, to one at a time', () => {
  const first = roomFor(95_000);
  const spareBytes = spareReplyBytes();
  giveBack(first.subarray(5, 10));
  assert.equal(spareReplyBytes(), spareBytes + 96 * 1024);
  const [again, other] = [roomFor(90_000), roomFor(90_000)];
  assert.equal(again.buffer, first.buffer);
  assert.notEqual(other.buffer, again.buffer);
  assert.ok(again.length >= 90_000 && again.byteOffset === 0);
});

test('only its own pieces are kept, no more than 32 MiB of them, and those that are given back now rather than others', () => {
  for (const bytes of [Buffer.poolSize, 8192, 65_536, 1 << 20]) {
    const foreign = Buffer.allocUnsafeSlow(bytes);
    giveBack(foreign);
    assert.notEqual(roomFor(bytes).buffer, foreign.buffer, String(bytes));
  }
  const small = Buffer.allocUnsafe(100); // a part of what Node cuts such from
  giveBack(small);
  for (const bytes of [2000, 15_000, 30_000, 60_000]) assert.notEqual(roomFor(bytes).buffer, small.buffer);
  const keptOf = (bytes: number): number => {
    const pieces = Array.from({ length: 60 }, () => roomFor(bytes));
    for (const piece of pieces) giveBack(piece);
    const again = Array.from({ length: 60 }, () => roomFor(bytes));
    for (const piece of again) giveBack(piece);
    return again.filter(({ buffer }) => pieces.some((piece) => piece.buffer === buffer)).length;
  };
  assert.equal(keptOf(700_000), 42); // of 768 KiB
  assert.equal(keptOf(20_000), 60);
  assert.equal(keptOf(700_000), 42);
});

test('replies of many sizes, given back in any order, are as written, and none is larger than allowed', () => {
  const writers = Array.from({ length: 4 }, () => new ReplyWriter(512, 900_000));
  const held: { bytes: Buffer; text: string }[] = [];
  for (let i = 0; i < 400; i++) {
    const writer = writers[i % 4] as ReplyWriter;
    const value = String.fromCharCode(97 + (i % 26)).repeat((i * i * 977) % 200_000);
    const parts = 1 + (i % 3);
    for (let part = 0; part < parts; part++) writer.bulkText(value);
    held.push({ bytes: writer.take(), text: `$${value.length}\r\n${value}\r\n`.repeat(parts) });
    if (held.length > 6) {
      const [gone] = held.splice((i * 7) % held.length, 1);
      assert.ok(gone !== undefined && gone.bytes.toString('latin1') === gone.text, `reply ${i}`);
      giveBack(gone.bytes);
    }
  }
  for (const { bytes, text } of held) assert.ok(bytes.toString('latin1') === text);
  const writer = new ReplyWriter(512, 700_000); // less than the piece that it stands in
  writer.bulkText('x'.repeat(600_000));
  assert.throws(() => writer.bulkText('x'.repeat(99_999)), { code: 'RESP_REPLY_TOO_BIG' });
  assert.throws(() => new ReplyWriter(512, 900_000).bulkText('x'.repeat(900_001)), { code: 'RESP_REPLY_TOO_BIG' });
});
