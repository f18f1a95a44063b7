import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { ProtocolError, seededRandom } from '@holdfast/base';
import {
  frameBatches,
  frameWalBlock,
  getAckFrame,
  pingFrame,
  probeFrame,
  StreamDecoder,
  type StreamItem,
} from './framing.ts';

function decode(chunks: readonly Uint8Array[], maxBatchBytes?: number): string[] {
  const decoder = new StreamDecoder(maxBatchBytes);
  const items: StreamItem[] = [];
  for (const chunk of chunks) decoder.push(Buffer.from(chunk), items);
  return items.map((item) => (item.kind === 'batch' ? `batch ${item.bytes.toString('latin1')}` : item.kind));
}

describe('StreamDecoder', () => {
  const wire = Buffer.from('$5\r\nab\r\nc\r\n$4\r\nping\r\n$7\r\n_getack\r\n!1\r\nx\r\n$12\r\n0123456789ab\r\n');
  const items = ['batch ab\r\nc', 'ping', 'getack', 'batch x', 'batch 0123456789ab'];

  it('gives the same bulks whole, byte by byte and cut at every offset', () => {
    assert.deepEqual(decode([wire]), items);
    assert.deepEqual(decode([...wire].map((byte) => Uint8Array.of(byte))), items);
    for (let cut = 0; cut <= wire.length; cut++)
      assert.deepEqual(decode([wire.subarray(0, cut), wire.subarray(cut)]), items, `cut at ${cut}`);
  });

  it('tells probes from batches', () => {
    const items: StreamItem[] = [];
    new StreamDecoder().push(Buffer.concat([probeFrame(1), probeFrame(Number.MAX_SAFE_INTEGER)]), items);
    assert.deepEqual(items, [
      { kind: 'probe', probe: 1 },
      { kind: 'probe', probe: Number.MAX_SAFE_INTEGER },
    ]);
    assert.deepEqual(decode([Buffer.from('$6\r\n_probe\r\n$7\r\n_probe \r\n')]), ['batch _probe', 'batch _probe ']);
    assert.throws(() => decode([Buffer.from('$8\r\n_probe x\r\n')]), ProtocolError);
  });

  it('refuses lengths that are none, and bulks without their end', () => {
    for (const bad of [
      '$0\r\n',
      '$-1\r\n',
      '$\r\n',
      '$x\r\n',
      '\r\n',
      '$1\n',
      `$${'1'.repeat(30)}`,
      '$1\r\nabc',
      '$1\r\na\rb',
    ])
      assert.throws(() => decode([Buffer.from(bad)]), ProtocolError, JSON.stringify(bad));
  });

  it('checks the announced length before it holds anything', () => {
    assert.throws(() => decode([Buffer.from('$101\r\n')], 100), ProtocolError);
    assert.deepEqual(decode([Buffer.from(`$100\r\n${'a'.repeat(100)}\r\n`)], 100), [`batch ${'a'.repeat(100)}`]);
  });

  it('holds no more than it received', () => {
    const decoder = new StreamDecoder();
    decoder.push(Buffer.from('$1000000000\r\nabc'), []);
    assert.equal(decoder.bufferedBytes, 3);
  });

  it('ends in bulks or a ProtocolError whatever the bytes are', () => {
    const random = seededRandom(3);
    const alphabet = Buffer.from('$0123456789\r\n\r\n\r\nab');
    for (let round = 0; round < 3000; round++) {
      const bytes = Buffer.from(Array.from({ length: 40 }, () => alphabet[random.u32() % alphabet.length] as number));
      try {
        decode([bytes]);
      } catch (error) {
        assert.ok(error instanceof ProtocolError, String(error));
      }
    }
  });
});

describe('frames', () => {
  it('carry what the decoder gives back, from a commit and from the WAL alike', () => {
    const batches = ['a'.repeat(9), 'b'.repeat(10), 'c'.repeat(1000)].map((text) => Buffer.from(text));
    const expected = batches.map((bytes) => `batch ${bytes.toString()}`);
    const lengths = Uint32Array.from(batches.map((bytes) => bytes.length));
    assert.deepEqual(decode([frameBatches(Buffer.concat(batches), lengths, 3)]), expected);
    const block = Buffer.concat(batches.flatMap((bytes) => [Buffer.from(Uint32Array.of(bytes.length).buffer), bytes]));
    assert.deepEqual(decode([frameWalBlock(block, 3)]), expected);
    assert.deepEqual(decode([frameBatches(Buffer.concat(batches), lengths, 1)]), expected.slice(0, 1));
  });

  it('are the words Kvrocks uses', () => {
    assert.deepEqual(decode([pingFrame, getAckFrame]), ['ping', 'getack']);
  });
});
