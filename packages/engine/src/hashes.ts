/**
 * Hashes: one metadata record (version, number of fields) and one sub key record per field. A command opens a hash,
 * reads or changes fields, and saves: the metadata record is written last, and only when something in it changed.
 *
 * In the encoding `legacy` the value of a field is its sub key's value, and a hash whose fields are all deleted keeps its
 * record with size 0, as in Kvrocks: it reads as missing, and the next write begins a new version.
 *
 * In the encoding `field-expiration` (Kvrocks' development line) every value begins with the time at which the field dies,
 * and a field whose time has passed reads as missing while its record still stands. `size` counts records, dead ones
 * included; the tail keeps count of those without a time and bounds the times of the others, which often tells the length
 * without a walk. An existing hash keeps its encoding; a new one takes the configured one.
 */
import { Scratch, Window, type Span } from './bytes.ts';
import { Collection, type SubkeyRange } from './collection.ts';
import { HashWalk, expiryBytes, fieldExpiryOf } from './hash-walk.ts';
import { fieldExpirationMode, hashTailBytes, readU64, typeId } from './metadata-value.ts';
import type { Lookup, Records } from './records.ts';
import type { UserKey } from './stored-key.ts';

/** The directives hash-encoding-mode and hash-length-mode, read at each use. */
export interface HashSettings {
  readonly encodingMode: 'legacy' | 'field-expiration';
  /** `accurate` counts the living fields where the record alone cannot tell; `approximate` counts dead ones too. */
  readonly lengthMode: 'accurate' | 'approximate';
}

/** What a field of the open hash is; `dead`: its time has passed, and its record still stands. */
export type FieldState = 'missing' | 'lasting' | 'timed' | 'dead';

const noSpan: Span = { buffer: Buffer.alloc(0), start: 0, end: 0 };
const logOfTimedFields: Buffer = Buffer.from('2 13 1', 'latin1');
const legacyMode = 0;

export class Hashes extends Collection {
  settings: HashSettings = { encodingMode: 'legacy', lengthMode: 'accurate' };
  /** The record opened last is of an encoding that is not known; `open` answered as for another type. */
  isUnknown = false;
  /** Unix time in ms at which the field read last dies; 0 never. */
  fieldExpireMs = 0;
  readonly #fieldValue = new Window();
  readonly #head = new Scratch(16);
  #isTimed = false;
  #nowMs = 0;
  /** Fields without a time, and bounds of the times of the others. */
  #lasting = 0;
  #lowerMs = 0;
  #upperMs = 0;
  #isTailChanged = false;

  constructor(records: Records) {
    super(records, typeId.hash);
  }

  /** The value of the field read last; valid until the next read. */
  override get value(): Window {
    return this.#isTimed ? this.#fieldValue : this.records.engine.value;
  }

  /** Whether fields of the open hash can have a time to die. */
  get hasTimedFields(): boolean {
    return this.#isTimed;
  }

  override open(key: UserKey, nowMs: number): Lookup {
    this.#nowMs = nowMs;
    this.#isTimed = this.isUnknown = false;
    const found = super.open(key, nowMs);
    if (found === 'found' && !this.#readTail()) return 'wrong-type';
    return found;
  }

  override create(key: UserKey): void {
    super.create(key);
    this.#isTimed = this.settings.encodingMode === 'field-expiration';
    this.#lasting = this.#lowerMs = this.#upperMs = 0;
    this.#isTailChanged = this.#isTimed;
  }

  /** @returns false when the encoding is not known. */
  #readTail(): boolean {
    const { tail } = this;
    const mode = tail.length === 0 ? legacyMode : tail[0];
    this.#isTimed = mode === fieldExpirationMode && tail.length === hashTailBytes;
    this.#isTailChanged = false;
    if (!this.#isTimed) {
      this.isUnknown = mode !== legacyMode;
      return !this.isUnknown;
    }
    this.#lasting = readU64(tail, 1);
    this.#lowerMs = readU64(tail, 9);
    this.#upperMs = readU64(tail, 17);
    return true;
  }

  /** Reads a field of the open hash into `value`. @returns whether it lives. */
  get(field: Span): boolean {
    if (!this.#isTimed) return this.size > 0 && this.#fetchPlain(field);
    const state = this.stateOf(field);
    return state === 'lasting' || state === 'timed';
  }

  #fetchPlain(field: Span): boolean {
    this.fieldExpireMs = 0;
    this.subkeyOf(field);
    return this.fetch();
  }

