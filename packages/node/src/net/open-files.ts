/** How many clients the operating system's limit of open files leaves room for. */
import { readFileSync } from 'node:fs';

/** Listeners, logs, transfers, libraries, and whatever else is opened for a moment. */
const ownFiles = 128;

/** The limit of this process; Infinity when there is none or it cannot be read. */
export function openFilesMax(): number {
  try {
    const [, limit] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return limit === undefined ? Infinity : Number(limit);
  } catch {
    return Infinity;
  }
}

/**
 * Clients that may be open at once. The database gets what it may open, but at most half of all.
 * @param rocksdbFiles `rocksdb.max_open_files`; -1: any number.
 */
export function clientsPossible(openFiles: number, rocksdbFiles: number): number {
  if (openFiles === Infinity) return Infinity;
  const half = Math.floor(openFiles / 2);
  const forDatabase = rocksdbFiles < 0 ? half : Math.min(rocksdbFiles, half);
  return Math.max(1, openFiles - forDatabase - ownFiles);
}
