/**
 * Which user keys records belong to: what WATCH and clients that wait are told of. Taken from the records themselves, so
 * that a key counts as written when something of it was, and not because a command named it. Sub keys count too: a write
 * that changes an element in place (HSET of a field that is there) leaves the metadata record alone.
 */
import type { Span } from './bytes.ts';
import { family } from './families.ts';
import { findUserKey, type KeyBounds } from './stored-key.ts';
import type { Tick } from './tick.ts';

/** Keys are the namespace's prefix and the user key, one character per byte. */
export interface KeyVisitor {
  /** May be told the same key again. */
  wrote(key: string): void;
  /** A range of keys was deleted. */
  deletedRange(): void;
}

/** Whether records of this family belong to user keys, and are sub keys; undefined when they do not. */
function isSubkeyFamily(of: number): boolean | undefined {
  if (of === family.metadata) return false;
  return of === family.subkey || of === family.zsetScore || of === family.stream ? true : undefined;
}

/** Reads the user keys of many records, in order; tells a key once as long as its records follow each other. */
export class UserKeyReader {
  readonly #slotPrefixed: boolean;
  readonly #bounds: KeyBounds = { prefixEnd: 0, start: 0, end: 0 };
  readonly #last: KeyBounds = { prefixEnd: 0, start: 0, end: 0 };
  #lastBuffer: Buffer | undefined;
  #lastAt = 0;

  constructor(slotPrefixed: boolean) {
    this.#slotPrefixed = slotPrefixed;
  }

  /** @returns the key of a record, unless the record before was of the same key, or it belongs to none. */
  read(of: number, record: Span): string | undefined {
    const isSubkey = isSubkeyFamily(of);
    if (isSubkey === undefined) return undefined;
    const bounds = this.#bounds;
    if (!findUserKey(record, { isSubkey, slotPrefixed: this.#slotPrefixed }, bounds)) return undefined;
    const { buffer, start } = record;
    if (this.#isLast(buffer, start)) return undefined;
    this.#lastBuffer = buffer;
    this.#lastAt = start;
    Object.assign(this.#last, bounds);
    return buffer.latin1Slice(start, bounds.prefixEnd) + buffer.latin1Slice(bounds.start, bounds.end);
  }

  #isLast(buffer: Buffer, start: number): boolean {
    if (this.#lastBuffer !== buffer) return false;
    const { prefixEnd, start: keyStart, end } = this.#bounds;
    const last = this.#last;
    return (
      buffer.compare(buffer, this.#lastAt, last.prefixEnd, start, prefixEnd) === 0 &&
      buffer.compare(buffer, last.start, last.end, keyStart, end) === 0
    );
  }
}

/** Visits the user keys of what the running command has put into the tick. */
export function visitKeysOfCommand(tick: Tick, slotPrefixed: boolean, visitor: KeyVisitor): void {
  const { overlay, builder } = tick;
  if (overlay.hasRange(family.metadata, tick.commandRanges)) visitor.deletedRange();
  const { count } = overlay;
  if (count === tick.commandEntries) return;
  const reader = new UserKeyReader(slotPrefixed);
  const { buffer } = builder;
  for (let index = tick.commandEntries; index < count; index++) {
    const record = { buffer, start: overlay.keyStart(index), end: overlay.keyEnd(index) };
    const key = reader.read(overlay.familyOf(index), record);
    if (key !== undefined) visitor.wrote(key);
  }
}
