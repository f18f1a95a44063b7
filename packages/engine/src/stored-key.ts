/**
 * The keys of RocksDB records, as Kvrocks lays them out (storage/redis_metadata.cc):
 *
 *   metadata key   u8 nsLen | ns | [u16 slot] | user key
 *   sub key        u8 nsLen | ns | [u16 slot] | u32 keyLen | user key | u64 version | sub key
 *
 * The slot is there only when the node runs with cluster-enabled; nothing on disk tells which form was used.
 */
import { slotOf } from '@holdfast/topology';
import type { Scratch, Span } from './bytes.ts';
import type { Namespace } from './namespace.ts';
import type { Version } from './version.ts';

/** A user key where it stands, and whose it is. */
export interface UserKey extends Span {
  readonly namespace: Namespace;
}

/** Writes what every stored key of `key` begins with. */
function writeHead(into: Scratch, key: UserKey, slotPrefixed: boolean): void {
  into.resetTo(key.namespace.prefix);
  if (slotPrefixed) into.u16(slotOf(key.buffer, key.start, key.end));
}

/** Fills `into` with the metadata key of `key`. */
export function writeMetadataKey(into: Scratch, key: UserKey, slotPrefixed: boolean): void {
  writeHead(into, key, slotPrefixed);
  into.bytes(key.buffer, key.start, key.end);
}

/**
 * Fills `into` with what all sub keys of one version of `key` begin with; the sub key itself is appended by the caller.
 * @returns the length of that beginning.
 */
export function writeSubkeyPrefix(into: Scratch, key: UserKey, version: Version, slotPrefixed: boolean): number {
  writeHead(into, key, slotPrefixed);
  into.u32(key.end - key.start);
  into.bytes(key.buffer, key.start, key.end);
  into.u32(version.high);
  into.u32(version.low);
  return into.end;
}

/** Where a user key stands in a stored key. */
export interface KeyBounds {
  /** End of the namespace's prefix, which begins where the stored key does. */
  prefixEnd: number;
  start: number;
  end: number;
}

/**
 * Finds the user key in the stored key `buffer[start..end)`.
 * @param isSubkey it is a sub key, of any family; else a metadata key.
 * @returns false when the bytes are no such key; else `into` says where.
 */
export function findUserKey(
  { buffer, start, end }: Span,
  { isSubkey, slotPrefixed }: { readonly isSubkey: boolean; readonly slotPrefixed: boolean },
  into: KeyBounds,
): boolean {
  if (start >= end) return false;
  into.prefixEnd = start + 1 + (buffer[start] as number);
  into.start = into.prefixEnd + (slotPrefixed ? 2 : 0);
  into.end = end;
  if (!isSubkey) return into.start <= end;
  if (into.start + 4 > end) return false;
  into.end = into.start + 4 + buffer.readUInt32BE(into.start);
  into.start += 4;
  return into.end <= end;
}

/** Offset of the user key in a metadata key of `namespace`. */
export function userKeyOffset(namespace: Namespace, slotPrefixed: boolean): number {
  return namespace.prefix.length + (slotPrefixed ? 2 : 0);
}

/** The bytes that come right after every key beginning with `prefix`; undefined when there are none (all 0xff). */
export function keyAfterPrefix(prefix: Uint8Array): Buffer | undefined {
  let length = prefix.length;
  while (length > 0 && prefix[length - 1] === 0xff) length--;
  if (length === 0) return undefined;
  const after = Buffer.from(prefix.subarray(0, length));
  after[length - 1] = (after[length - 1] as number) + 1;
  return after;
}

/** What the metadata keys of `namespace` begin with, or those of one slot of it. */
export function metadataPrefix(namespace: Namespace, slot?: number): Buffer {
  if (slot === undefined) return Buffer.from(namespace.prefix);
  return Buffer.concat([namespace.prefix, Buffer.of(slot >>> 8, slot & 0xff)]);
}
