/**
 * Strings: the whole value stands in the metadata record, after flags and expiry. GET is one lookup and the reply is
 * written from where RocksDB put the bytes; SET writes without reading.
 */
import { Window, type Span } from './bytes.ts';
import { typeId } from './metadata-value.ts';
import type { Lookup, Records } from './records.ts';
import type { UserKey } from './stored-key.ts';

export class Strings {
  /** The value found last; valid until the next read of anything. */
  readonly value: Window = new Window();
  readonly records: Records;
  /** Longest bitmap, in bytes, that is returned as a string (`max-bitmap-to-string-mb`). */
  bitmapBytesMax: number = 16 << 20;

  constructor(records: Records) {
    this.records = records;
  }

  /** Unix time in ms at which the string found last dies; 0 never. */
  get expireMs(): number {
    return this.records.meta.expireMs;
  }

  /** Reads a string into `value`. */
  get(key: UserKey, nowMs: number): Lookup {
    const { records } = this;
    if (!records.load(key, nowMs)) return 'absent';
    if (records.meta.type !== typeId.string) return 'wrong-type';
    const { value } = records.engine;
    this.value.set(value.buffer, records.meta.bodyStart, value.end);
    return 'found';
  }

  /** Makes `key` a string, whatever it was before. `expireMs` as in `expireMs`. */
  set(key: UserKey, value: Span, expireMs: number): void {
    this.records.log(typeId.string);
    this.setNext(key, value, expireMs);
  }

  /** As `set`, for the keys of one command after its first. */
  setNext(key: UserKey, value: Span, expireMs: number): void {
    const { records } = this;
    records.meta.create(typeId.string);
    records.meta.expireMs = expireMs;
    records.store(key, value);
  }

  /** Gives the string found last a new value and expiry; its record keeps the form (32 or 64 bit) it has. */
  rewrite(key: UserKey, value: Span, expireMs: number): void {
    const { records } = this;
    records.log(typeId.string);
    records.meta.expireMs = expireMs;
    records.store(key, value);
  }
}
