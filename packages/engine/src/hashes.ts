/**
 * Hashes: one metadata record (version, number of fields) and one sub key record per field. A command opens a hash,
 * reads or changes fields, and saves: the metadata record is written last, and only when the number of fields changed.
 *
 * A hash whose fields are all deleted keeps its record with size 0, as in Kvrocks: it reads as missing, and the next
 * write begins a new version.
 */
import { Scratch, type Span, type Window } from './bytes.ts';
import type { EntryIterator } from './entry-iterator.ts';
import { family } from './families.ts';
import { typeId } from './metadata-value.ts';
import type { Lookup, Records } from './records.ts';
import { keyAfterPrefix, writeSubkeyPrefix, type UserKey } from './stored-key.ts';

const noSpan: Span = { buffer: Buffer.alloc(0), start: 0, end: 0 };

/** `unsupported`: a newer encoding whose values cannot be told from their field expiry. */
export type HashLookup = Lookup | 'unsupported';

export class Hashes {
  /** Number of fields of the open hash. */
  size = 0;
  readonly records: Records;
  readonly #subkey = new Scratch();
  #prefixLength = 0;
  #savedSize = 0;
  #isLogged = false;
  /** Metadata of the open hash: other reads may follow before it is saved. */
  #is64 = true;
  #high = 0;
  #low = 0;
  #expireMs = 0;

  constructor(records: Records) {
    this.records = records;
  }

  /** The value of the field read last; valid until the next read. */
  get value(): Window {
    return this.records.engine.value;
  }

  /** Opens the hash of `key` for reading. */
  open(key: UserKey, nowMs: number): HashLookup {
    const { records } = this;
    const found = records.lookup(key, typeId.hash, nowMs);
    if (found !== 'found') {
      this.size = 0;
      return found;
    }
    if (!this.#hasPlainFields()) return 'unsupported';
    this.#enter(key);
    return 'found';
  }

  /** Opens the hash of `key` for writing: an absent one is begun with a new version. */
  openOrCreate(key: UserKey, nowMs: number): HashLookup {
    const found = this.open(key, nowMs);
    if (found !== 'absent') return found;
    this.records.meta.create(typeId.hash, this.records.engine.versions.next());
    this.#enter(key);
    return 'absent';
  }

  /** Reads a field of the open hash into `value`. @returns whether it exists. */
  get(field: Span): boolean {
    if (this.size === 0) return false;
    return this.records.engine.get(family.subkey, this.#keyOf(field));
  }

  /** Whether the running command has put this field already. */
  isWrittenByCommand(field: Span): boolean {
    return this.records.engine.isWrittenByCommand(family.subkey, this.#keyOf(field));
  }

  /** Puts a field of the open hash. `isNew` says whether it was absent, which the caller has found out by `get`. */
  put(field: Span, value: Span, isNew: boolean): void {
    this.#log();
    this.records.engine.tick.put(family.subkey, this.#keyOf(field), noSpan, value, this.#prefixLength);
    if (isNew) this.size++;
  }

  /** Deletes a field that exists. */
  remove(field: Span): void {
    this.#log();
    this.records.engine.tick.delete(family.subkey, this.#keyOf(field), this.#prefixLength);
    this.size--;
  }

  /** Sets when the open hash dies (Unix time in ms, 0 never); `save` with `always` writes it. */
  expireAt(expireMs: number): void {
    this.#expireMs = expireMs;
  }

  /** Writes the metadata record when the number of fields changed, or `always`. */
  save(key: UserKey, always = false): void {
    if (!always && this.size === this.#savedSize) return;
    this.#log();
    const { meta } = this.records;
    meta.create(typeId.hash);
    meta.is64 = this.#is64;
    meta.high = this.#high;
    meta.low = this.#low;
    meta.expireMs = this.#expireMs;
    meta.size = Math.max(0, this.size);
    this.records.store(key, noSpan);
    this.#savedSize = this.size;
  }

  /**
   * Fields in byte order, from `from` (included) to before `to`; the field of an entry is `fieldOf` its key. To be
   * closed by the caller.
   */
  iterate(options: { from?: Span; to?: Span; reverse?: boolean; keysOnly?: boolean } = {}): EntryIterator {
    const prefix = Buffer.from(this.#subkey.buffer.subarray(0, this.#prefixLength));
    const lt = options.to === undefined ? keyAfterPrefix(prefix) : Buffer.from(this.#viewOf(options.to));
    const gte = options.from === undefined ? prefix : Buffer.from(this.#viewOf(options.from));
    return this.records.engine.iterate(family.subkey, {
      gte,
      ...(lt === undefined ? {} : { lt }),
      group: prefix,
      reverse: options.reverse ?? false,
      keysOnly: options.keysOnly ?? false,
    });
  }

  /** Where the field begins in the key of an entry of `iterate`. */
  get fieldOffset(): number {
    return this.#prefixLength;
  }

  /** A hash with the tail of the field-expiration encoding in use is not for us: its values begin with a time. */
  #hasPlainFields(): boolean {
    const { buffer, end } = this.records.engine.value;
    const { bodyStart } = this.records.meta;
    return bodyStart >= end || buffer[bodyStart] === 0;
  }

  #enter(key: UserKey): void {
    const { engine, meta } = this.records;
    this.size = this.#savedSize = meta.size;
    this.#is64 = meta.is64;
    this.#high = meta.high;
    this.#low = meta.low;
    this.#expireMs = meta.expireMs;
    this.#isLogged = false;
    this.#prefixLength = writeSubkeyPrefix(this.#subkey, key, meta, engine.slotPrefixed);
  }

  #keyOf(field: Span): Scratch {
    this.#subkey.end = this.#prefixLength;
    this.#subkey.bytes(field.buffer, field.start, field.end);
    return this.#subkey;
  }

  #viewOf(field: Span): Buffer {
    return this.#keyOf(field).view();
  }

  #log(): void {
    if (this.#isLogged) return;
    this.records.log(typeId.hash);
    this.#isLogged = true;
  }
}
