// XXH64 against the values its authors publish, and over all lengths against the specification written down with BigInt.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { spanOf } from './bytes.ts';
import { Word64 } from './word64.ts';
import { xxHash } from './xx-hash.ts';

function hashOf(bytes: Uint8Array | string): string {
  const hash = new Word64();
  xxHash(spanOf(bytes), hash);
  return ((BigInt(hash.high >>> 0) << 32n) | BigInt(hash.low >>> 0)).toString(16).padStart(16, '0');
}

const [p1, p2, p3, p4, p5] = [
  0x9e3779b185ebca87n,
  0xc2b2ae3d27d4eb4fn,
  0x165667b19e3779f9n,
  0x85ebca77c2b2ae63n,
  0x27d4eb2f165667c5n,
] as const;
const wrap = (value: bigint): bigint => BigInt.asUintN(64, value);
const rotate = (value: bigint, bits: bigint): bigint => wrap((value << bits) | (value >> (64n - bits)));
const round = (sum: bigint, lane: bigint): bigint => wrap(rotate(wrap(sum + lane * p2), 31n) * p1);

function specified(bytes: Buffer): string {
  let at = 0;
  let hash: bigint = p5;
  if (bytes.length >= 32) {
    const sums = [wrap(p1 + p2), p2, 0n, wrap(-p1)];
    for (; at + 32 <= bytes.length; at += 32) {
      for (let i = 0; i < 4; i++) sums[i] = round(sums[i] as bigint, bytes.readBigUInt64LE(at + 8 * i));
    }
    hash = sums.reduce((total, sum, i) => wrap(total + rotate(sum, [1n, 7n, 12n, 18n][i] as bigint)), 0n);
    for (const sum of sums) hash = wrap((hash ^ round(0n, sum)) * p1 + p4);
  }
  hash = wrap(hash + BigInt(bytes.length));
  for (; at + 8 <= bytes.length; at += 8) {
    hash = wrap(rotate(hash ^ round(0n, bytes.readBigUInt64LE(at)), 27n) * p1 + p4);
  }
  if (at + 4 <= bytes.length) {
    hash = wrap(rotate(hash ^ wrap(BigInt(bytes.readUInt32LE(at)) * p1), 23n) * p2 + p3);
    at += 4;
  }
  for (; at < bytes.length; at++) hash = wrap(rotate(hash ^ wrap(BigInt(bytes[at] as number) * p5), 11n) * p1);
  hash = wrap((hash ^ (hash >> 33n)) * p2);
  hash = wrap((hash ^ (hash >> 29n)) * p3);
  return (hash ^ (hash >> 32n)).toString(16).padStart(16, '0');
}

test('the hash of known texts is the published one', () => {
  assert.equal(hashOf(''), 'ef46db3751d8e999');
  assert.equal(hashOf('a'), 'd24ec4f1a98c6e5b');
  assert.equal(hashOf('abc'), '44bc2cf5ad770999');
});

test('the hash of texts of every length follows the specification', () => {
  for (let length = 0; length < 140; length++) {
    const bytes = Buffer.from(Array.from({ length }, (_, i) => (i * 167 + length * 31) & 0xff));
    assert.equal(hashOf(bytes), specified(bytes), `${length} bytes`);
  }
});
