import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runSeed } from './scenario.ts';
import { noSwitches } from './world.ts';

/** By count, so that a slow machine runs the same. About half a minute where `make sim` makes 100 seeds a second. */
const seedCount = 2000;

test(`${seedCount} seeds without a violation`, () => {
  for (let seed = 1; seed <= seedCount; seed++) {
    const { violation } = runSeed({ seed, switches: noSwitches, isTraced: false });
    assert.equal(violation, undefined, `replay with: make sim SEED=${seed}`);
  }
});
