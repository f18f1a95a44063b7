import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '@holdfast/base';
import { Request } from '@holdfast/resp';
import { doubleOf, formatDouble, formatHuman, parseDouble, parseDoubleLeniently } from './doubles.ts';

test('any double reads back from what is printed of it', () => {
  const random = seededRandom(9);
  const bytes = Buffer.alloc(8);
  for (let i = 0; i < 20_000; i++) {
    bytes.writeUInt32BE(random.u32(), 0);
    bytes.writeUInt32BE(random.u32(), 4);
    const value = bytes.readDoubleBE(0);
    if (Number.isNaN(value)) continue;
    // Also numbers of usual size, where notation changes.
    for (const number of [value, (random.u32() - 2 ** 31) / 10 ** (random.u32() % 20), random.u32() * 2 ** 31]) {
      const text = formatDouble(number);
      assert.ok(Object.is(parseDouble(text), number), text);
      assert.ok(text.length <= 25, text);
    }
  }
});

test('an argument is read to the same bits with and without a string', () => {
  const random = seededRandom(10);
  const digits = (most: number): string => {
    let text = '';
    for (let left = random.u32() % (most + 1); left > 0; left--) text += String(random.u32() % 10);
    return text;
  };
  const texts = [
    '',
    '-0',
    '0',
    '-0.0',
    '+7',
    '.',
    '-',
    '+',
    '-.',
    '1.2.3',
    '1-',
    '000000012345',
    '999999999999999.',
    '0x1',
    '1e3',
  ];
  for (let i = 0; i < 20_000; i++) {
    const sign = ['', '-', '+'][random.u32() % 3] as string;
    texts.push(`${sign}${digits(9)}${random.u32() % 2 === 0 ? '.' : ''}${digits(10)}`);
  }
  for (const text of texts) {
    const expected = parseDouble(text);
    for (const behind of ['', '-', '-1', '7'])
      assert.ok(Object.is(doubleOf(Request.of('zadd', text, behind), 1), expected), `${text} before ${behind}`);
  }
});

test('arguments are read as strtod reads them, whole and within the range', () => {
  const rows: [string, number][] = [
    ['1', 1],
    ['+1.', 1],
    ['.5', 0.5],
    ['-1e-3', -0.001],
    ['1E5', 100_000],
    ['0e999', 0],
    ['inf', Infinity],
    ['-INFINITY', -Infinity],
    ['4.9e-324', 5e-324],
  ];
  for (const [text, value] of rows) assert.equal(parseDouble(text), value, text);
  for (const text of ['', ' 1', '1 ', 'nan', '1x', '.', '-', 'e5', '1e', '1e999', '-1e999', '1e-999', '0b1', '1_0']) {
    assert.ok(Number.isNaN(parseDouble(text)), text);
  }
  assert.equal(parseDoubleLeniently(''), 0);
  assert.equal(parseDoubleLeniently('1e999'), Infinity);
  assert.ok(Number.isNaN(parseDoubleLeniently('nan')));
});

test('coordinates are printed exactly up to 17 decimals, without zeros at the end', () => {
  assert.equal(formatHuman(10), '10');
  assert.equal(formatHuman(100.5), '100.5');
  assert.equal(formatHuman(13.361389338970184), '13.36138933897018433');
  assert.equal(formatHuman(-0.000001), '-0.000001');
  assert.equal(formatHuman(0), '0');
});
