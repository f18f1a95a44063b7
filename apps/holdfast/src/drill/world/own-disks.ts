/**
 * A file system of its own for the data of a node: in memory, of limited size, and full when a drill says so.
 *
 * Full means full until it is freed: a store that gives back space, say with an old log, must not find it again, so what
 * becomes free is taken at once.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { runCommand } from './system-command.ts';

/** Enough for the log and the files of a node under a drill's load; in memory, and only what is used. */
export const diskMebibytes = 256;

/** Mounts a file system of `mebibytes` at a directory, which is made. @throws OperationError DRILL_SYSTEM */
export function mountDisk(directory: string, mebibytes: number = diskMebibytes): void {
  mkdirSync(directory, { recursive: true });
  runCommand('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m,mode=0700`, 'holdfast-drill', directory]);
}

/** Unmounts everything below a directory, also what is still in use. */
export function unmountBelow(directory: string): void {
  for (const point of mountPoints().filter((each) => each.startsWith(`${directory}/`)))
    runCommand('umount', ['--lazy', point]);
}

/** Every mount point of this machine. */
export function mountPoints(): readonly string[] {
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .flatMap((line) => line.split(' ')[1] ?? [])
    .map((point) => point.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8))));
}

interface Filler {
  readonly file: FileHandle;
  readonly stopping: AbortController;
  readonly stopped: Promise<void>;
}

const fillerName = 'drill-filler';
const refillEveryMs = 20;

/** The disks of the nodes of one drill. */
export class OwnDisks {
  readonly #mounts: ReadonlyMap<string, string>;
  readonly #fillers = new Map<string, Filler>();

  /** @param mounts mount point of each disk, by place. */
  constructor(mounts: ReadonlyMap<string, string>) {
    this.#mounts = mounts;
  }

  /** Resolves when no byte is free; it stays so until `free`. @throws RangeError when the place has no disk of its own. */
  async fill(place: string): Promise<void> {
    const path = this.#fillerPath(place);
    if (this.#fillers.has(place)) return;
    const file = await open(path, 'a');
    await writeUntilFull(file);
    const stopping = new AbortController();
    this.#fillers.set(place, { file, stopping, stopped: keepFull(file, stopping.signal) });
  }

  /** Resolves when what `fill` took is free again. @throws RangeError when the place has no disk of its own. */
  async free(place: string): Promise<void> {
    const path = this.#fillerPath(place);
    const filler = this.#fillers.get(place);
    if (filler === undefined) return;
    this.#fillers.delete(place);
    filler.stopping.abort();
    await filler.stopped;
    await filler.file.close();
    await rm(path);
  }

  #fillerPath(place: string): string {
    const mount = this.#mounts.get(place);
    if (mount !== undefined) return join(mount, fillerName);
    throw new RangeError(`${place} has no disk of its own in this drill`);
  }
}

async function keepFull(file: FileHandle, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await pause(refillEveryMs);
    await writeUntilFull(file);
  }
}

/** In ever smaller pieces, so that the last byte is found too. */
async function writeUntilFull(file: FileHandle): Promise<void> {
  for (let size = 1 << 20; size >= 1; size = size === 1 ? 0 : Math.max(1, size >> 4)) {
    const piece = Buffer.alloc(size);
    try {
      for (;;) await file.write(piece);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }
}
