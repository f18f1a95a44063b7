/**
 * The few file operations the embedded store needs, as an interface, so that tests can stop the machine before, in and
 * after each of them (testing/crash-disk.ts).
 */
import { mkdir, open, readFile, rename, type FileHandle } from 'node:fs/promises';

export interface DiskFile {
  write(bytes: Uint8Array): Promise<void>;
  /** fsync: content and size reach the device. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface Disk {
  /** Undefined when there is no such file. */
  read(path: string): Promise<Buffer | undefined>;
  /** Creates or empties a file, readable by its owner only. */
  create(path: string): Promise<DiskFile>;
  /** Replaces `to` atomically. Durable only after `syncDirectory`. */
  rename(from: string, to: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
  /** Creates a directory and its parents; existing ones are fine. */
  makeDirectory(path: string): Promise<void>;
}

export const realDisk: Disk = {
  async read(path: string): Promise<Buffer | undefined> {
    try {
      return await readFile(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  },
  async create(path: string): Promise<DiskFile> {
    const handle = await open(path, 'w', 0o600);
    return {
      write: (bytes: Uint8Array): Promise<void> => handle.writeFile(bytes),
      sync: (): Promise<void> => handle.sync(),
      close: (): Promise<void> => handle.close(),
    };
  },
  rename,
  async syncDirectory(path: string): Promise<void> {
    await using handle: FileHandle = await open(path, 'r');
    await handle.sync();
  },
  async makeDirectory(path: string): Promise<void> {
    await mkdir(path, { recursive: true });
  },
};
