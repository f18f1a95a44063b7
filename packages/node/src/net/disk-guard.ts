/**
 * Refuses writes before the disk is full: RocksDB with assertions aborts the process on a really full disk. Looks at the
 * file system every so often, more often the closer the limit is.
 */
import { existsSync, readdirSync, statSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import type { Timer, Timers } from '@holdfast/base';

export interface DiskFacts {
  readonly freeBytes: number;
  readonly capacityBytes: number;
}

export function diskFacts(dir: string): DiskFacts {
  const { bavail, blocks, bsize } = statfsSync(dir);
  return { freeBytes: bavail * bsize, capacityBytes: blocks * bsize };
}

/** Bytes of the files in a directory; files that vanish meanwhile do not count. */
export function directoryBytes(dir: string): number {
  let bytes = 0;
  for (const name of readdirSync(dir)) bytes += statSync(join(dir, name), { throwIfNoEntry: false })?.size ?? 0;
  return bytes;
}

/** As `directoryBytes`, with everything below; 0 when there is no such directory. */
export function treeBytes(dir: string): number {
  if (!existsSync(dir)) return 0;
  let bytes = 0;
  for (const name of readdirSync(dir, { recursive: true, encoding: 'utf8' })) {
    const found = statSync(join(dir, name), { throwIfNoEntry: false });
    if (found?.isFile() === true) bytes += found.size;
  }
  return bytes;
}

const nearPeriodMs = 100;
const farPeriodMs = 1000;

export class DiskGuard {
  readonly #dir: string;
  readonly #timers: Timers;
  readonly #minFreeBytes: () => number;
  readonly #onChange: (full: boolean) => void;
  #full = false;
  #timer: Timer | undefined;

  constructor(dir: string, timers: Timers, minFreeBytes: () => number, onChange: (full: boolean) => void) {
    this.#dir = dir;
    this.#timers = timers;
    this.#minFreeBytes = minFreeBytes;
    this.#onChange = onChange;
  }

  /** Looks now and from then on. */
  start(): void {
    const { freeBytes } = diskFacts(this.#dir);
    const limit = this.#minFreeBytes();
    const full = freeBytes < limit;
    if (full !== this.#full) {
      this.#full = full;
      this.#onChange(full);
    }
    this.#timer = this.#timers.after(freeBytes < 2 * limit ? nearPeriodMs : farPeriodMs, () => this.start());
  }

  stop(): void {
    this.#timer?.cancel();
  }
}
