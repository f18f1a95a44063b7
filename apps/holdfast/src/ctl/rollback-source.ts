/** Rollback files on disk, read only: a node may be running in the directory. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { FatalError, OperationError } from '@holdfast/base';
import { RollbackFileReader, rollbackPaths, type RollbackSource } from '@holdfast/replication';
import { exitStatus } from '../command-module.ts';

export const diskSource: RollbackSource = {
  exists: (path) => Promise.resolve(existsSync(path)),
  list: async (directory) => (existsSync(directory) ? await readdir(directory) : []),
  openReader: async (path) => {
    const handle = await open(path, 'r');
    const { size } = await handle.stat();
    return {
      sizeBytes: size,
      read: async (into): Promise<number> => (await handle.read(into, 0, into.length, null)).bytesRead,
      close: (): Promise<void> => handle.close(),
    };
  },
};

/** @throws FatalError when there is no such node directory. */
export function rollbackDirectory(dir: string): string {
  if (!existsSync(dir)) throw new FatalError(`there is no directory ${dir}`, exitStatus.environment);
  return rollbackPaths(dir.replace(/(?<=.)\/+$/, '')).directory;
}

/** Bytes of all files below a directory. */
export function treeBytes(path: string): number {
  let bytes = 0;
  for (const name of readdirSync(path, { recursive: true, encoding: 'utf8' })) {
    const found = statSync(join(path, name), { throwIfNoEntry: false });
    if (found?.isFile() === true) bytes += found.size;
  }
  return bytes;
}

/**
 * Reads a file of batches from its beginning.
 * @throws OperationError when there is none of that name, it is a whole database, or it is damaged.
 */
export async function withFile<T>(
  dir: string,
  name: string,
  use: (reader: RollbackFileReader) => Promise<T>,
): Promise<T> {
  const directory = rollbackDirectory(dir);
  if (name.includes('/') || !existsSync(join(directory, name)))
    throw refused(`${directory} has no ${JSON.stringify(name)}; see ctl rollback list`);
  if (!name.endsWith('.batches'))
    throw refused(
      `${name} is a whole database: start a node on a copy of it that is named db (docs/operating/rollback.md)`,
    );
  const from = await diskSource.openReader(join(directory, name));
  try {
    return await use(await RollbackFileReader.open(join(directory, name), from));
  } finally {
    await from.close();
  }
}

export function refused(message: string): OperationError {
  return new OperationError('ROLLBACK_REFUSED', message, { outcome: 'not-applied' });
}
