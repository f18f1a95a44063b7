/**
 * POLLUPDATES: write batches of the log as they are, behind the sequence somebody has. A tick's commands may stand in one
 * batch, so a batch may hold several commands; sequences tell what is in it.
 */
import { messageOf } from '@holdfast/base';
import type { Updates, UpdatesRequest } from '@holdfast/commands';
import { countOf, sequenceOf } from '@holdfast/engine';
import type { Database, WalTail } from '@holdfast/rocksdb';

type LogOf = Pick<Database, 'latestSequence' | 'walTailAsync' | 'walFiles'>;

/** Bytes read at once, and returned at most, beyond which the caller asks again. */
const blockBytes = 1 << 20;
const updatesBytesMax = 64 << 20;

const errors = {
  outOfRange: 'ERR next sequence is out of range',
  mismatched: 'ERR mismatched sequence number',
  gone: 'ERR the log does not reach back to this sequence any more',
} as const;

/** @returns an error line when what is asked for cannot be read. */
export async function pollUpdates(database: LogOf, request: UpdatesRequest): Promise<Updates | string> {
  const { sequence, strict } = request;
  const latestSequence = database.latestSequence();
  if (sequence > latestSequence) return errors.outOfRange;
  if (sequence === latestSequence) return { latestSequence, nextSequence: sequence, batches: [] };
  try {
    const tail = await tailFrom(database, sequence + 1, strict);
    if (typeof tail === 'string') return tail;
    try {
      return { latestSequence, ...(await read(tail, request)) };
    } finally {
      tail.close();
    }
  } catch (error) {
    return isGone(error) ? errors.gone : `ERR ${messageOf(error)}`;
  }
}

/** A tail at the batch that begins at `next`, or, unless `strict`, before the one that holds it. */
async function tailFrom(database: LogOf, next: number, strict: boolean): Promise<WalTail | string> {
  try {
    return await database.walTailAsync(next);
  } catch (error) {
    if (!isGone(error)) throw error;
  }
  const starts = (await database.walFiles()).map(({ startSequence }) => startSequence);
  const start = Math.max(...starts.filter((one) => one <= next), 0);
  if (start === 0) return errors.gone;
  return strict ? errors.mismatched : database.walTailAsync(start);
}

async function read(tail: WalTail, { sequence, max }: UpdatesRequest): Promise<Omit<Updates, 'latestSequence'>> {
  const batches: Buffer[] = [];
  let nextSequence = sequence;
  let bytes = 0;
  while (batches.length < max && bytes < updatesBytesMax) {
    const block = await tail.nextAsync(blockBytes);
    if (block.count === 0) break;
    for (let at = 0, i = 0; i < block.count && batches.length < max; i++) {
      const end = at + 4 + block.bytes.readUInt32LE(at);
      const batch = block.bytes.subarray(at + 4, end);
      at = end;
      const last = sequenceOf(batch) + countOf(batch) - 1;
      if (last <= sequence) continue;
      batches.push(batch);
      bytes += batch.length;
      nextSequence = last;
    }
  }
  return { nextSequence, batches };
}

function isGone(error: unknown): boolean {
  return typeof error === 'object' && error !== null && (error as { code?: unknown }).code === 'ROCKS_WAL_GONE';
}
