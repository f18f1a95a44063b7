import assert from 'node:assert/strict';
import { test } from 'node:test';
import { spanOf } from './bytes.ts';
import { decodeCbor, encodeCbor } from './json-cbor.ts';
import { printDouble, printJson } from './json-print.ts';
import { parseJson } from './json-text.ts';
import {
  JsonDouble,
  JsonFailure,
  compareText,
  jsonInteger,
  jsonObjectOf,
  nestingLimit,
  putJsonMember,
  sameJson,
  type JsonValue,
} from './json-value.ts';

function parsed(text: string | Buffer): JsonValue {
  const value = parseJson(spanOf(text), nestingLimit);
  assert.ok(!(value instanceof JsonFailure), `${String(text)}: ${value instanceof JsonFailure ? value.message : ''}`);
  return value;
}

test('text is printed as Kvrocks prints it: no blanks, keys in byte order, the first of equal keys', () => {
  const rows: readonly (readonly [string, string])[] = [
    [' { "b" : 1 , "a" : [ ] , "10" : { } } ', '{"10":{},"a":[],"b":1}'],
    ['{"2":1,"10":2,"1":3}', '{"1":3,"10":2,"2":1}'],
    ['{"a":1,"b":2,"a":3}', '{"a":1,"b":2}'],
    ['{"\u{1f600}":1,"\uffee":2,"z":3}', '{"z":3,"\uffee":2,"\u{1f600}":1}'],
    ['{"__proto__":1,"constructor":2}', '{"__proto__":1,"constructor":2}'],
    [
      '"\\u0041\\/\\b\\f\\n\\r\\t\\"\\\\\\u001F\\u007f\\u00e9\\ud83d\\ude00"',
      '"A/\\b\\f\\n\\r\\t\\"\\\\\\u001F\\u007F\u00e9\u{1f600}"',
    ],
    ['[true,false,null]', '[true,false,null]'],
    ['-0', '0'],
    ['9007199254740991', '9007199254740991'],
    ['-9007199254740993', '-9007199254740993'],
    ['1.50', '1.5'],
    ['-2.0', '-2.0'],
    ['-0.0', '0.0'],
    ['1E2', '100.0'],
    ['1e-7', '1e-07'],
  ];
  for (const [text, printed] of rows) assert.equal(printJson(parsed(text)), printed, text);
});

test('doubles are printed in their shortest form, with a point or an exponent', () => {
  const rows: readonly (readonly [number, string])[] = [
    [0.1, '0.1'],
    [3.14, '3.14'],
    [0.0001, '0.0001'],
    [0.00001, '1e-05'],
    [1e16, '10000000000000000.0'],
    [1e17, '1e+17'],
    [123456789012345680, '1.2345678901234568e+17'],
    [1.6350000000001313e308, '1.6350000000001313e+308'],
    [5e-324, '5e-324'],
    [-1.5e-10, '-1.5e-10'],
    [2 ** 53, '9007199254740992.0'],
  ];
  for (const [value, text] of rows) assert.equal(printDouble(value), text);
});

test('what is no JSON is refused with the place', () => {
  const wrong = [
    '',
    ' ',
    '{',
    '[',
    '[1,',
    '[1,]',
    '[,1]',
    '{"a"}',
    '{"a":}',
    '{"a":1,}',
    '{a:1}',
    "{'a':1}",
    '1 2',
    '01',
    '-',
    '1.',
    '.5',
    '1e',
    '1e+',
    '+1',
    'tru',
    'nulll',
    'NaN',
    'Infinity',
    '"a',
    '"\\q"',
    '"\\u12"',
    '"\\u123g"',
    '"\\ud800"',
    '"\\ud800\\u0041"',
    '"\\udc00"',
    '"\n"',
    ']',
    '}',
    '[1}',
    '{"a":1]',
    '1e400',
    '1'.repeat(1025),
  ];
  for (const text of wrong) {
    const value = parseJson(spanOf(text), 100);
    assert.ok(value instanceof JsonFailure, text);
    assert.match(value.message, /^invalid JSON at byte \d+: /, text);
  }
  assert.ok(parseJson(spanOf(Buffer.of(34, 0xc3, 34)), 100) instanceof JsonFailure);
});

