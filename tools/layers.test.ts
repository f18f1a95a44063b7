import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkLayers } from './layers.ts';

const root = join(import.meta.dirname, '..');

/** The repository's manifests with one source file added. */
function withFile(path: string, text: string): string[] {
  const dir = mkdtempSync(join(tmpdir(), 'holdfast-layers-'));
  try {
    for (const name of readdirSync(join(root, 'packages'))) {
      mkdirSync(join(dir, 'packages', name, 'src'), { recursive: true });
      cpSync(join(root, 'packages', name, 'package.json'), join(dir, 'packages', name, 'package.json'));
    }
    mkdirSync(join(dir, path, '..'), { recursive: true });
    writeFileSync(join(dir, path), text);
    return checkLayers(dir);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

test('the repository keeps its layers', () => {
  assert.deepEqual(checkLayers(root), []);
});

test('an import of a higher or sideways package is found, however it is written', () => {
  for (const text of [
    "import { x } from '@holdfast/node';\n",
    "import type { x } from '@holdfast/node';\n",
    "import {\n  x,\n  y,\n} from '@holdfast/node';\n",
    "export { x } from '@holdfast/node';\n",
    "const x = await import('@holdfast/node');\n",
    "import '@holdfast/node';\n",
  ]) {
    const errors = withFile('packages/engine/src/x.ts', text);
    assert.ok(
      errors.some((error) => error.includes('engine may not import node')),
      text,
    );
  }
});

test('a package is entered through its exports only', () => {
  const deep = withFile('packages/engine/src/x.ts', "import { x } from '@holdfast/topology/src/slot.ts';\n");
  assert.ok(deep.some((error) => error.includes('not an export of topology')));
  const path = withFile('packages/engine/src/x.ts', "import { x } from '../../../packages/topology/src/slot.ts';\n");
  assert.ok(path.some((error) => error.includes('path import')));
});

test('a pure package may not import sockets, files or timers', () => {
  const errors = withFile('packages/fencing/src/x.ts', "import { readFileSync } from 'node:fs';\n");
  assert.ok(errors.some((error) => error.includes('fencing is pure')));
  assert.deepEqual(withFile('packages/fencing/src/x.ts', "import { strict } from 'node:assert';\n"), []);
});

test('a folder that is no package is held to its packages too', () => {
  const errors = withFile('bench/x.ts', "import { x } from '@holdfast/node';\n");
  assert.ok(errors.some((error) => error.includes('bench may not import node')));
  const path = withFile('bench/x.ts', "import { x } from '../packages/resp/src/index.ts';\n");
  assert.ok(path.some((error) => error.includes('path import')));
  assert.deepEqual(withFile('bench/x.ts', "import { RespClient } from '@holdfast/resp';\n"), []);
});
