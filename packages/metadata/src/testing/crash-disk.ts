/**
 * A disk in memory that tells what is durable from what is not, and that can stop the machine at any operation.
 *
 * A file's content is durable up to its last sync; a rename is durable after the next sync of its directory. `stopAt: n`
 * lets n operations happen and then fails every further one, as a kill -9 or a power cut does; a write that is cut short
 * leaves a part. `afterPowerCut` is one of the disks the next boot may find: each thing not synced is there, or not, or
 * (content) in part. `failAt` instead fails one operation and goes on, as a full disk does.
 */
import type { Disk, DiskFile } from '../embedded/disk.ts';
import type { Random } from '@holdfast/base';
import { randomBelow } from '@holdfast/base';

export class Stopped extends Error {
  override readonly name = 'Stopped';
}

interface Inode {
  current: Buffer;
  durable: Buffer;
}

export interface Faults {
  /** Number of operations that happen before the machine stops. */
  readonly stopAt?: number;
  /** Index of the one operation that fails with ENOSPC. */
  readonly failAt?: number;
}

export class CrashDisk implements Disk {
  #names: Map<string, Inode>;
  /** Renames and creations whose directory was not synced yet, in order, as the name tables they led to. */
  #durableNames: Map<string, Inode>;
  #unsynced: Map<string, Inode>[] = [];
  #operations = 0;
  readonly #faults: Faults;

  constructor(files: ReadonlyMap<string, Buffer> = new Map(), faults: Faults = {}) {
    this.#names = new Map([...files].map(([path, content]) => [path, { current: content, durable: content }]));
    this.#durableNames = new Map(this.#names);
    this.#faults = faults;
  }

  /** Operations asked for so far. */
  get operations(): number {
    return this.#operations;
  }

  /** What a process started next finds: the kernel has everything that was written. */
  afterKill(): Map<string, Buffer> {
    return new Map([...this.#names].map(([path, inode]) => [path, inode.current]));
  }

  /** What may be found after a power cut, chosen by `random`. */
  afterPowerCut(random: Random): Map<string, Buffer> {
    const tables = [this.#durableNames, ...this.#unsynced];
    const names = tables[randomBelow(random, tables.length)] ?? this.#durableNames;
    return new Map([...names].map(([path, inode]) => [path, survivingContent(inode, random)]));
  }

  async read(path: string): Promise<Buffer | undefined> {
    return this.#names.get(path)?.current;
  }

  async create(path: string): Promise<DiskFile> {
    this.#operation();
    const inode: Inode = { current: Buffer.alloc(0), durable: Buffer.alloc(0) };
    this.#rename(() => this.#names.set(path, inode));
    return {
      write: async (bytes: Uint8Array): Promise<void> => {
        const half = Buffer.from(bytes.subarray(0, bytes.length >> 1));
        this.#operation(() => (inode.current = Buffer.concat([inode.current, half])));
        inode.current = Buffer.concat([inode.current, bytes]);
      },
      sync: async (): Promise<void> => {
        this.#operation();
        inode.durable = inode.current;
      },
      close: async (): Promise<void> => this.#operation(),
    };
  }

  async rename(from: string, to: string): Promise<void> {
    this.#operation();
    const inode = this.#names.get(from);
    if (inode === undefined) throw new Error(`ENOENT: ${from}`);
    this.#rename(() => {
      this.#names.delete(from);
      this.#names.set(to, inode);
    });
  }

  async syncDirectory(): Promise<void> {
    this.#operation();
    this.#durableNames = new Map(this.#names);
    this.#unsynced = [];
  }

  async makeDirectory(): Promise<void> {
    this.#operation();
  }

  #rename(change: () => void): void {
    this.#names = new Map(this.#names);
    change();
    this.#unsynced.push(this.#names);
  }

  /** Counts one operation; `partly` is what it still does when the machine stops in it or it fails. */
  #operation(partly: () => void = () => undefined): void {
    const index = this.#operations++;
    if (index === this.#faults.failAt) {
      partly();
      throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
    }
    if (this.#faults.stopAt === undefined || index < this.#faults.stopAt) return;
    if (index === this.#faults.stopAt) partly();
    throw new Stopped('the machine stopped');
  }
}

function survivingContent({ current, durable }: Inode, random: Random): Buffer {
  switch (randomBelow(random, 3)) {
    case 0:
      return durable;
    case 1:
      return current;
    default:
      if (durable.equals(current)) return current;
      // Of what was not synced any prefix may be there, or the right length with zeroes where blocks are missing.
      return random.u32() % 2 === 0
        ? current.subarray(0, randomBelow(random, current.length + 1))
        : Buffer.concat([
            current.subarray(0, current.length >> 1),
            Buffer.alloc(current.length - (current.length >> 1)),
          ]);
  }
}
