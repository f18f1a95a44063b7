/** The file port of replication on the file system. Every change is durable when its promise resolves. */
import { mkdir, open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { FileReader, FileWriter, ReplicationFiles } from '@holdfast/replication';

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function isAbsent(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

async function openReader(path: string): Promise<FileReader> {
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    return {
      sizeBytes: size,
      read: async (into): Promise<number> => (await handle.read(into, 0, into.length, null)).bytesRead,
      close: (): Promise<void> => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += (await handle.write(bytes, at, bytes.length - at)).bytesWritten;
}

async function openWriter(path: string): Promise<FileWriter> {
  const handle = await open(path, 'w');
  return {
    write: (bytes): Promise<void> => writeAll(handle, bytes),
    finish: async (): Promise<void> => {
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    },
    abandon: (): Promise<void> => handle.close(),
  };
}

export const replicationFiles: ReplicationFiles = {
  async exists(path): Promise<boolean> {
    try {
      await stat(path);
      return true;
    } catch (error) {
      if (isAbsent(error)) return false;
      throw error;
    }
  },
  async list(directory): Promise<readonly string[]> {
    try {
      return await readdir(directory);
    } catch (error) {
      if (isAbsent(error)) return [];
      throw error;
    }
  },
  async makeDirectory(path): Promise<void> {
    const first = await mkdir(path, { recursive: true });
    if (first !== undefined) await syncDirectory(dirname(first));
  },
  async remove(path): Promise<void> {
    await rm(path, { recursive: true, force: true });
    await syncDirectory(dirname(path)).catch((error: unknown) => {
      if (!isAbsent(error)) throw error;
    });
  },
  async rename(from, to): Promise<void> {
    await rename(from, to);
    await syncDirectory(dirname(to));
    if (dirname(from) !== dirname(to)) await syncDirectory(dirname(from));
  },
  openReader,
  openWriter,
};
