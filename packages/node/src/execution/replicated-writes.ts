/**
 * Keys that a master's batches wrote, for those who listen on a replica: XREAD BLOCK, and WATCH of a transaction that only
 * reads. No command of this node says which keys they are, so they are taken from the records: every change of a key of any
 * type writes or deletes its metadata record.
 */
import { BatchReader, family, type Commit } from '@holdfast/engine';
import type { WrittenKeys } from './written-keys.ts';

/** @param slotPrefixed stored keys carry their slot. */
export function noteReplicated({ packed, lengths, count }: Commit, slotPrefixed: boolean, written: WrittenKeys): void {
  let at = 0;
  for (let i = 0; i < count; i++) {
    const end = at + (lengths[i] as number);
    noteBatch(new BatchReader(packed, at, end), slotPrefixed, written);
    at = end;
  }
}

function noteBatch(reader: BatchReader, slotPrefixed: boolean, written: WrittenKeys): void {
  while (reader.next()) {
    if (reader.family !== family.metadata) continue;
    const { buffer, start, end } = reader.key;
    if (reader.kind === 'delete-range') {
      written.noteAll();
      continue;
    }
    // u8 length of the namespace, the namespace, u16 slot, key
    const prefixEnd = start + 1 + (buffer[start] as number);
    const keyStart = prefixEnd + (slotPrefixed ? 2 : 0);
    if (keyStart > end) continue;
    written.noteKey(buffer.latin1Slice(start, prefixEnd) + buffer.latin1Slice(keyStart, end));
  }
}
