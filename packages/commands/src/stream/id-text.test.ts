import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StreamId } from '@holdfast/engine';
import { ReplyWriter } from '@holdfast/resp';
import { IdText } from './id-text.ts';

test('ids are answered as their text, whatever was answered before', () => {
  const numbers = [0n, 9n, 10n, 999_999n, 1_000_000n, 0xffffffffn, 0x100000000n, 1_700_000_000_000n, 2n ** 64n - 1n];
  const text = new IdText();
  for (const ms of numbers) {
    for (const seq of [...numbers, 0n]) {
      const reply = new ReplyWriter();
      text.reply(StreamId.of(ms, seq), reply);
      const expected = `${ms}-${seq}`;
      assert.equal(reply.take().toString(), `$${expected.length}\r\n${expected}\r\n`);
    }
  }
});
