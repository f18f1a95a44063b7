import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Program } from './client-list.ts';
import { prepare, type Prepared, type PreparationWorld } from './preparation.ts';

interface Place {
  readonly world: PreparationWorld;
  readonly said: string[];
  readonly program: Program;
  readonly pin: string;
}

function place(t: TestContext): Place {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const said: string[] = [];
  const pin = join(directory, 'pin');
  writeFileSync(pin, 'library 1.0');
  const world = {
    cacheRoot: join(directory, 'cache'),
    path: process.env['PATH'] ?? '',
    progress: (line: string) => void said.push(line),
    signal: new AbortController().signal,
  };
  const program: Program = {
    name: 'some',
    tools: ['sh'],
    packages: [],
    pins: [pin],
    copies: [pin],
    steps: (cache) => [{ command: ['sh', '-c', 'echo made >> made'], folder: cache }],
    command: (cache) => [join(cache, 'program')],
  };
  return { world, said, program, pin };
}

function reasonOf(prepared: Prepared): string {
  assert.equal(prepared.kind, 'skipped');
  return prepared.kind === 'skipped' ? prepared.reason : '';
}

test('what a program needs is made once, said so, and made again when its pin changes', async (t) => {
  const { world, said, program, pin } = place(t);
  const cache = join(world.cacheRoot, 'some');
  const expected: Prepared = { kind: 'ready', command: [join(cache, 'program')], cache };
  assert.deepEqual(await prepare(program, world), expected);
  assert.deepEqual(await prepare(program, world), expected);
  assert.equal(said.length, 1);
  assert.match(said[0] ?? '', /^some: fetching and building/);
  assert.equal(readFileSync(join(cache, 'pin'), 'utf8'), 'library 1.0');
  writeFileSync(pin, 'library 1.1');
  await prepare(program, world);
  assert.equal(readFileSync(join(cache, 'made'), 'utf8'), 'made\nmade\n');
});

test('a toolchain that is not there is the reason to skip', async (t) => {
  const { world, program, said } = place(t);
  const prepared = await prepare({ ...program, tools: ['sh', 'no-such-compiler'] }, world);
  assert.equal(reasonOf(prepared), 'no-such-compiler is not on the path');
  assert.deepEqual(said, []);
});

test('an npm package that is not installed is the reason to skip', async (t) => {
  const { world, program } = place(t);
  assert.match(reasonOf(await prepare({ ...program, packages: ['no-such-package'] }, world)), /no-such-package/);
});

test('a step that fails is the reason to skip, with its last words, and is tried again the next time', async (t) => {
  const { world, program } = place(t);
  const failing: Program = {
    ...program,
    steps: (cache) => [{ command: ['sh', '-c', 'echo the registry does not answer >&2; exit 7'], folder: cache }],
  };
  assert.equal(reasonOf(await prepare(failing, world)), 'sh ended with status 7: the registry does not answer');
  assert.equal((await prepare(program, world)).kind, 'ready');
});
