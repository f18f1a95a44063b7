import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBelow, seededRandom } from '@holdfast/base';
import { openTestCommands } from '../data/testing/command-runner.ts';
import { short, transcript } from '../data/testing/transcript.ts';

const notInteger = '-ERR value is not an integer or out of range';

test('numbers are added, counted, found and removed', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['SIADD s 3 1 2 1', ':3'],
    ['SIADD s 1 18446744073709551615', ':1'],
    ['SICARD s', ':4'],
    ['SICARD none', ':0'],
    ['SIEXISTS s 1 5 18446744073709551615', '[:1 :0 :1]'],
    ['SIEXISTS none 1 2', '[:0 :0]'],
    ['SIREM s 1 1 7', ':1'],
    ['SIREM s 2 3 18446744073709551615', ':3'],
    ['EXISTS s', ':0'],
    ['SIADD s 18446744073709551616', notInteger],
    ['SIADD s -1', notInteger],
    ['SIADD s 1 x', notInteger],
    ["SIADD s ''", notInteger],
    ['EXISTS s', ':0'],
    ['SADD set x', ':1'],
    ['SIADD set 1', '-WRONGTYPE Operation against a key holding the wrong kind of value'],
  ]);
});

test('ranges go on behind a cursor, or lie between two numbers, in both directions', async () => {
  await using opened = await openTestCommands();
  transcript(opened.runner, [
    ['SIADD s 0 1 2 3 4 5 123 245', ':8'],
    ['TYPE s', '+sortedint'],
    ['SIRANGE s 0 3', '[$0 $1 $2]'],
    ['SIRANGE s 2 3', '[$2 $3 $4]'],
    ['SIRANGE s 0 0', '[$0 $1 $2 $3 $4 $5 $123 $245]'],
    ['SIRANGE s 0 3 CURSOR 123', '[$245]'],
    ['SIRANGE s 0 2 cursor 0', '[$1 $2]'],
    ['SIRANGE s 0 2 cursor 18446744073709551615', '[]'],
    ['SIREVRANGE s 0 3', '[$245 $123 $5]'],
    ['SIREVRANGE s 0 3 cursor 5', '[$4 $3 $2]'],
    ['SIREVRANGE s 0 3 cursor 0', '[$245 $123 $5]'],
    ['SIREVRANGE s 0 3 cursor 1', '[$0]'],
    ['SIRANGEBYVALUE s 1 (5', '[$1 $2 $3 $4]'],
    ['SIRANGEBYVALUE s (1 5', '[$2 $3 $4 $5]'],
    ['SIRANGEBYVALUE s -inf +inf LIMIT 6 5', '[$123 $245]'],
    ['SIRANGEBYVALUE s 0 +inf LIMIT 1 1', '[$1]'],
    ['SIRANGEBYVALUE s 5 4', '[]'],
    ['SIRANGEBYVALUE s (4 (5', '[]'],
    ['SIRANGEBYVALUE s (18446744073709551615 +inf', '[]'],
    ['SIREVRANGEBYVALUE s 5 (1', '[$5 $4 $3 $2]'],
    ['SIREVRANGEBYVALUE s +inf (5 LIMIT 0 1', '[$245]'],
    ['SIREVRANGEBYVALUE s (0 -inf', '[]'],
    ['SIRANGE none 0 3', '[]'],
    ['SIRANGE s 0 x', notInteger],
    ['SIRANGE s -1 1', notInteger],
    ['SIRANGE s 0 1 cursor', '-ERR syntax error'],
    ['SIRANGE s 0 1 from 1', '-ERR syntax error'],
    ['SIRANGE s 0 1 cursor x', notInteger],
    ['SIRANGEBYVALUE s x 5', "-ERR the min isn't integer"],
    ['SIRANGEBYVALUE s 5 (x', "-ERR the max isn't integer"],
    ['SIRANGEBYVALUE s +inf 5', '-ERR min > max'],
    ['SIREVRANGEBYVALUE s -inf 5', '-ERR min > max'],
    ['SIRANGEBYVALUE s 1 2 LIMIT 1', '-ERR syntax error'],
    ['SIRANGEBYVALUE s 1 2 LIMIT 1 x', notInteger],
  ]);
});

test('every number of 64 bits stands at its place and comes back digit by digit', async () => {
  await using opened = await openTestCommands();
  const { runner } = opened;
  const random = seededRandom(51);
  const numbers = new Set<bigint>([
    0n,
    2n ** 53n,
    2n ** 53n + 1n,
    2n ** 63n,
    2n ** 64n - 1n,
    2n ** 32n,
    2n ** 32n - 1n,
  ]);
  for (let i = 0; i < 500; i++) {
    const bits = 1 + randomBelow(random, 64);
    numbers.add(BigInt.asUintN(bits, (BigInt(random.u32()) << 32n) | BigInt(random.u32())));
  }
  const texts = [...numbers].map(String);
  texts.forEach((text, i) => {
    assert.equal(short(runner.line(`SIADD s ${text}`)), ':1', text);
    if (i % 50 === 0) runner.commit();
  });
  const sorted = [...numbers].sort((a, b) => (a < b ? -1 : 1)).map((number) => `$${number}`);
  assert.equal(short(runner.line('SIRANGE s 0 0')), `[${sorted.join(' ')}]`);
  assert.equal(short(runner.line('SIREVRANGEBYVALUE s +inf -inf')), `[${sorted.toReversed().join(' ')}]`);
});