  /** As `get`, telling what the field is. A dead one is read too. */
  stateOf(field: Span): FieldState {
    this.fieldExpireMs = 0;
    if (this.size === 0 || !this.#fetchPlain(field)) return 'missing';
    if (!this.#isTimed) return 'lasting';
    const { value } = this.records.engine;
    const expireMs = fieldExpiryOf(value);
    this.#fieldValue.set(value.buffer, value.start + expiryBytes, value.end);
    this.fieldExpireMs = expireMs;
    if (expireMs === 0) return 'lasting';
    return expireMs < this.#nowMs ? 'dead' : 'timed';
  }

  /** Whether the running command has put this field already. */
  isPutByCommand(field: Span): boolean {
    this.subkeyOf(field);
    return this.isWrittenByCommand();
  }

  /**
   * Puts a field of the open hash. `isNew` says whether it did not live, which the caller has found out by `get`.
   * @param value must not be the `value` of this hash where fields can have a time: it is read again.
   * @param expireMs when the field dies, not in the past; 0 never. Where fields cannot have a time, 0.
   */
  put(field: Span, value: Span, isNew: boolean, expireMs = 0): void {
    if (!this.#isTimed) {
      this.subkeyOf(field);
      this.store(noSpan, value);
      if (isNew) this.size++;
      return;
    }
    const before = this.stateOf(field);
    this.#storeTimed(field, value, expireMs);
    this.#count(before, expireMs === 0 ? 'lasting' : 'timed', expireMs);
  }

  /** Gives a living field of a hash with timed fields another time to die; 0 never. */
  setExpiry(field: Span, expireMs: number): void {
    const before = this.stateOf(field);
    // The value stands in what was read, which storing does not touch, but reading the key again would.
    this.#storeTimed(field, { buffer: this.value.copy(), start: 0, end: this.value.length }, expireMs);
    this.#count(before, expireMs === 0 ? 'lasting' : 'timed', expireMs);
  }

  #storeTimed(field: Span, value: Span, expireMs: number): void {
    this.#head.reset();
    this.#head.u64(expireMs);
    this.subkeyOf(field);
    this.store(this.#head, value);
  }

  /** Deletes a field, a dead one's record too. @returns whether it lived. */
  remove(field: Span): boolean {
    const before = this.stateOf(field);
    if (before === 'missing') return false;
    this.subkeyOf(field);
    this.erase();
    if (this.#isTimed) this.#count(before, 'missing', 0);
    else this.size--;
    return before !== 'dead';
  }

  /** Keeps size, count and bounds in step with a field that was one thing and is another now. */
  #count(before: FieldState, after: FieldState, expireMs: number): void {
    const hadTimed = this.size > this.#lasting;
    if (after === 'timed') {
      this.#lowerMs = hadTimed ? Math.min(this.#lowerMs, expireMs) : expireMs;
      this.#upperMs = hadTimed ? Math.max(this.#upperMs, expireMs) : expireMs;
    }
    if (before === 'missing') this.size++;
    if (before === 'lasting') this.#lasting--;
    if (after === 'missing') this.size--;
    if (after === 'lasting') this.#lasting++;
    this.#lasting = Math.min(Math.max(0, this.#lasting), this.size);
    if (this.#lasting === this.size) this.#lowerMs = this.#upperMs = 0;
    this.#isTailChanged = true;
  }

  /** Number of living fields. Walks through the hash only when some may have died and their records still stand. */
  livingFields(): number {
    if (!this.#isTimed || this.#lasting === this.size) return this.size;
    if (this.#lowerMs !== 0 && this.#nowMs <= this.#lowerMs) return this.size;
    let count = 0;
    const walk = this.walk();
    try {
      while (walk.next()) count++;
    } finally {
      walk.close();
    }
    return count;
  }

  /** What HLEN answers, by the configured mode. */
  length(): number {
    return this.settings.lengthMode === 'approximate' ? this.size : this.livingFields();
  }

  /** Living fields in byte order, from `from` (included) to before `to`; to be closed by the caller. */
  walk(range: SubkeyRange = {}): HashWalk {
    // Whether a field lives stands in its value.
    const entries = this.iterate(this.#isTimed ? { ...range, keysOnly: false } : range);
    return new HashWalk(entries, this.prefixLength, this.#isTimed ? this.#nowMs : undefined);
  }

  override save(key: UserKey, always = false): void {
    if (!this.#isTimed) return super.save(key, always);
    if (!always && !this.#isTailChanged) return;
    if (this.size === 0) return this.#end(key);
    this.tail = this.#tailBytes();
    super.save(key, true);
    this.#isTailChanged = false;
  }

  /** A hash with timed fields leaves no record when its last field went. */
  #end(key: UserKey): void {
    if (this.isNew) return;
    this.log();
    this.records.delete(key);
  }

  #tailBytes(): Buffer {
    const into = new Scratch(hashTailBytes);
    into.u8(fieldExpirationMode);
    into.u64(this.#lasting);
    into.u64(this.#lowerMs);
    into.u64(this.#upperMs);
    return Buffer.from(into.view());
  }

  protected override writeLog(): void {
    if (this.#isTimed) this.records.engine.tick.logData(logOfTimedFields);
    else super.writeLog();
  }
}
