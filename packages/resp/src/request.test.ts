import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Request } from './request.ts';
import { RequestDecoder } from './request-decoder.ts';
import { encodeCommand } from './encode-command.ts';

test('arguments are read as bytes, text and size', () => {
  const request = Request.of('SET', Buffer.of(0xc3, 0xa9), '');
  assert.equal(request.count, 3);
  assert.equal(request.utf8(1), 'é');
  assert.equal(request.latin1(1), '\xc3\xa9');
  assert.equal(request.size(2), 0);
  assert.deepEqual(request.bytes(1), Buffer.of(0xc3, 0xa9));
});

test('a word is compared without regard to ASCII case only', () => {
  const request = Request.of('GeT', 'get ', '[ET', '');
  assert.ok(request.is(0, 'get'));
  assert.ok(!request.is(0, 'set'));
  assert.ok(!request.is(1, 'get'));
  assert.ok(!request.is(2, '{et'), 'only letters are folded');
  assert.ok(request.is(3, ''));
});

const integers: readonly (readonly [string, number])[] = [
  ['0', 0],
  ['-1', -1],
  ['42', 42],
  ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ['-9007199254740991', Number.MIN_SAFE_INTEGER],
  ['9007199254740992', NaN],
  ['', NaN],
  ['-', NaN],
  ['-0', NaN],
  ['007', NaN],
  ['+1', NaN],
  [' 1', NaN],
  ['1 ', NaN],
  ['1.0', NaN],
  ['1e3', NaN],
];

test('integers follow the strict rule', () => {
  for (const [text, value] of integers)
    assert.equal(Request.of('x', text, '-5').integer(1), value, JSON.stringify(text));
});

test('the whole int64 range is read exactly, and nothing beyond it', () => {
  const read = (text: string): bigint | undefined => Request.of(text).int64(0);
  assert.equal(read('9223372036854775807'), 9223372036854775807n);
  assert.equal(read('-9223372036854775808'), -9223372036854775808n);
  assert.equal(read('9223372036854775808'), undefined);
  assert.equal(read('-9223372036854775809'), undefined);
  assert.equal(read('12'), 12n);
  assert.equal(read('012'), undefined);
  assert.equal(read('123456789012345678901'), undefined);
});

test('a copy owns its bytes', () => {
  const decoder = new RequestDecoder();
  const chunk = encodeCommand(['MSET', 'a', '1', 'b', '2']);
  decoder.push(Buffer.concat([Buffer.from('PING\r\n'), chunk]));
  assert.ok(decoder.next());
  assert.ok(decoder.next());
  const copy = decoder.request.copy();
  decoder.request.buffer.fill(0);
  assert.ok(!decoder.next());
  assert.deepEqual(
    Array.from({ length: copy.count }, (_, i) => copy.latin1(i)),
    ['MSET', 'a', '1', 'b', '2'],
  );
  assert.equal(new Request().copy().count, 0);
});
