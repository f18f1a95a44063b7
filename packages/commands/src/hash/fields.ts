/** What hash commands share: opening a hash with its refusals, and single-field answers. */
import type { Hashes, Lookup, UserKey } from '@holdfast/engine';
import type { ReplyWriter } from '@holdfast/resp';
import { errors, type Call } from '../command.ts';
import { notify } from '../events.ts';

/** Values of an encoding that is not known must not be handed out as they are. */
const unknownEncoding = 'ERR the hash is stored in an encoding that this server does not know';
/** Commands on the times of fields, on a hash that cannot have any. */
export const noTimedFields = 'ERR hash field expiration is not supported by legacy hash encoding';

/**
 * Opens a hash for reading, writing the error line when it cannot be.
 * @returns undefined when an error was written.
 */
export function openHash(
  hashes: Hashes,
  key: UserKey,
  nowMs: number,
  reply: ReplyWriter,
): 'found' | 'absent' | undefined {
  return settle(hashes, hashes.open(key, nowMs), reply);
}

/** As `openHash`, beginning a hash that does not exist. */
export function openHashForWrite(
  hashes: Hashes,
  key: UserKey,
  nowMs: number,
  reply: ReplyWriter,
): 'found' | 'absent' | undefined {
  return settle(hashes, hashes.openOrCreate(key, nowMs), reply);
}

function settle(hashes: Hashes, found: Lookup, reply: ReplyWriter): 'found' | 'absent' | undefined {
  if (found !== 'wrong-type') return found;
  reply.error(hashes.isUnknown ? unknownEncoding : errors.wrongType);
  return undefined;
}

/** Says that fields of the open hash were deleted, and the hash when none is left. */
export function notifyDeleted(call: Call, hashes: Hashes, key: UserKey, event = 'hdel'): void {
  notify(call, 'h', event, key);
  if (hashes.size === 0) notify(call, 'g', 'del', key);
}
