/** Databases for tests, in directories that go away with the test. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from '../open.ts';
import type { ColumnFamilyOptions, Database, OpenOptions } from '../types.ts';

/** The part of node:test's context that is needed here. */
interface TestScope {
  after(fn: () => unknown): void;
}

function temporary(): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'holdfast-rocksdb-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** A directory that is removed when the test ends. */
export function scratchDirectory(test: TestScope): string {
  const { path, remove } = temporary();
  test.after(remove);
  return path;
}

export function openOptions(path: string, overrides: Partial<OpenOptions> = {}): OpenOptions {
  return {
    path,
    createIfMissing: true,
    columnFamilies: [
      { name: 'default', filter: 'none' },
      { name: 'metadata', filter: 'none' },
    ],
    blockCacheBytes: 0,
    slotPrefixed: false,
    ...overrides,
  };
}

/** A new database in `<scratch>/db`, closed when the test ends. */
export async function openScratch(test: TestScope, overrides: Partial<OpenOptions> = {}): Promise<Database> {
  const { path, remove } = temporary();
  const database = await open(openOptions(join(path, 'db'), overrides));
  test.after(async () => {
    await database.close();
    remove();
  });
  return database;
}

/** The families of a Kvrocks 2.10 database, in id order. */
export const kvrocksFamilies: readonly ColumnFamilyOptions[] = [
  { name: 'default', filter: 'orphaned-subkeys' },
  { name: 'metadata', filter: 'expired-metadata' },
  { name: 'zset_score', filter: 'orphaned-subkeys' },
  { name: 'pubsub', filter: 'drop-all' },
  { name: 'propagate', filter: { dropKey: 'script' } },
  { name: 'stream', filter: 'orphaned-subkeys' },
  { name: 'search', filter: 'none' },
];

/**
 * Unpacks a recorded Kvrocks data directory (tests/fixtures/kvrocks-2.10) and returns the path of its database. Files get
 * the time of now (-m): RocksDB deletes archived logs that are older than WAL_ttl_seconds, whatever recorded them.
 */
export function unpackFixture(test: TestScope, archive: string): string {
  const dir = scratchDirectory(test);
  execFileSync('tar', ['-xzmf', archive, '-C', dir, '--no-same-owner']);
  return join(dir, 'db');
}
