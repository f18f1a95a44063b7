import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { commandsReference } from '@holdfast/commands';
import { commandFamilies } from './node-commands.ts';
import type { Node } from './node.ts';

const page = join(import.meta.dirname, '../../../docs/reference/commands.md');

/** A node that is asked for its declarations only: whatever is looked up in it is found, and does nothing. */
const anything: unknown = new Proxy((): unknown => anything, {
  get: (target, name): unknown => (name === Symbol.toPrimitive ? (): string => '' : anything),
  construct: () => anything as object,
});

test('docs/reference/commands.md says what the declarations say (HOLDFAST_WRITE_DOCS=1 writes it)', () => {
  const text = commandsReference(commandFamilies(anything as Node));
  if (process.env['HOLDFAST_WRITE_DOCS'] === '1') writeFileSync(page, text);
  assert.equal(readFileSync(page, 'utf8'), text);
});
