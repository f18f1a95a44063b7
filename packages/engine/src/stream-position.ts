/**
 * How far a group has read, counted in entries: its lag is what it has not read yet. Entries carry no number, only ids, so
 * the number is known where it can be derived: at both ends of the stream, and from there on as long as no deleted entry
 * lies ahead. Elsewhere it is unknown, and told as such (Redis' stream documentation, "XINFO GROUPS: lag").
 */
import { unknownEntriesRead } from './stream-groups.ts';
import type { StreamId } from './stream-id.ts';

/** What is asked of the stream. */
export interface StreamExtent {
  readonly size: number;
  readonly entriesAdded: bigint;
  readonly lastGenerated: StreamId;
  readonly recordedFirst: StreamId;
  readonly maxDeleted: StreamId;
}

/** Whether an entry was deleted at `from` or behind it, among those that a reader has still to come to. */
export function hasDeletedFrom({ size, recordedFirst, maxDeleted }: StreamExtent, from: StreamId): boolean {
  if (size === 0 || maxDeleted.isZero || recordedFirst.compare(maxDeleted) > 0) return false;
  return from.compare(maxDeleted) <= 0;
}

/** How many entries were ever added up to `id`, it included; `unknownEntriesRead` where that cannot be told. */
export function entriesUpTo(stream: StreamExtent, id: StreamId): bigint {
  const { size, entriesAdded, lastGenerated, recordedFirst, maxDeleted } = stream;
  if (entriesAdded === 0n) return 0n;
  const toLast = id.compare(lastGenerated);
  if (toLast === 0 || (size === 0 && toLast < 0)) return entriesAdded;
  if (toLast > 0) return unknownEntriesRead;
  if (!maxDeleted.isZero && maxDeleted.compare(recordedFirst) >= 0) return unknownEntriesRead;
  const toFirst = id.compare(recordedFirst);
  if (toFirst > 0) return unknownEntriesRead;
  const before = entriesAdded - BigInt(size);
  return toFirst === 0 ? before + 1n : before;
}

/** Number of entries a group has still to read; undefined where that cannot be told. */
export function lagOf(
  stream: StreamExtent,
  group: { readonly lastDelivered: StreamId; readonly entriesRead: bigint },
): bigint | undefined {
  const { entriesAdded } = stream;
  if (entriesAdded === 0n) return 0n;
  const isCounted = group.entriesRead !== unknownEntriesRead && !hasDeletedFrom(stream, group.lastDelivered);
  const read = isCounted ? group.entriesRead : entriesUpTo(stream, group.lastDelivered);
  return read === unknownEntriesRead ? undefined : entriesAdded - read;
}
