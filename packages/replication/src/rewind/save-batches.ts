/** Step 1 of a rewind: everything after a sequence, from the log into a rollback file that is whole or is not there. */
import { assert, OperationError } from '@holdfast/base';
import type { Database, WalTail } from '@holdfast/rocksdb';
import type { ReplicationFiles } from '../files.ts';
import { batchesNames, freeBatchesName } from './rollback-directory.ts';
import { RollbackFileReader, RollbackFileWriter, RollbackTally, type RollbackTotals } from './rollback-file.ts';
import type { GivenUp } from './rollback-header.ts';

/** Read from the log at once. */
const pieceBytes = 1024 * 1024;

export interface SaveEnvironment {
  readonly files: ReplicationFiles;
  /** The rollback directory; created when absent. */
  readonly directory: string;
  readonly database: Pick<Database, 'walTail'>;
}

/**
 * Saves the batches from `part.first` to `part.last`, which must be the end of the log; nobody may write meanwhile. A file
 * that holds just these batches already, from a rewind that was broken off, is taken as it is.
 * @param signal once aborted nothing more is written.
 * @returns the file's name; undefined when the log does not hold them all any more.
 * @throws OperationError REWIND_ABORTED; what the file system says, e.g. that the disk is full.
 */
export async function saveBatches(
  env: SaveEnvironment,
  part: GivenUp,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { files, directory } = env;
  const present = await batchesNames(files, directory, part);
  if (present.length > 0) {
    const tally = new RollbackTally(part.first);
    if (!(await readLog(env, part, signal, (batch) => void tally.add(batch)))) return undefined;
    for (const name of present) if (await holdsJust(files, `${directory}/${name}`, part, tally)) return name;
  }
  await files.makeDirectory(directory);
  const name = await freeBatchesName(files, directory, part);
  const temporary = `${directory}/${name}.tmp`;
  if (!(await writeFile(env, temporary, part, signal))) {
    await files.remove(temporary);
    return undefined;
  }
  await files.rename(temporary, `${directory}/${name}`);
  return name;
}

async function writeFile(env: SaveEnvironment, path: string, part: GivenUp, signal: AbortSignal): Promise<boolean> {
  const to = await env.files.openWriter(path);
  try {
    const writer = await RollbackFileWriter.begin(to, part);
    if (await readLog(env, part, signal, (batch) => writer.batch(batch))) {
      await writer.finish();
      return true;
    }
  } catch (error) {
    await to.abandon().catch(() => undefined); // closed already when `finish` failed
    // Half a file only takes the space that is missing; the next attempt begins anew whether it goes or not.
    await env.files.remove(path).catch(() => undefined);
    throw error;
  }
  await to.abandon();
  return false;
}

/** @returns false when the log does not hold all of it. */
async function readLog(
  { database }: SaveEnvironment,
  part: GivenUp,
  signal: AbortSignal,
  onBatch: (batch: Buffer) => void | Promise<void>,
): Promise<boolean> {
  let tail: WalTail | undefined;
  const reach = new RollbackTally(part.first);
  try {
    tail = database.walTail(part.first);
    while (reach.nextSequence <= part.last) {
      if (signal.aborted) throw aborted();
      const block = await tail.nextAsync(pieceBytes);
      if (block.count === 0) return false;
      for (const batch of batchesOf(block.bytes, block.count)) {
        assert(reach.add(batch), 'the log skips without saying so');
        await onBatch(batch);
      }
    }
    return reach.nextSequence === part.last + 1;
  } catch (error) {
    if (isNotThere(error)) return false;
    throw error;
  } finally {
    tail?.close();
  }
}

function* batchesOf(bytes: Buffer, count: number): Generator<Buffer> {
  let at = 0;
  for (let i = 0; i < count; i++) {
    const length = bytes.readUInt32LE(at);
    yield bytes.subarray(at + 4, at + 4 + length);
    at += 4 + length;
  }
}

/** The log was deleted, or cannot be read: then the whole directory is kept instead. */
function isNotThere(error: unknown): boolean {
  const code = typeof error === 'object' && error !== null ? (error as { code?: unknown }).code : undefined;
  return code === 'ROCKS_WAL_GONE' || code === 'ROCKS_CORRUPTION';
}

async function holdsJust(
  files: ReplicationFiles,
  path: string,
  part: GivenUp,
  expected: RollbackTotals,
): Promise<boolean> {
  const from = await files.openReader(path);
  try {
    const reader = await RollbackFileReader.open(path, from);
    const found = await reader.readAll(() => undefined);
    const { nodeId, logId, first, last } = reader.part;
    return (
      nodeId === part.nodeId &&
      logId === part.logId &&
      first === part.first &&
      last === part.last &&
      found.batchBytes === expected.batchBytes &&
      found.checksum === expected.checksum
    );
  } catch (error) {
    if (error instanceof OperationError) return false;
    throw error;
  } finally {
    await from.close();
  }
}

export function aborted(): OperationError {
  return new OperationError('REWIND_ABORTED', 'the rewind was ended before it began: another master or another role', {
    outcome: 'not-applied',
  });
}
