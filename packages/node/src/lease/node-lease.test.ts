import assert from 'node:assert/strict';
import { test } from 'node:test';
import { redirectPauseMs } from './node-lease.ts';

test('clients are sent on after a short pause while the balancer is in time, after a longer one the later it is', () => {
  assert.equal(redirectPauseMs(0), 20);
  assert.equal(redirectPauseMs(40), 20);
  assert.equal(redirectPauseMs(100), 50);
  assert.equal(redirectPauseMs(5000), 100);
});
