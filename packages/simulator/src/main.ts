/**
 * `make sim SEEDS=N [SEED=n] [MUTATE=fault]`: runs seeds 1..N (or the one seed n), ends at the first violation with the
 * line `seed N: violation <promise>: ...` and a readable trace, status 1. Status 2: asked for something it does not know,
 * or a fault that no longer applies.
 */
import { parseArgs } from 'node:util';
import { realClock } from '@holdfast/base/real';
import { faultNamed, faults } from './faults.ts';
import { plant } from './plant.ts';

function fail(message: string): never {
  console.error(message);
  process.exit(2);
}

function whole(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined || text === '') return otherwise;
  const value = Number(text);
  return Number.isSafeInteger(value) && value > 0 ? value : fail(`${name} '${text}' is not a whole number above 0`);
}

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    seed: { type: 'string' },
    mutate: { type: 'string' },
    from: { type: 'string' },
    lines: { type: 'string' },
    quiet: { type: 'boolean' },
  },
});
const name = values.mutate ?? '';
const fault = name === '' ? undefined : faultNamed(name);
if (name !== '' && fault === undefined)
  fail(`MUTATE '${name}' is no planted fault; known: ${faults.map((each) => each.name).join(' ')}`);
const check = fault === undefined ? undefined : plant(fault);

// Only now: what is imported here is what a fault is planted in.
const { runSeeds } = await import('./run-seeds.ts');
const problems = check?.() ?? [];
if (problems.length > 0) fail(problems.join('\n'));
const seed = whole('SEED', values.seed, 0);
process.exitCode = runSeeds({
  clock: realClock,
  first: seed > 0 ? seed : whole('FROM', values.from, 1),
  count: seed > 0 ? 1 : whole('SEEDS', values.seeds, 1000),
  switches: fault?.switches ?? {},
  lines: whole('LINES', values.lines, 60),
  isQuiet: values.quiet === true,
  isTraced: seed > 0,
});
