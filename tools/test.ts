/**
 * `make test`: the gates (layers, types, lint, format), then every *.test.ts, then one closing line
 * `N passed, N failed, N skipped`. `--gates` runs the gates alone; other arguments narrow the tests to paths that
 * contain one of them and leave the gates out.
 */
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { checkLayers } from './layers.ts';

const root = join(import.meta.dirname, '..');
process.chdir(root);
process.env['NODE_COMPILE_CACHE'] ??= join(root, '.cache', 'node-compile');

interface Gate {
  readonly name: string;
  /** True when the gate holds; says on stderr what does not. */
  check(): boolean;
}

function tool(script: string, ...args: string[]): boolean {
  return spawnSync(process.execPath, [join(root, 'node_modules', script), ...args], { stdio: 'inherit' }).status === 0;
}

const gates: readonly Gate[] = [
  {
    name: 'layers',
    check: (): boolean => {
      const errors = checkLayers(root);
      for (const error of errors) console.error(error);
      return errors.length === 0;
    },
  },
  {
    name: 'types',
    check: (): boolean =>
      tool('typescript/bin/tsc', '--noEmit', '--incremental', '--tsBuildInfoFile', '.cache/tsc.json'),
  },
  {
    name: 'lint',
    check: (): boolean =>
      tool('eslint/bin/eslint.js', '--cache', '--cache-location', '.cache/eslint', '--max-warnings', '0', '.'),
  },
  { name: 'format', check: (): boolean => tool('prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.') },
];

function runGates(): number {
  let failed = 0;
  for (const gate of gates) {
    const startedAt = performance.now();
    const holds = gate.check();
    if (!holds) failed++;
    console.log(`gate ${gate.name}: ${holds ? 'ok' : 'FAILED'} (${Math.round(performance.now() - startedAt)} ms)`);
  }
  return failed;
}

function testFiles(narrow: readonly string[]): string[] {
  const all = globSync([
    'packages/*/src/**/*.test.ts',
    'apps/*/src/**/*.test.ts',
    'tools/**/*.test.ts',
    'bench/**/*.test.ts',
    'tests/**/*.test.ts',
  ]);
  return all.filter((file) => narrow.length === 0 || narrow.some((part) => file.includes(part))).sort();
}

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

async function runTests(files: readonly string[]): Promise<Counts> {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  const stream = run({
    files: [...files],
    concurrency: 2,
    timeout: 300_000,
    execArgv: [
      '--disable-warning=ExperimentalWarning',
      `--import=${pathToFileURL(join(import.meta.dirname, 'test-watch.ts'))}`,
    ],
  });
  stream.on('test:pass', (event) => {
    if (event.details.type === 'suite') return;
    if (event.skip !== undefined || event.todo !== undefined) counts.skipped++;
    else counts.passed++;
  });
  stream.on('test:fail', ({ details }) => {
    // What a suite has of its tests was counted with them; what it has of its own (a hook) was not.
    const isOfTests = (details.error as { failureType?: unknown }).failureType === 'subtestsFailed';
    if (details.type !== 'suite' || !isOfTests) counts.failed++;
  });
  stream.compose(new spec()).pipe(process.stdout);
  await new Promise<void>((resolve, reject) => stream.on('end', resolve).on('error', reject));
  return counts;
}

const args = process.argv.slice(2);
const gatesOnly = args.includes('--gates');
const narrow = args.filter((arg) => arg !== '--gates');
const failedGates = gatesOnly || narrow.length === 0 ? runGates() : 0;
if (gatesOnly) process.exit(failedGates > 0 ? 1 : 0);
const files = testFiles(narrow);
if (files.length === 0) {
  console.error(`no test file matches ${narrow.join(' ')}`);
  process.exit(2);
}
const { passed, failed, skipped } = await runTests(files);
process.exitCode = failed + failedGates > 0 ? 1 : 0;
process.stdout.write(`\n${passed} passed, ${failed + failedGates} failed, ${skipped} skipped\n`);
