import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBelow, seededRandom } from '@holdfast/base';
import { dumpLibraries, readDump } from './library-dump.ts';

const codes = ['#!lua name=a\nx', '', 'y'.repeat(63), 'y'.repeat(64), 'z'.repeat(20_000)].map((text) =>
  Buffer.from(text),
);

test('what was dumped is read again, whatever its length', () => {
  assert.deepEqual(readDump(dumpLibraries([])), []);
  assert.deepEqual(readDump(dumpLibraries(codes)), codes);
});

test('the form is that of Redis: opcode, string, version, checksum', () => {
  assert.equal(
    dumpLibraries([Buffer.from('ab')])
      .subarray(0, 6)
      .toString('hex'),
    'f50261620a00',
  );
});

test('compressed text is read', () => {
  // "abc" and 17 bytes more of the same: a literal run of 3, then a reference 3 back.
  const string = Buffer.from([0xc3, 7, 20, 2, 97, 98, 99, 0xe0, 8, 2]);
  const body = Buffer.concat([Buffer.of(245), string, Buffer.of(10, 0)]);
  // A checksum of 0 stands for none.
  assert.deepEqual(readDump(Buffer.concat([body, Buffer.alloc(8)])), [Buffer.from('abcabcabcabcabcabcab')]);
});

test('few bytes that stand for very many are refused', () => {
  const references = 131_072;
  const text = Buffer.concat([Buffer.of(0, 120), Buffer.alloc(3 * references, Buffer.of(0xe0, 255, 0))]);
  const length = (value: number): Buffer => {
    const bytes = Buffer.alloc(5, 0x80);
    bytes.writeUInt32BE(value, 1);
    return bytes;
  };
  const library = Buffer.concat([Buffer.of(245, 0xc3), length(text.length), length(1 + 264 * references), text]);
  const dump = (count: number): Buffer =>
    Buffer.concat([...Array<Buffer>(count).fill(library), Buffer.of(10, 0), Buffer.alloc(8)]);
  assert.deepEqual(readDump(dump(1)), [Buffer.alloc(1 + 264 * references, 'x')]);
  assert.equal(readDump(dump(2)), 'ERR failed loading functions');
});

test('every damaged byte and every cut is noticed', () => {
  const whole = dumpLibraries(codes.slice(0, 4));
  for (let at = 0; at < whole.length; at++) {
    const damaged = Buffer.from(whole);
    damaged[at] = (damaged[at] as number) ^ 0x55;
    assert.equal(typeof readDump(damaged), 'string', `byte ${at}`);
    assert.equal(typeof readDump(whole.subarray(0, at)), 'string', `cut at ${at}`);
  }
});

test('junk without a checksum ends in texts or an error line', () => {
  const random = seededRandom(Number(process.env['HOLDFAST_SEED'] ?? 1));
  for (let i = 0; i < 3000; i++) {
    const junk = Buffer.concat([
      Buffer.of(245),
      random.bytes(randomBelow(random, 30)),
      Buffer.of(10, 0),
      Buffer.alloc(8),
    ]);
    const read = readDump(junk);
    assert.ok(typeof read === 'string' || Array.isArray(read));
  }
});
