/**
 * The metadata store of a single controller: one file in one directory, and an OS lock held for the life of the process.
 *
 * Every commit writes the whole content to a temporary file, fsyncs it, renames it over the old one and fsyncs the
 * directory. An append log with checksums would write fewer bytes, but then a torn tail is a normal sight and cannot be
 * told from damage to acknowledged records; here a file that does not fit its checksum is always damage, and compaction
 * does not exist. The content is tens of kilobytes, so the two fsyncs are the cost either way (a log needs one). The
 * operations are asynchronous: a slow disk must not stall the controller's heartbeats.
 *
 * The lock is the leadership: whoever could open the store is the only controller there is.
 */
import { closeSync, ftruncateSync, readFileSync, writeSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { FatalError, OperationError, messageOf } from '@holdfast/base';
import { lockFile } from '@holdfast/base/real';
import { emptyKeyspace, type Keyspace } from '../keyspace.ts';
import { limits } from '../limits.ts';
import type { MetadataStore } from '../metadata-store.ts';
import { SerialStore } from '../serial-store.ts';
import { realDisk, type Disk } from './disk.ts';
import { decodeKeyspace, encodeKeyspace } from './state-file.ts';

export interface EmbeddedStoreOptions {
  /** Created when absent. Holds `metadata.store`, its temporary file, and `metadata.lock`. */
  readonly directory: string;
}

/**
 * Opens the store, creating it when the directory holds none.
 * @throws FatalError (exit status 3), with one line that names the file: in use by another process, damaged, of another
 *   format version, or not accessible.
 */
export async function openEmbeddedStore({ directory }: EmbeddedStoreOptions): Promise<MetadataStore> {
  const root = resolve(directory);
  try {
    await realDisk.makeDirectory(root);
    await realDisk.syncDirectory(dirname(root));
  } catch (error) {
    throw new FatalError(`cannot create the metadata directory ${root}: ${messageOf(error)}`, 3, error);
  }
  const lock = takeLock(join(root, 'metadata.lock'), root);
  try {
    return await openStoreOn(realDisk, join(root, 'metadata.store'), () => closeSync(lock));
  } catch (error) {
    closeSync(lock);
    throw error;
  }
}

/** The store without its lock, on any disk. The directory of `path` must exist. */
export async function openStoreOn(disk: Disk, path: string, release: () => void): Promise<MetadataStore> {
  let bytes: Buffer | undefined;
  try {
    bytes = await disk.read(path);
  } catch (error) {
    throw new FatalError(`cannot read ${path}: ${messageOf(error)}`, 3, error);
  }
  const initial = bytes === undefined ? emptyKeyspace : decodeKeyspace(bytes, path);
  return new SerialStore({ name: path, initial, persist: (next) => replaceContent(disk, path, next), release });
}

async function replaceContent(disk: Disk, path: string, next: Keyspace): Promise<void> {
  const content = encodeKeyspace(next);
  if (content.length > limits.storeBytesMax) {
    const message = `${path} would have ${content.length} bytes; the limit is ${limits.storeBytesMax}`;
    throw new OperationError('METADATA_TOO_LARGE', message, { outcome: 'not-applied' });
  }
  const temporary = `${path}.tmp`;
  try {
    await writeDurably(disk, temporary, content);
  } catch (error) {
    throw writeFailed(`cannot write ${temporary}`, 'not-applied', error);
  }
  try {
    await disk.rename(temporary, path);
    await disk.syncDirectory(dirname(path));
  } catch (error) {
    throw writeFailed(`cannot put ${temporary} in place`, 'unknown', error);
  }
}

async function writeDurably(disk: Disk, path: string, content: Uint8Array): Promise<void> {
  const file = await disk.create(path);
  try {
    await file.write(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

function writeFailed(what: string, outcome: 'not-applied' | 'unknown', cause: unknown): OperationError {
  return new OperationError('METADATA_WRITE_FAILED', `${what}: ${messageOf(cause)}`, { outcome, cause });
}

/** The descriptor that holds the lock. The file names the holder, for the message a second process prints. */
function takeLock(path: string, root: string): number {
  try {
    const lock = lockFile(path);
    ftruncateSync(lock);
    writeSync(lock, `${process.pid}\n`, 0);
    return lock;
  } catch (error) {
    if (error instanceof OperationError && error.code === 'OS_LOCKED') {
      const holder = readFileSync(path, 'utf8').trim();
      throw new FatalError(`the metadata store in ${root} is in use by process ${holder || '?'}`, 3, error);
    }
    throw new FatalError(`cannot lock ${path}: ${messageOf(error)}`, 3, error);
  }
}
