import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TopologyRefusal } from './refusal.ts';
import { formatSlotRanges, parseSlotList, rangesWhere, splitSlots } from './slot-range.ts';

test('slots are dealt out as the Kvrocks controller does it: the rest goes to the last shard', () => {
  assert.deepEqual(splitSlots(1), [{ start: 0, stop: 16383 }]);
  assert.equal(formatSlotRanges(splitSlots(3)), '0-5460 5461-10921 10922-16383');
  assert.equal(formatSlotRanges(splitSlots(5)), '0-3275 3276-6551 6552-9827 9828-13103 13104-16383');
  assert.equal(splitSlots(16384).length, 16384);
  for (const bad of [0, -1, 1.5, 16385]) assert.throws(() => splitSlots(bad), RangeError);
});

test('neighbouring slots are merged into ranges', () => {
  const slots = new Set([0, 1, 2, 5, 7, 8, 16382, 16383]);
  assert.equal(formatSlotRanges(rangesWhere((slot) => slots.has(slot))), '0-2 5 7-8 16382-16383');
  assert.deepEqual(
    rangesWhere(() => false),
    [],
  );
  assert.deepEqual(
    rangesWhere(() => true),
    [{ start: 0, stop: 16383 }],
  );
});

const lists: readonly [string, string][] = [
  ['5', '5'],
  ['0-16383', '0-16383'],
  ['5-5', '5'],
  ['  1   3-4 ', '1 3-4'],
  ['007', '7'],
];
for (const [text, ranges] of lists) {
  test(`slot list "${text}" is read`, () => {
    const parsed = parseSlotList(text);
    assert.ok(!(parsed instanceof TopologyRefusal));
    assert.equal(formatSlotRanges(parsed), ranges);
  });
}

const condition = 'The slot range `int1-int2` needs to satisfy the condition (int1 <= int2).';
const refused: readonly [string, string][] = [
  ['', 'No slots to parse.'],
  ['   ', 'Invalid slots: `   `. No slots to parse. Please use spaces to separate slots.'],
  ['abc', 'Invalid slot id: not started as an integer'],
  ['5x', 'Invalid slot id: encounter non-integer characters'],
  ['16384', 'Invalid slot id: out of numeric range'],
  ['1 99999999999999999999999', 'Invalid slot id: out of numeric range'],
  ['-5', "Invalid slot range: `-5`. The character '-' can't appear in the first or last position."],
  ['5-', "Invalid slot range: `5-`. The character '-' can't appear in the first or last position."],
  ['-', "Invalid slot range: `-`. The character '-' can't appear in the first or last position."],
  ['1-2-3', 'Invalid slot range: `1-2-3`. The slot range should be of the form `int1-int2`.'],
  ['6-5', `Invalid slot range: \`6-5\`. ${condition}`],
  ['0-16384', `Invalid slot range: \`0-16384\`. ${condition}`],
  ['a-b', `Invalid slot range: \`a-b\`. ${condition}`],
];
for (const [text, reason] of refused) {
  test(`slot list "${text}" is refused`, () => {
    const parsed = parseSlotList(text);
    assert.ok(parsed instanceof TopologyRefusal);
    assert.equal(parsed.reason, reason);
    assert.equal(parsed.message, `ERR ${reason}`);
  });
}
