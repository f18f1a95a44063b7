import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { configurationReference } from './reference.ts';

const page = join(import.meta.dirname, '../../../../docs/reference/configuration.md');

test('docs/reference/configuration.md says what the table says (HOLDFAST_WRITE_DOCS=1 writes it)', () => {
  if (process.env['HOLDFAST_WRITE_DOCS'] === '1') writeFileSync(page, configurationReference());
  assert.equal(readFileSync(page, 'utf8'), configurationReference());
});
