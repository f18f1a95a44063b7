/**
 * Directories of servers that a test starts. Hooks of `node:test` run in the order in which they were made: one that removed a
 * directory made before its server would run before the one that ends the server, which still makes files in it.
 * So they go when the process does: each test file has its own.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const directories: string[] = [];

process.once('exit', () => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

/** @returns a new, empty directory `holdfast-<name>-…` below that of temporary files. */
export function scratchDirectory(name: string): string {
  const directory = mkdtempSync(join(tmpdir(), `holdfast-${name}-`));
  directories.push(directory);
  return directory;
}
