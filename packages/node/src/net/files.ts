/** The node's own small files: fence.conf, the log id, the clean-shutdown mark, the pid file. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFileDurably, syncDirectory } from '@holdfast/base/real';
import type { FenceFile } from '../lease/lease-host.ts';

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** `<dir>/fence.conf`. */
export function fenceFile(dir: string): FenceFile {
  const path = join(dir, 'fence.conf');
  return {
    path,
    load: (): string | undefined => readIfThere(path),
    save: (text: string): void => replaceFileDurably(path, text, 0o600),
  };
}

export interface LogIdInputs {
  readonly dir: string;
  /** Whether a database existed before this start. */
  readonly databaseExisted: boolean;
  readonly bootId: string;
  /** `rocksdb.write_options.sync` from this start on: nothing written is lost when the machine goes down. */
  readonly syncWal: boolean;
  makeId(): string;
}

/**
 * The id of the database's history, kept in `<dir>/log-id` (never in RocksDB: a write would shift the sequence). It is
 * replaced when the database is new, and when it was open as the machine went down: an unsynced suffix may be lost. A
 * killed process loses nothing, as the WAL is in the kernel's hands by then (no node writes without one).
 *
 * One line: `<id> <boot id> <sync|nosync>`, of the run that opened the database last; what matters after a loss of power is
 * whether *that* run synced its writes, not whether the present one will.
 */
export function openLogId(inputs: LogIdInputs): { logId: string; replaced: boolean } {
  const path = join(inputs.dir, 'log-id');
  const clean = join(inputs.dir, 'clean-shutdown');
  const [logId, bootId, synced] = (readIfThere(path) ?? '').trim().split(/\s+/);
  const wentDown = bootId !== inputs.bootId && !existsSync(clean) && synced !== syncWord(true);
  const keep = logId !== undefined && logId !== '' && inputs.databaseExisted && !wentDown;
  const next = keep ? logId : inputs.makeId();
  writeLogId(inputs.dir, next, inputs);
  rmSync(clean, { force: true });
  syncDirectory(inputs.dir);
  return { logId: next, replaced: !keep };
}

/** Also for a history that replaces the former one (full sync). */
export function writeLogId(dir: string, logId: string, run: Pick<LogIdInputs, 'bootId' | 'syncWal'>): void {
  replaceFileDurably(join(dir, 'log-id'), `${logId} ${run.bootId} ${syncWord(run.syncWal)}\n`, 0o600);
}

function syncWord(syncWal: boolean): string {
  return syncWal ? 'sync' : 'nosync';
}

/** The database was closed in order and its WAL synced: the log id stays valid over a reboot. */
export function markCleanShutdown(dir: string): void {
  replaceFileDurably(join(dir, 'clean-shutdown'), '');
}

export function writePidFile(path: string): void {
  writeFileSync(path, `${process.pid}\n`);
}

export function removePidFile(path: string): void {
  if (readIfThere(path)?.trim() === String(process.pid)) rmSync(path, { force: true });
}
