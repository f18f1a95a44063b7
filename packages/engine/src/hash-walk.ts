/** A walk over the living fields of a hash, in either encoding (hashes.ts). */
import { OperationError } from '@holdfast/base';
import { Window, type Span } from './bytes.ts';
import type { EntryIterator } from './entry-iterator.ts';
import { readU64 } from './metadata-value.ts';

/** Bytes of the time that values begin with where fields can have one. */
export const expiryBytes = 8;

/** Unix time in ms at which a field dies, read from its stored value; 0 never. */
export function fieldExpiryOf({ buffer, start, end }: Span): number {
  if (end - start >= expiryBytes) return readU64(buffer, start);
  const message = `the value of a hash field has ${end - start} bytes, too few for the time it begins with`;
  throw new OperationError('ENGINE_RECORD_CORRUPT', message, { outcome: 'not-applied' });
}

export class HashWalk {
  /** The current field and its value; valid until the next call. */
  readonly field: Window = new Window();
  readonly value: Window = new Window();
  /** Unix time in ms at which the current field dies; 0 never. */
  expireMs = 0;
  readonly #entries: EntryIterator;
  readonly #prefixLength: number;
  readonly #nowMs: number | undefined;

  /** @param nowMs undefined where fields have no time and values are plain. */
  constructor(entries: EntryIterator, prefixLength: number, nowMs: number | undefined) {
    this.#entries = entries;
    this.#prefixLength = prefixLength;
    this.#nowMs = nowMs;
  }

  /** Moves to the next living field. @returns false at the end. */
  next(): boolean {
    while (this.#entries.next()) {
      const { key, value } = this.#entries;
      if (this.#nowMs === undefined) this.value.set(value.buffer, value.start, value.end);
      else {
        const expireMs = fieldExpiryOf(value);
        if (expireMs !== 0 && expireMs < this.#nowMs) continue;
        this.expireMs = expireMs;
        this.value.set(value.buffer, value.start + expiryBytes, value.end);
      }
      this.field.set(key.buffer, key.start + this.#prefixLength, key.end);
      return true;
    }
    return false;
  }

  close(): void {
    this.#entries.close();
  }
}
