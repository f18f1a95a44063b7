import assert from 'node:assert/strict';
import { test } from 'node:test';
import { spanOf } from '@holdfast/engine';
import { digestOf } from './digest.ts';
import { int64Of, safeIntegerOf } from './integers.ts';
import { addLongDouble, formatLongDouble, parseLongDouble, type LongDouble } from './long-double.ts';

test('whole numbers are taken as Redis takes them: strict decimal within int64', () => {
  const rows: [string, bigint | undefined][] = [
    ['0', 0n],
    ['7', 7n],
    ['-7', -7n],
    ['123456789012345', 123456789012345n],
    ['1234567890123456', 1234567890123456n],
    ['9223372036854775807', 2n ** 63n - 1n],
    ['-9223372036854775808', -(2n ** 63n)],
    ['9223372036854775808', undefined],
    ['-9223372036854775809', undefined],
    ['99999999999999999999999', undefined],
    ['', undefined],
    ['-', undefined],
    ['-0', undefined],
    ['+1', undefined],
    ['01', undefined],
    [' 1', undefined],
    ['1 ', undefined],
    ['1.0', undefined],
    ['1e3', undefined],
    ['0x10', undefined],
  ];
  for (const [text, value] of rows) {
    assert.equal(int64Of(spanOf(text)), value, text);
    const safe = safeIntegerOf(spanOf(text));
    assert.equal(Number.isNaN(safe), value === undefined || text.replace('-', '').length > 15, text);
    if (!Number.isNaN(safe)) assert.equal(BigInt(safe), value, text);
  }
});

function sum(a: string, b: string): string {
  const result = addLongDouble(parseLongDouble(a) as LongDouble, parseLongDouble(b) as LongDouble);
  return result === undefined ? 'infinite' : formatLongDouble(result);
}

// The sums were answered by Redis 7.0.15 on x86-64 (INCRBYFLOAT).
test('floats add and print as in Redis, whose long double has 64 bits of mantissa', () => {
  const rows: [string, string, string][] = [
    ['0', '3.5e3', '3500'],
    ['10.50', '0.1', '10.6'],
    ['0.1', '0.2', '0.3'],
    ['5.0e3', '2.0e2', '5200'],
    ['1', '-1', '0'],
    ['-1.5', '0', '-1.5'],
    ['0', '-0.0', '0'],
    ['0', '1e-18', '0'],
    ['0', '3.14159265358979323846264338', '3.14159265358979324'],
    ['0', '99999999999999999999', '100000000000000000000'],
    ['1e20', '0.1', '100000000000000000000'],
    ['0', '.5', '0.5'],
    ['0', '5.', '5'],
  ];
  for (const [a, b, expected] of rows) assert.equal(sum(a, b), expected, `${a} + ${b}`);
});

test('what is no decimal number is refused, and so is what is too large', () => {
  for (const text of ['', 'abc', '1x', ' 1', '1 ', '.', '-', '1e', 'e5', 'nan', '0x10', '1,5']) {
    assert.equal(parseLongDouble(text), 'invalid', text);
  }
  for (const text of ['1e5000', '-1e4933']) assert.equal(parseLongDouble(text), 'invalid', text);
  for (const text of ['inf', '-Infinity']) assert.equal(parseLongDouble(text), 'infinite', text);
  assert.notEqual(parseLongDouble('1e4932'), 'invalid');
  assert.equal(sum('1e4932', '1e4932'), 'infinite');
  assert.equal(sum('1e-400000000', '1'), '1');
});

test('digests are those of xxHash, at every length where the algorithm changes', () => {
  assert.equal(digestOf(spanOf('Hello world')), 'b6acb9d84a38ff74');
  // Computed by xxHash 0.8 of bytes (7 i + 3) mod 256.
  const rows: [number, string][] = [
    [0, '2d06800538d394c2'],
    [1, '13e608bc156defed'],
    [3, 'a9088dda485b481c'],
    [4, '6d9253b16c8b1ed3'],
    [8, '60539db630471163'],
    [9, 'feff668361d723a8'],
    [16, 'b8c859b0f030b585'],
    [17, '714a04408e79b80f'],
    [32, '19ff4ee1d6ba1a55'],
    [33, '3e44983ad21679c8'],
    [64, '287eb1fa9e4be2c1'],
    [65, '829218de4d798646'],
    [96, 'f084e7cfbc624743'],
    [97, '1daa83271a8e7b7c'],
    [128, '67425a03650261bf'],
    [129, 'c664bf3311c6abc4'],
    [240, '64556dc6b462a6cf'],
    [241, '8beadd3a8874fe17'],
    [512, 'f58202b8d9019d1d'],
    [1023, 'd26986a0b85dcc44'],
    [1024, '9b81661c641c72b1'],
    [1025, '806c2072ed713576'],
    [1088, '2f8781e01841f0da'],
    [2048, 'abe604813ba62ed1'],
    [5000, '799aaddd7339581d'],
  ];
  for (const [length, digest] of rows) {
    const bytes = Buffer.from(Array.from({ length }, (_, i) => (7 * i + 3) % 256));
    assert.equal(digestOf(spanOf(bytes)), digest, `${length} bytes`);
  }
});