test('nesting is bounded and needs no stack', () => {
  const nested = (levels: number): string => '[{"a":'.repeat(levels / 2) + '1' + '}]'.repeat(levels / 2);
  const deepest = parsed(nested(nestingLimit));
  assert.equal(printJson(deepest), nested(nestingLimit));
  assert.ok(sameJson(deepest, parsed(nested(nestingLimit))));
  const bytes = encodeCbor(deepest);
  assert.ok(Buffer.isBuffer(bytes));
  assert.ok(sameJson(decodeCbor(spanOf(bytes), nestingLimit) as JsonValue, deepest));
  assert.ok(parseJson(spanOf(nested(nestingLimit + 2)), 1e9) instanceof JsonFailure);
  assert.ok(parseJson(spanOf('['.repeat(5_000_000)), 1e9) instanceof JsonFailure);
  assert.ok(decodeCbor(spanOf(Buffer.alloc(5_000_000, 0x81)), 1e9) instanceof JsonFailure);
  assert.ok(decodeCbor(spanOf(Buffer.alloc(5_000_000, 0xc6)), 1e9) instanceof JsonFailure);
});

test('what would pass the limits is not printed', () => {
  const long = 'x'.repeat(1000);
  const many: JsonValue = Array.from({ length: 100 }, () => long);
  assert.ok(printJson(many, undefined, { bytesMax: 50_000, nestingMax: 10 }) instanceof JsonFailure);
  assert.ok(encodeCbor(many, { bytesMax: 50_000, nestingMax: 10 }) instanceof JsonFailure);
  assert.ok(printJson([[[1]]], undefined, { bytesMax: 50, nestingMax: 2 }) instanceof JsonFailure);
  assert.ok(encodeCbor([[[1]]], { bytesMax: 50, nestingMax: 2 }) instanceof JsonFailure);
});

test('CBOR has the bytes that Kvrocks writes', () => {
  const rows: readonly (readonly [string, string])[] = [
    ['0', '00'],
    ['23', '17'],
    ['24', '1818'],
    ['256', '190100'],
    ['65536', '1a00010000'],
    ['4294967296', '1b0000000100000000'],
    ['18446744073709551615', '1bffffffffffffffff'],
    ['18446744073709551616', 'c249010000000000000000'],
    ['-1', '20'],
    ['-25', '3818'],
    ['-9223372036854775808', '3b7fffffffffffffff'],
    ['-18446744073709551617', 'c349010000000000000000'],
    ['1.5', 'fa3fc00000'],
    ['1.2', 'fb3ff3333333333333'],
    ['"é"', '62c3a9'],
    ['[1,[]]', '820180'],
    ['{"x":[true,false,null]}', 'a1617883f5f4f6'],
  ];
  for (const [text, hex] of rows) {
    const bytes = encodeCbor(parsed(text));
    assert.ok(Buffer.isBuffer(bytes));
    assert.equal(bytes.toString('hex'), hex, text);
    assert.equal(printJson(decodeCbor(spanOf(bytes), 10) as JsonValue), text);
  }
});

test('CBOR of other writers is read too, and what is none is refused', () => {
  const read = (hex: string): JsonValue | JsonFailure => decodeCbor(spanOf(Buffer.from(hex, 'hex')), 10);
  const rows: readonly (readonly [string, string])[] = [
    ['9f0102ff', '[1,2]'],
    ['9fff', '[]'],
    ['bf6161019fff', ''],
    ['bf616101ff', '{"a":1}'],
    ['bf61610161629f01ffff', '{"a":1,"b":[1]}'],
    ['bfff', '{}'],
    ['7f61616162ff', '"ab"'],
    ['f93c00', '1.0'],
    ['f7', 'null'],
    ['c11a00000001', '1'],
    ['a2616201616102', '{"a":2,"b":1}'],
  ];
  for (const [hex, text] of rows) {
    const value = read(hex);
    if (text === '') assert.ok(value instanceof JsonFailure, hex);
    else assert.equal(printJson(value as JsonValue), text, hex);
  }
  const wrong = [
    '',
    '18',
    '62c3',
    '6161ff',
    '82',
    '8201',
    'a1',
    'a101',
    'a10101',
    '9bffffffffffffffff',
    '7bffffffffffffffff',
  ];
  for (const hex of [
    ...wrong,
    '41aa',
    'ff',
    'f97c00',
    'fb7ff8000000000000',
    '1c',
    '0000',
    'c2',
    'c201',
    '61ff',
    '7f01ff',
    'f8ff',
  ])
    assert.ok(read(hex) instanceof JsonFailure, hex);
});

