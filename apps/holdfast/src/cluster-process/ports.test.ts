import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomBelow } from '@holdfast/base';
import { realRandom } from '@holdfast/base/real';
import { defaultSettings } from './layout.ts';
import { onFreePorts } from './ports.ts';

test('a block of ports that was given away is not given again, though nobody listens on it yet', async () => {
  const drawn: number[] = [];
  const draw = (limit: number): number => {
    drawn.push(randomBelow(realRandom, limit));
    return drawn.at(-1) ?? 0;
  };
  const first = await onFreePorts(defaultSettings, draw);
  const given = drawn.at(-1) ?? 0;
  let draws = 0;
  const second = await onFreePorts(defaultSettings, (limit) => (draws++ === 0 ? given : draw(limit)));
  assert.notEqual(second.nodePort, first.nodePort);
  assert(draws > 1);
  await assert.rejects(
    onFreePorts(defaultSettings, () => given),
    /no block of free ports found in 50 attempts/,
  );
});
