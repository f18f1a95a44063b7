/**
 * Keys that a master's batches wrote, for those who listen on a replica: XREAD BLOCK, and WATCH of a transaction that only
 * reads. No command of this node says which keys they are, so they are taken from the records.
 */
import { BatchReader, family, UserKeyReader, type Commit } from '@holdfast/engine';
import type { WrittenKeys } from './written-keys.ts';

/** @param slotPrefixed stored keys carry their slot. */
export function noteReplicated({ packed, lengths, count }: Commit, slotPrefixed: boolean, written: WrittenKeys): void {
  const keys = new UserKeyReader(slotPrefixed);
  let at = 0;
  for (let i = 0; i < count; i++) {
    const end = at + (lengths[i] as number);
    noteBatch(new BatchReader(packed, at, end), keys, written);
    at = end;
  }
}

function noteBatch(reader: BatchReader, keys: UserKeyReader, written: WrittenKeys): void {
  while (reader.next()) {
    if (reader.kind === 'delete-range') {
      if (reader.family === family.metadata) written.noteAll();
      continue;
    }
    if (reader.kind !== 'put' && reader.kind !== 'delete') continue;
    const key = keys.read(reader.family, reader.key);
    if (key !== undefined) written.wrote(key);
  }
}