/** A seeded generator: a failure can be repeated. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function randomText(random: (below: number) => number): string {
  const characters = ['a', 'B', '0', ' ', '"', '\\', '/', '\n', '\u0001', '\u007f', 'é', '\uffee', '\u{1f600}'];
  return Array.from({ length: random(6) }, () => characters[random(characters.length)]).join('');
}

function randomNumber(random: (below: number) => number): JsonValue {
  if (random(3) === 0)
    return jsonInteger(BigInt(random(2 ** 32)) * BigInt(random(2 ** 32)) * (random(2) === 0 ? 1n : -1n));
  if (random(2) === 0) return random(1000) - 500;
  return new JsonDouble((random(2 ** 32) - 2 ** 31) * 10 ** (random(40) - 20));
}

function randomValue(random: (below: number) => number, depth: number): JsonValue {
  const kind = random(depth > 0 ? 6 : 4);
  if (kind === 0) return randomText(random);
  if (kind === 1) return randomNumber(random);
  if (kind < 4) return [null, true, false][random(3)] as JsonValue;
  const items = Array.from({ length: random(5) }, () => randomValue(random, depth - 1));
  if (kind === 4) return items;
  return jsonObjectOf(
    items.map(() => randomText(random)),
    items,
  );
}

test('printed and read again, and encoded and decoded, a value is the same to the last byte', () => {
  const random = generator(42);
  for (let i = 0; i < 3000; i++) {
    const value = randomValue(random, 4);
    const text = printJson(value) as string;
    const again = parsed(text);
    assert.equal(printJson(again), text);
    assert.ok(sameJson(again, value), text);
    assert.deepEqual(
      JSON.parse(printJson(value, { indent: ' ', newline: '\n', space: ' ' }) as string),
      JSON.parse(text),
    );
    const bytes = encodeCbor(value) as Buffer;
    assert.equal(printJson(decodeCbor(spanOf(bytes), nestingLimit) as JsonValue), text);
  }
});

test('garbage ends as a value or as a refusal', () => {
  const random = generator(43);
  const pieces = [
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"a"',
    '"',
    '\\u',
    'd83d',
    '1',
    '-',
    '.',
    'e',
    'true',
    'nul',
    ' ',
    '\u00e9',
    '\u0000',
  ];
  for (let i = 0; i < 20_000; i++) {
    const text = Array.from({ length: random(12) }, () => pieces[random(pieces.length)]).join('');
    const value = parseJson(spanOf(text), 50);
    if (!(value instanceof JsonFailure)) assert.doesNotThrow(() => JSON.parse(text), text);
    const bytes = Buffer.from(Array.from({ length: random(20) }, () => random(256)));
    decodeCbor(spanOf(bytes), 50);
    parseJson(spanOf(bytes), 50);
  }
});

test('text compares as its UTF-8 bytes do', () => {
  const random = generator(44);
  for (let i = 0; i < 5000; i++) {
    const a = randomText(random);
    const b = randomText(random);
    assert.equal(Math.sign(compareText(a, b)), Buffer.compare(Buffer.from(a), Buffer.from(b)));
  }
});

test('a new member takes its place in the order', () => {
  const object = jsonObjectOf(['b', 'd'], [1, 2]);
  for (const key of ['c', 'a', 'b', 'e']) putJsonMember(object, key, 9);
  assert.equal(printJson(object), '{"a":9,"b":9,"c":9,"d":2,"e":9}');
});
