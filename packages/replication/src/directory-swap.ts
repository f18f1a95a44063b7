/**
 * Puts a received database in the place of the own one, so that a crash at any point leaves a state from which the next
 * start finds one whole database.
 *
 * Only renames change what `db` and `db.tmp` mean; nothing under those two names is ever removed file by file:
 *
 *   1. db -> db.tmp              (a crash now: no db; the next start renames db.tmp back)
 *   2. sync_checkpoint -> db     (a crash now: both; the next start tries db, and goes back to db.tmp if it does not open)
 *   3. open db; if that fails:   db -> db.discarded, db.tmp -> db, open
 *   4. db.tmp -> db.discarded, remove db.discarded
 *
 * Kvrocks uses the same names but removes `db.tmp` in place (`src/storage/storage.cc`, RestoreFromCheckpoint).
 */
import { messageOf, OperationError } from '@holdfast/base';
import type { ReplicationFiles, ReplicationPaths } from './files.ts';

/** Takes a whole directory away under its name at once, then removes it. Fine when there is none. */
export async function discardDirectory(files: ReplicationFiles, paths: ReplicationPaths, path: string): Promise<void> {
  await files.remove(paths.discarded);
  if (!(await files.exists(path))) return;
  await files.rename(path, paths.discarded);
  await files.remove(paths.discarded);
}

async function putBack(files: ReplicationFiles, paths: ReplicationPaths): Promise<void> {
  await files.remove(paths.discarded);
  if (await files.exists(paths.database)) await files.rename(paths.database, paths.discarded);
  await files.rename(paths.former, paths.database);
  await files.remove(paths.discarded);
}

/**
 * Steps 1 to 4. The database must be closed.
 * @param open opens `paths.database`.
 * @throws OperationError FULL_SYNC_OPEN (not-applied) when the received database does not open: the former one is open
 *   again then. Any other error says that neither is open.
 */
export async function swapDirectories(
  files: ReplicationFiles,
  paths: ReplicationPaths,
  open: () => Promise<void>,
): Promise<void> {
  await discardDirectory(files, paths, paths.former);
  const hadDatabase = await files.exists(paths.database);
  if (hadDatabase) await files.rename(paths.database, paths.former);
  try {
    await files.rename(paths.received, paths.database);
    await open();
  } catch (error) {
    if (!hadDatabase) throw error;
    await putBack(files, paths);
    await open();
    const message = `the received database does not open, the former one is in use again: ${messageOf(error)}`;
    throw new OperationError('FULL_SYNC_OPEN', message, { outcome: 'not-applied', cause: error });
  }
  await discardDirectory(files, paths, paths.former);
}

/**
 * At the start of a node: repairs what a crash left of `swapDirectories` and opens the database.
 * @param open opens `paths.database`, creating it when there is none.
 * @param isForeign tells an error that says nothing about the files (another process has the database open): it is
 *   thrown on, nothing is exchanged.
 */
export async function openRepaired<T>(
  files: ReplicationFiles,
  paths: ReplicationPaths,
  open: () => Promise<T>,
  isForeign: (error: unknown) => boolean,
): Promise<T> {
  const [hasDatabase, hasFormer] = [await files.exists(paths.database), await files.exists(paths.former)];
  if (!hasDatabase && hasFormer) await files.rename(paths.former, paths.database);
  let opened: T;
  try {
    opened = await open();
  } catch (error) {
    if (!hasDatabase || !hasFormer || isForeign(error)) throw error;
    await putBack(files, paths);
    opened = await open();
  }
  // From here on the database is ours alone, and what else lies about is of no use.
  await discardDirectory(files, paths, paths.former);
  await files.remove(paths.checkpoint);
  await files.remove(`${paths.checkpoint}.tmp`); // where RocksDB builds one
  await files.remove(paths.received);
  return opened;
}
