import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cronTimeOf, isCronDue } from './cron.ts';

/** Tuesday, 2 January 2024, 03:04 in the machine's own zone. */
const time = cronTimeOf(new Date(2024, 0, 2, 3, 4, 59).getTime());

test('an instant is read in the time zone of the machine', () => {
  assert.deepEqual(time, { minute: 4, hour: 3, dayOfMonth: 2, month: 1, dayOfWeek: 2 });
});

test('all five fields have to match', () => {
  const due = [
    '* * * * *',
    '4 3 2 1 2',
    '*/4 * * * *',
    '0-10/2 1-5 * 1,6 *',
    '5,4 3 * * 1-5',
    '2/2 * * * *',
    '0 0 1 1 *  4 3 * * *',
  ];
  for (const text of due) assert.ok(isCronDue(text, time), text);
  const not = [
    '',
    '5 * * * *',
    '* 4 * * *',
    '* * 3 * *',
    '* * * 2 *',
    '* * * * 1',
    '*/3 * * * *',
    '5/1 * * * *',
    '0 0 1 1 *',
  ];
  for (const text of not) assert.ok(!isCronDue(text, time), text);
});

test('Sunday is 0 and 7', () => {
  const sunday = { ...time, dayOfWeek: 0 };
  for (const day of ['0', '7', '5-7', '0-2']) assert.ok(isCronDue(`* * * * ${day}`, sunday), day);
  assert.ok(!isCronDue('* * * * 1-6', sunday));
});
