/**
 * What all collections have in common: one metadata record (version, number of elements, for some types a tail), and sub
 * key records that share a prefix. A command opens a collection, reads or changes sub keys, and saves: the metadata record
 * is written last, and only when something in it changed.
 *
 * A collection is opened into this object and stays open until the next `open`, also while other records are read: it
 * keeps its own copy of the metadata. Commands on two collections at a time take two objects. One that lost all its
 * elements keeps its record with size 0, as in Kvrocks: it reads as missing, and the next write begins a new version.
 */
import { Scratch, copyBytes, type Span, type Window } from './bytes.ts';
import type { EntryIterator } from './entry-iterator.ts';
import { family } from './families.ts';
import type { Lookup, Records } from './records.ts';
import { keyAfterPrefix, writeSubkeyPrefix, type UserKey } from './stored-key.ts';

const noBytes = Buffer.alloc(0);
const noSpan: Span = { buffer: noBytes, start: 0, end: 0 };

/** A range of sub keys, without the prefix. */
export interface SubkeyRange {
  /** First sub key, included. */
  readonly from?: Span;
  /** End, not included. */
  readonly to?: Span;
  readonly reverse?: boolean;
  readonly keysOnly?: boolean;
  /** The family the sub keys stand in; `family.subkey` when left out. */
  readonly of?: number;
  /** Of a detached iteration: may go on after the command, see EntryIterator. */
  readonly detached?: boolean;
  /** About so many are passed on at once, see EntryIterator. */
  readonly passing?: number;
}

export class Collection {
  readonly records: Records;
  readonly type: number;
  /** Number of elements of the open collection. */
  size = 0;
  /** Unix time in ms at which the open collection dies; 0 never. Set it before `save(key, true)`. */
  expireMs = 0;
  /** The type's own metadata behind the size; valid until the next `open`. Replace it and `save(key, true)` to change it. */
  tail: Buffer = noBytes;
  readonly #subkey = new Scratch();
  /** The last tail read, kept to be filled again: most tails of a type have one length. */
  #tailRead: Buffer = noBytes;
  #prefixLength = 0;
  #savedSize = 0;
  #isLogged = false;
  #isNew = false;
  #is64 = true;
  #high = 0;
  #low = 0;

  constructor(records: Records, type: number) {
    this.records = records;
    this.type = type;
  }

  /** The value read last by `fetch` or `get`; valid until the next read of anything. */
  get value(): Window {
    return this.records.engine.value;
  }

  /** Opens the collection of `key` for reading. */
  open(key: UserKey, nowMs: number): Lookup {
    this.#isNew = false;
    const found = this.records.lookup(key, this.type, nowMs);
    if (found === 'found') this.enter(key);
    else this.size = 0;
    return found;
  }

  /**
   * Opens the collection of `key` for writing: `absent` means that one was begun, with a new version, size 0 and an empty
   * tail. It exists once `save` is called.
   */
  openOrCreate(key: UserKey, nowMs: number): Lookup {
    const found = this.open(key, nowMs);
    if (found === 'absent') this.create(key);
    return found;
  }

  /** Begins a collection with a new version in place of whatever `key` is. */
  create(key: UserKey): void {
    this.records.meta.create(this.type, this.records.engine.versions.next());
    this.enter(key);
    this.#isNew = true;
  }

  /** Whether the running command began the open collection: nothing of it is stored but what the command has put. */
  protected get isNew(): boolean {
    return this.#isNew;
  }

  /** Makes the record loaded last (or just created) the open collection. */
  protected enter(key: UserKey): void {
    const { engine, meta } = this.records;
    this.size = this.#savedSize = meta.size;
    this.expireMs = meta.expireMs;
    this.#is64 = meta.is64;
    this.#high = meta.high;
    this.#low = meta.low;
    const { buffer, end } = engine.value;
    const hasTail = meta.bodyStart > 0 && meta.bodyStart < end;
    if (hasTail) this.enterTail(buffer, meta.bodyStart, end);
    else this.tail = noBytes;
    this.#isLogged = false;
    this.#prefixLength = writeSubkeyPrefix(this.#subkey, key, meta, engine.slotPrefixed);
  }

