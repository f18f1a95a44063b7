/** Opening a collection for a command: whatever else the key is, the command answers WRONGTYPE. */
import type { Collection, UserKey } from '@holdfast/engine';
import type { ReplyWriter } from '@holdfast/resp';
import { errors } from '../command.ts';

/**
 * Opens the collection of `key` for reading.
 * @returns undefined when an error was written.
 */
export function openCollection(
  collection: Collection,
  key: UserKey,
  nowMs: number,
  reply: ReplyWriter,
): 'found' | 'absent' | undefined {
  const found = collection.open(key, nowMs);
  if (found !== 'wrong-type') return found;
  reply.error(errors.wrongType);
  return undefined;
}

/** As `openCollection`, beginning one that does not exist. */
export function openCollectionForWrite(
  collection: Collection,
  key: UserKey,
  nowMs: number,
  reply: ReplyWriter,
): 'found' | 'absent' | undefined {
  const found = collection.openOrCreate(key, nowMs);
  if (found !== 'wrong-type') return found;
  reply.error(errors.wrongType);
  return undefined;
}
