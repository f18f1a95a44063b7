import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until, within } from './stage.ts';

test('what takes longer than it may is named, and work that ends in time is handed on', async () => {
  const never = new Promise<never>(() => undefined);
  await assert.rejects(within('the end of time', never, 5), { message: 'waited 0.005 s in vain: the end of time' });
  assert.equal(await within('a number', Promise.resolve(7), 600_000), 7);
  await assert.rejects(within('a failure', Promise.reject(new Error('of its own')), 600_000), {
    message: 'of its own',
  });
  await assert.rejects(
    until('nothing', () => false, 5),
    /waited 0.005 s in vain: nothing/,
  );
});