  /** Takes the tail from the record, where it stands until the next read. */
  protected enterTail(buffer: Buffer, start: number, end: number): void {
    if (this.#tailRead.length !== end - start) this.#tailRead = Buffer.allocUnsafeSlow(end - start);
    copyBytes(buffer, start, end, this.#tailRead, 0);
    this.tail = this.#tailRead;
  }

  /** Bytes that every sub key of the open collection begins with: where the sub key begins in the key of an entry. */
  get prefixLength(): number {
    return this.#prefixLength;
  }

  /** The key in the making, cut back to the prefix: append the sub key, then `fetch`, `store` or `erase`. */
  subkey(): Scratch {
    this.#subkey.end = this.#prefixLength;
    return this.#subkey;
  }

  /** As `subkey`, with the sub key appended. */
  subkeyOf(name: Span): Scratch {
    this.#subkey.end = this.#prefixLength;
    this.#subkey.bytes(name.buffer, name.start, name.end);
    return this.#subkey;
  }

  /** Reads the sub key in the making into `value`. @returns whether it exists. */
  fetch(of: number = family.subkey): boolean {
    const { engine } = this.records;
    return this.#isNew ? engine.getWritten(of, this.#subkey) : engine.get(of, this.#subkey);
  }

  /** Puts `head` and `body`, one after the other, under the sub key in the making. `size` is the caller's to change. */
  store(head: Span, body: Span = noSpan, of: number = family.subkey): void {
    this.log();
    this.records.engine.tick.put(of, this.#subkey, head, body, this.#prefixLength);
  }

  /** Deletes the sub key in the making, which should exist. `size` is the caller's to change. */
  erase(of: number = family.subkey): void {
    this.log();
    this.records.engine.tick.delete(of, this.#subkey, this.#prefixLength);
  }

  /** Whether the running command has put the sub key in the making. */
  isWrittenByCommand(of: number = family.subkey): boolean {
    return this.records.engine.isWrittenByCommand(of, this.#subkey);
  }

  /** Writes the metadata record when the number of elements changed, or `always`. */
  save(key: UserKey, always = false): void {
    if (!always && this.size === this.#savedSize) return;
    this.log();
    const { meta } = this.records;
    meta.create(this.type);
    meta.is64 = this.#is64;
    meta.high = this.#high;
    meta.low = this.#low;
    meta.expireMs = this.expireMs;
    meta.size = Math.max(0, this.size);
    this.records.store(key, { buffer: this.tail, start: 0, end: this.tail.length });
    this.#savedSize = this.size;
  }

  /** Entries of the open collection in the order of their sub keys; to be closed by the caller. */
  iterate({ from, to, of, ...how }: SubkeyRange = {}): EntryIterator {
    const prefix = Buffer.from(this.#subkey.buffer.subarray(0, this.#prefixLength));
    const gte = from === undefined ? prefix : this.#copyOf(from);
    const lt = to === undefined ? keyAfterPrefix(prefix) : this.#copyOf(to);
    return this.records.engine.iterate(of ?? family.subkey, {
      gte,
      ...(lt === undefined ? {} : { lt }),
      group: prefix,
      ...how,
    });
  }

  #copyOf(name: Span): Buffer {
    return Buffer.from(this.subkeyOf(name).view());
  }

  /** Says in the log, once per opening, what the records that follow belong to. */
  protected log(): void {
    if (this.#isLogged) return;
    this.writeLog();
    this.#isLogged = true;
  }

  /** The LogData of this type; lists and bitmaps say more than their type. */
  protected writeLog(): void {
    this.records.log(this.type);
  }
}
