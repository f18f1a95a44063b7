/** The process around the command line: status 1 is a verdict, so nothing that goes wrong by itself may end with it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('./main.ts', import.meta.url));

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `holdfast <args>` with a module loaded first, in a temporary directory of its own. */
function runWith(t: TestContext, preload: string, ...args: string[]): Ended {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-main-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const ended = spawnSync(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      '--import',
      `data:text/javascript,${encodeURIComponent(preload)}`,
      main,
      ...args,
    ],
    { encoding: 'utf8', env: { ...process.env, TMPDIR: directory } },
  );
  assert.deepEqual(readdirSync(directory), [], 'nothing was started');
  return ended;
}

/** In place of the drill's file. */
function drillIs(source: string): string {
  return `import { registerHooks } from 'node:module';
    registerHooks({
      load(url, context, next) {
        if (!url.endsWith('/commands/drill.ts')) return next(url, context);
        return { format: 'module', shortCircuit: true, source: ${JSON.stringify(source)} };
      },
    });`;
}

const crashes: readonly [what: string, drill: string, said: RegExp][] = [
  ['a file that cannot be loaded', 'export function run( {', /SyntaxError/],
  ['a file that lacks what it should have', 'export const walk = 1;', /TypeError: .*run is not a function/],
  ['an error that is nobody else’s', 'export async function run() { throw new TypeError("boom"); }', /TypeError: boom/],
  [
    'an exception outside of every call',
    'export function run() { setTimeout(() => { throw new Error("boom"); }); return new Promise(() => setInterval(() => {}, 9)); }',
    /Error: boom/,
  ],
  [
    'a rejection that nobody handles',
    'export function run() { Promise.reject(new Error("boom")); return new Promise(() => setInterval(() => {}, 9)); }',
    /Error: boom/,
  ],
  [
    'a rejection that is no error',
    'export function run() { Promise.reject("boom"); return new Promise(() => setInterval(() => {}, 9)); }',
    /boom/,
  ],
  ['a wait for what cannot come', 'export const run = () => new Promise(() => undefined);', /nothing is left/],
];

for (const [what, source, said] of crashes) {
  test(`${what} ends with status 3 and its reason, never with a verdict`, (t) => {
    const { status, stdout, stderr } = runWith(t, drillIs(source), 'drill', 'hang', '--output', 'json');
    assert.deepEqual([status, stdout], [3, ''], stderr);
    assert.match(stderr, said);
  });
}

test('a status that a command gives is its own', (t) => {
  const verdict = 'export async function run() { process.stdout.write("violated\\n"); return 1; }';
  const { status, stdout } = runWith(t, drillIs(verdict), 'drill', 'hang');
  assert.deepEqual([status, stdout], [1, 'violated\n']);
  assert.equal(runWith(t, '', 'drill', 'no-such-drill').status, 2);
  assert.equal(runWith(t, '', 'no-such-command').status, 2);
  assert.equal(runWith(t, '', '--version').status, 0);
});

test('a controller that cannot be reached is status 3 with one line', (t) => {
  const { status, stdout, stderr } = runWith(t, '', 'ctl', 'status', '--api', 'http://127.0.0.1:2');
  assert.deepEqual([status, stdout], [3, '']);
  assert.match(stderr, /^holdfast ctl: .*\n$/);
});
