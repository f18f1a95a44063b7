import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { faults } from './faults.ts';
import { keptSeeds } from './kept-seeds.ts';
import { runSeed } from './scenario.ts';
import { noSwitches } from './world.ts';

const main = fileURLToPath(new URL('./main.ts', import.meta.url));

function sim(...args: string[]): { status: number | null; lines: string[]; errors: string } {
  const run = spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', main, ...args], {
    encoding: 'utf8',
  });
  return { status: run.status, lines: run.stdout.trimEnd().split('\n'), errors: run.stderr };
}

const clean = { switches: noSwitches, isTraced: false };

test('a run is a function of its seed', () => {
  for (const seed of [1, 2, 3, 40]) {
    const once = runSeed({ ...clean, seed, isTraced: true });
    assert.deepEqual(runSeed({ ...clean, seed, isTraced: true }), once);
    assert.ok(once.acknowledged > 0, `seed ${seed} acknowledged something`);
    // The trace is only looking: the run is the same without it.
    assert.equal(runSeed({ ...clean, seed }).events, once.events);
  }
});

for (const { seed, note } of keptSeeds) {
  test(`kept seed ${seed}: ${note}`, () => {
    assert.equal(runSeed({ ...clean, seed }).violation, undefined);
  });
}

test('a fault planted in the shipped lease code is executed here, and only with it the seed fails', () => {
  const found = sim('--mutate', 'no-echo', '--seeds', '1000', '--quiet');
  assert.equal(found.status, 1);
  const line = found.lines.at(-1) ?? '';
  const seed = /^seed ([0-9]+): violation S[13]: ./.exec(line)?.[1] ?? assert.fail(line);
  // The same seed replays the same violation, with the trace before it; without the fault it is clean.
  const again = sim('--mutate', 'no-echo', '--seed', seed);
  assert.equal(again.status, 1);
  assert.equal(again.lines.at(-1), line);
  assert.ok(again.lines.some((each) => / ms {2}n1 +is master in epoch 1$/.test(each)));
  assert.equal(runSeed({ ...clean, seed: Number(seed) }).violation, undefined);
});

test('an unknown fault is said, with those that are known, and is no violation', () => {
  const { status, errors, lines } = sim('--mutate', 'no-such-fault');
  assert.equal(status, 2);
  assert.deepEqual(lines, ['']);
  for (const { name } of faults) assert.ok(errors.includes(name), name);
  assert.equal(sim('--seeds', 'many').status, 2);
});

test('every fault has a name of its own, a bound, and promises it breaks', () => {
  assert.equal(new Set(faults.map(({ name }) => name)).size, faults.length);
  for (const { name, bound, expects, patches, switches } of faults) {
    assert.ok(bound > 0 && expects.length > 0, name);
    assert.notEqual(patches.length === 0, Object.keys(switches).length === 0, `${name} is planted one way`);
  }
});

test('the table of planted faults in the documentation is this one', () => {
  const page = readFileSync(new URL('../../../docs/operating/simulator.md', import.meta.url), 'utf8');
  const rows = faults.map(({ name, breaks, expects, bound, patches }) => {
    const where = patches.length > 0 ? 'shipped source' : 'simulator';
    return `| \`${name}\` | ${breaks} | ${expects.join(', ')} | ${bound} | ${where} |`;
  });
  assert.deepEqual(
    page.split('\n').filter((line) => line.startsWith('| `') && line.split('|').length === 7),
    rows,
  );
});
