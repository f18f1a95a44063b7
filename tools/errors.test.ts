/** docs/reference/errors.md lists exactly the error codes that the source has: none invented, none forgotten. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..');
const page = readFileSync(join(root, 'docs/reference/errors.md'), 'utf8');

/** Names of environment variables look like codes. */
const notCodes = /^HOLDFAST_/;

/** The simulator fails its own worlds' disks: no operator meets those errors. */
function sources(): string[] {
  return globSync(['packages/*/src/**/*.ts', 'apps/*/src/**/*.ts'], { cwd: root })
    .filter(
      (path) => !path.endsWith('.test.ts') && !path.includes('/testing/') && !path.startsWith('packages/simulator/'),
    )
    .map((path) => readFileSync(join(root, path), 'utf8'));
}

/** Quoted `SUBSYSTEM_WHAT` of TypeScript source. */
function codesIn(source: string): string[] {
  return [...source.matchAll(/'([A-Z]+(?:_[A-Z]+)+)'/g)].map(([, code = '']) => code);
}

/** Codes that begin a row of a table. */
function documentedCodes(): string[] {
  return [...page.matchAll(/^\| ([A-Z]+(?:_[A-Z]+)+) \|/gm)].map(([, code = '']) => code);
}

function textsOf(path: string, name: string): string[] {
  const block = readFileSync(join(root, path), 'utf8').split(`${name} = {`)[1]?.split('} as const')[0] ?? '';
  return [...block.matchAll(/: (?:'([^'\n]+)'|"([^"\n]+)")/g)].map(([, single, double]) => single ?? double ?? '');
}

test('the page of errors names every code of the source once, and no other', () => {
  const found = new Set(sources().flatMap(codesIn));
  const wanted = [...found].filter((code) => !notCodes.test(code)).sort();
  assert.ok(wanted.includes('NET_CONNECT'), 'the source was read');
  assert.deepEqual(documentedCodes().sort(), wanted);
});

test('codes of the native binding are those of its typed face', () => {
  const native = globSync('packages/rocksdb/native/*.{cc,h}', { cwd: root })
    .map((path) => readFileSync(join(root, path), 'utf8'))
    .flatMap((source) => [...source.matchAll(/"(ROCKS_[A-Z_]+)"/g)].map(([, code = '']) => code));
  const typed = codesIn(readFileSync(join(root, 'packages/rocksdb/src/types.ts'), 'utf8'));
  assert.deepEqual([...new Set(native)].sort(), typed.filter((code) => code.startsWith('ROCKS_')).sort());
});

test('each outcome of a documented code is one of the two words', () => {
  const rows = [...page.matchAll(/^\| [A-Z]+(?:_[A-Z]+)+ \| ([^|]+) \| [^|]+ \|$/gm)];
  assert.ok(rows.length > 0);
  for (const [row, outcomes = ''] of rows)
    for (const outcome of outcomes.split(', ')) assert.match(outcome, /^(not-applied|unknown)$/, row);
});

test('the error lines of the lease gate stand on the page as they are sent', () => {
  const texts = textsOf('packages/fencing/src/gate.ts', 'gateErrors');
  assert.ok(texts.length >= 3, 'the texts of the gate were found');
  for (const text of texts) assert.ok(page.includes(`\`${text}\``), text);
});

test('the page names every exit status a FatalError is given', () => {
  const pattern = /new FatalError\((?:[^;]*?), ([0-9])(?:, \w+)?,?\s*\)/g;
  const statuses = new Set(sources().flatMap((source) => [...source.matchAll(pattern)].map(([, status]) => status)));
  assert.ok(statuses.size > 0, 'calls with a status were found');
  for (const status of statuses) assert.match(page, new RegExp(`^\\| ${status} \\| `, 'm'));
});
