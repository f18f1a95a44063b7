import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc16, isSlot, slotCount, slotOf } from './slot.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

test('crc16 gives the check value of the XMODEM catalogue entry', () => {
  assert.equal(crc16(bytes('123456789'), 0, 9), 0x31c3);
  assert.equal(crc16(bytes(''), 0, 0), 0);
});

// Slots as CLUSTER KEYSLOT of Redis answers them.
const known: readonly [string, number][] = [
  ['', 0],
  ['foo', 12182],
  ['bar', 5061],
  ['hello', 866],
  ['somekey', 11058],
  ['foo{hash_tag}', 2515],
  ['{t}s:plain', 15891],
];
for (const [key, slot] of known) {
  test(`the key "${key}" lies in slot ${slot}`, () => assert.equal(slotOf(bytes(key)), slot));
}

const tagged: readonly [string, string, string][] = [
  ['{user1000}.following', 'user1000', 'text between the braces'],
  ['foo{}{bar}', 'foo{}{bar}', 'an empty first tag counts as none'],
  ['foo{{bar}}zap', '{bar', 'from the first opening to the first closing brace'],
  ['foo{bar}{zap}', 'bar', 'only the first tag'],
  ['foo{bar', 'foo{bar', 'an open brace alone is no tag'],
  ['foo}bar{zap', 'foo}bar{zap', 'a closing brace before the opening one does not count'],
  ['}{a}', 'a', 'a tag after a stray closing brace'],
  ['{', '{', 'a lone brace'],
];
for (const [key, hashed, why] of tagged) {
  test(`hash tag of "${key}": ${why}`, () => {
    const whole = bytes(hashed);
    assert.equal(slotOf(bytes(key)), crc16(whole, 0, whole.length) % slotCount);
  });
}

test('a key is hashed where it lies in a larger buffer', () => {
  const buffer = bytes('{x}{user1000}.following}tail');
  assert.equal(slotOf(buffer, 3, 23), slotOf(bytes('{user1000}.following')));
  // The closing brace after the window is not seen.
  assert.equal(slotOf(bytes('{foo}'), 0, 4), slotOf(bytes('{foo'), 0, 4));
  const open = bytes('{foo');
  assert.equal(slotOf(bytes('{foo}'), 0, 4), crc16(open, 0, 4) % slotCount);
});

test('binary keys are hashed as bytes', () => {
  const key = Buffer.from([0, 255, 123, 1, 125, 128]);
  assert.equal(slotOf(key), crc16(Buffer.from([1]), 0, 1) % slotCount);
});

test('only whole numbers from 0 to 16383 are slots', () => {
  assert.deepEqual([0, 16383, -1, 16384, 1.5, NaN].map(isSlot), [true, true, false, false, false, false]);
});
