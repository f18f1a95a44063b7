/** What hash commands share: opening a hash with its refusals, and single-field answers. */
import type { Hashes, UserKey } from '@holdfast/engine';
import type { ReplyWriter } from '@holdfast/resp';
import { errors } from '../command.ts';

/** A hash of Kvrocks' newer encoding: its values begin with a time and must not be handed out as they are. */
const unsupported = 'ERR the hash uses field expiration, which this server does not support';

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
  return settle(hashes.open(key, nowMs), reply);
}

/** As `openHash`, beginning a hash that does not exist. */
export function openHashForWrite(
  hashes: Hashes,
  key: UserKey,
  nowMs: number,
  reply: ReplyWriter,
): 'found' | 'absent' | undefined {
  return settle(hashes.openOrCreate(key, nowMs), reply);
}

function settle(found: ReturnType<Hashes['open']>, reply: ReplyWriter): 'found' | 'absent' | undefined {
  if (found === 'found' || found === 'absent') return found;
  reply.error(found === 'wrong-type' ? errors.wrongType : unsupported);
  return undefined;
}
