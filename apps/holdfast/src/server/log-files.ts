/**
 * The log files of a node, named as Kvrocks names its own: `kvrocks.log.INFO.<date>-<time>.<pid>` and the same for WARNING
 * and ERROR, each with all that is at least as important, and beside them the links `kvrocks.INFO` and so on, which show
 * the newest. Files of earlier processes go after `log-retention-days`.
 */
import { existsSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Timer } from '@holdfast/base';
import { realClock, realTimers, type LevelFile } from '@holdfast/base/real';

const prefix = 'kvrocks.log.';
/** Kvrocks' names, and from which of our levels on. */
const kinds = [
  { word: 'INFO', level: 'debug' },
  { word: 'WARNING', level: 'warn' },
  { word: 'ERROR', level: 'error' },
] as const;

const dayMs = 86_400_000;
const hourMs = 3_600_000;

/** `20261123-145500`, in UTC. */
function stamp(wallMs: number): string {
  return new Date(wallMs).toISOString().slice(0, 19).replace(/[-:]/g, '').replace('T', '-');
}

/** The files of this process in `folder`; each appears with its first message. */
export function logFiles(folder: string): LevelFile[] {
  const suffix = `${stamp(realClock.wallMs())}.${process.pid}`;
  return kinds.map(({ word, level }) => {
    const name = `${prefix}${word}.${suffix}`;
    const link = join(folder, `kvrocks.${word}`);
    return {
      level,
      path: join(folder, name),
      made: (): void => {
        rmSync(link, { force: true });
        symlinkSync(name, link);
      },
    };
  });
}

/**
 * Removes log files of earlier processes that nobody has written to for `days`; none when that is negative.
 * @returns how many went.
 */
export function removeOldLogs(folder: string, days: number, nowMs: number): number {
  if (days < 0 || !existsSync(folder)) return 0;
  let removed = 0;
  for (const name of readdirSync(folder)) {
    if (!name.startsWith(prefix) || name.endsWith(`.${process.pid}`)) continue;
    const path = join(folder, name);
    if (nowMs - statSync(path).mtimeMs < days * dayMs) continue;
    rmSync(path, { force: true });
    removed++;
  }
  return removed;
}

/** Removes old files of each folder now and every hour, until the timer is cancelled. */
export function keepRemoving(folders: readonly string[], days: () => number, failed: (error: unknown) => void): Timer {
  const sweep = (): void => {
    try {
      for (const folder of folders) removeOldLogs(folder, days(), realClock.wallMs());
    } catch (error) {
      failed(error);
    }
  };
  sweep();
  return realTimers.every(hourMs, sweep);
}
