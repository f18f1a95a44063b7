/**
 * Bitmaps (Kvrocks types/redis_bitmap.cc): sparse, in fragments of 1024 bytes under the decimal text of their byte offset,
 * bits counted from the least significant one. A fragment that is not there is all zeros; one that grows is at least
 * doubled, so it may end behind the bitmap, whose length in bytes is the size in its metadata.
 *
 * Bit commands work on strings too, and must not care which of the two a key is. So what is read here comes in blocks of
 * 1024 bytes in the order of strings (most significant bit first), whatever is stored.
 */
import { assert } from '@holdfast/base';
import { turned } from './bit-order.ts';
import { Window, type Span } from './bytes.ts';
import { Collection } from './collection.ts';
import { typeId } from './metadata-value.ts';
import type { Lookup, Records } from './records.ts';
import type { UserKey } from './stored-key.ts';

/** Bytes of a fragment, and of a block. */
export const blockBytes = 1024;

/** Blocks that are looked up one after the other before those that exist are listed. */
const lookedUp = 16;

/** How long a fragment of `length` bytes becomes when it must hold `needed`. */
function grownLength(length: number, needed: number): number {
  if (needed <= length) return length;
  return needed > 2 * length ? needed : Math.min(2 * length, blockBytes);
}

/** The fragments of a bitmap. What a write says in the log is the command's. */
class Fragments extends Collection {
  logText = '6';

  constructor(records: Records) {
    super(records, typeId.bitmap);
  }

  protected override writeLog(): void {
    this.records.engine.tick.logData(Buffer.from(this.logText, 'latin1'));
  }

  /** Puts the key of the fragment with a block's bytes in the making. */
  keyOf(block: number): void {
    const subkey = this.subkey();
    subkey.reserve(16);
    subkey.end += subkey.buffer.latin1Write(String(block * blockBytes), subkey.end);
  }
}

export class Bitmaps {
  readonly records: Records;
  /** What the open value is. */
  form: 'bitmap' | 'string' = 'bitmap';
  /** Its length in bytes. */
  length = 0;
  /** The block read last, in the order of strings. */
  readonly block: Buffer = Buffer.alloc(blockBytes);
  /** Bytes of `block` that mean something; all behind are zeros. */
  blockLength = 0;
  readonly #fragments: Fragments;
  readonly #text = new Window();
  /** A fragment as it is stored, while it is changed. */
  readonly #fragment: Buffer = Buffer.alloc(blockBytes);

  constructor(records: Records) {
    this.records = records;
    this.#fragments = new Fragments(records);
  }

  /** Opens a bitmap or a string; of a string, what is read is valid until the next read of anything (see `keepText`). */
  open(key: UserKey, nowMs: number): Lookup {
    const { records } = this;
    const found = this.#fragments.open(key, nowMs);
    this.form = 'bitmap';
    this.length = this.#fragments.size;
    if (found !== 'wrong-type' || records.meta.type !== typeId.string) return found;
    const { buffer, start, end } = records.body();
    this.form = 'string';
    this.#text.set(buffer, start, end);
    this.length = end - start;
    return 'found';
  }

  /** As `open`; an absent key becomes a bitmap, once something is written. */
  openOrCreate(key: UserKey, nowMs: number): Lookup {
    const found = this.open(key, nowMs);
    if (found === 'absent') this.create(key);
    return found;
  }

  /** Begins a bitmap in place of whatever `key` is. */
  create(key: UserKey): void {
    this.#fragments.create(key);
    this.form = 'bitmap';
    this.length = 0;
  }

  /** Lets an open string be read while other keys are. */
  keepText(): void {
    if (this.form === 'string') this.#text.setAll(this.#text.copy());
  }

  /** Lets go of an open string, which may be large while the object stays. To be called at a command's end. */
  letGo(): void {
    this.#text.clear();
  }

  /** What the next write of the open bitmap says in the log: `6 9 <bit offset>` and the like. */
  set logText(text: string) {
    this.#fragments.logText = text;
  }

  /** Blocks that the open value has room in. */
  get blocks(): number {
    return Math.ceil(this.length / blockBytes);
  }

  /** Reads a block. @returns whether it is stored; if not, it is all zeros and `blockLength` is 0. */
  readBlock(index: number): boolean {
    const at = index * blockBytes;
    this.blockLength = Math.max(0, Math.min(blockBytes, this.length - at));
    if (this.blockLength === 0) return false;
    if (this.form === 'string') {
      const { buffer, start } = this.#text;
      buffer.copy(this.block, 0, start + at, start + at + this.blockLength);
      return true;
    }
    this.#fragments.keyOf(index);
    if (!this.#fragments.fetch()) {
      this.blockLength = 0;
      return false;
    }
    const { buffer, start, end } = this.#fragments.value;
    this.blockLength = Math.min(this.blockLength, end - start);
    for (let i = 0; i < this.blockLength; i++) this.block[i] = turned[buffer[start + i] as number] as number;
    return true;
  }

  /**
   * Visits the stored blocks from `first` to `last`, both included, in order, each read before.
   * The first ones are looked up; of a long bitmap the others are listed, for most of them may be missing.
   * @param visit ends the walk by false.
   */
  visitBlocks(first: number, last: number, visit: (index: number) => boolean): void {
    const near = this.form === 'string' ? last : Math.min(last, first + lookedUp - 1);
    for (let index = first; index <= near; index++) if (this.readBlock(index) && !visit(index)) return;
    if (near >= last) return;
    for (const index of this.storedBlocks()) {
      if (index > near && index <= last && this.readBlock(index) && !visit(index)) return;
    }
  }

  /**
   * Indexes of the blocks that may be other than zeros, rising: of a short value all, of a long bitmap those that are stored
   * (which are found in the order of their decimal text).
   */
  storedBlocks(): number[] {
    const { blocks } = this;
    if (this.form === 'string' || blocks <= lookedUp) return Array.from({ length: blocks }, (_, index) => index);
    const indexes: number[] = [];
    const entries = this.#fragments.iterate({ keysOnly: true });
    try {
      while (entries.next()) {
        const { buffer, start, end } = entries.key;
        indexes.push(Number(buffer.latin1Slice(start + this.#fragments.prefixLength, end)) / blockBytes);
      }
    } finally {
      entries.close();
    }
    return indexes.sort((a, b) => a - b);
  }

  /** A bit of the open value; 0 behind its end. @param offset up to 2^32 - 1. */
  bit(offset: number): 0 | 1 {
    const at = Math.floor(offset / 8);
    if (at >= this.length) return 0;
    if (this.form === 'string') {
      const { buffer, start } = this.#text;
      return ((buffer[start + at] as number) & (0x80 >> (offset & 7))) === 0 ? 0 : 1;
    }
    this.#fragments.keyOf(Math.floor(at / blockBytes));
    if (!this.#fragments.fetch()) return 0;
    const { buffer, start, end } = this.#fragments.value;
    const place = start + (at % blockBytes);
    return place < end && ((buffer[place] as number) & (1 << (offset & 7))) !== 0 ? 1 : 0;
  }

  /**
   * Sets a bit of the open value, which grows to hold it; nothing is written if it is what it was. `logText` is set before.
   * @returns what it was.
   */
  setBit(key: UserKey, offset: number, bit: 0 | 1): 0 | 1 {
    return this.form === 'string' ? this.#setBitOfText(key, offset, bit) : this.#setBitOfFragment(key, offset, bit);
  }

  #setBitOfText(key: UserKey, offset: number, bit: 0 | 1): 0 | 1 {
    const was = this.bit(offset);
    const at = Math.floor(offset / 8);
    if (was === bit && at < this.length) return was;
    const text = this.changeableText(at + 1);
    if (was !== bit) text[at] = (text[at] as number) ^ (0x80 >> (offset & 7));
    this.saveText(key, text);
    return was;
  }

  #setBitOfFragment(key: UserKey, offset: number, bit: 0 | 1): 0 | 1 {
    const at = Math.floor(offset / 8);
    const index = Math.floor(at / blockBytes);
    const within = at % blockBytes;
    const length = this.#loadFragment(index, within + 1);
    const byte = this.#fragment[within] as number;
    const mask = 1 << (offset & 7);
    const was = (byte & mask) === 0 ? 0 : 1;
    if (was === bit && at < this.length) return was;
    if (was !== bit) this.#fragment[within] = byte ^ mask;
    this.#fragments.keyOf(index);
    this.#fragments.store({ buffer: this.#fragment, start: 0, end: length });
    this.saveLength(key, at + 1);
    return was;
  }

  /** Brings a fragment into `#fragment`, grown to hold `needed` bytes. @returns its length. */
  #loadFragment(index: number, needed: number): number {
    this.#fragments.keyOf(index);
    let stored = 0;
    if (this.length > 0 && this.#fragments.fetch()) {
      const { buffer, start, end } = this.#fragments.value;
      stored = Math.min(end - start, blockBytes);
      buffer.copy(this.#fragment, 0, start, start + stored);
    }
    const length = grownLength(stored, needed);
    this.#fragment.fill(0, stored, length);
    return length;
  }

  /**
   * Writes the first `length` bytes of a block, given in the order of strings; what the fragment had behind them stays.
   * The length of the bitmap is the caller's to save.
   */
  writeBlock(index: number, bytes: Uint8Array, length: number): void {
    assert(this.form === 'bitmap', 'a string is written as a whole');
    const grown = this.#loadFragment(index, length);
    for (let i = 0; i < length; i++) this.#fragment[i] = turned[bytes[i] as number] as number;
    this.#fragments.keyOf(index);
    this.#fragments.store({ buffer: this.#fragment, start: 0, end: grown });
  }

  /** Writes the metadata record of the open bitmap when it is shorter than `length` bytes, or `always`. */
  saveLength(key: UserKey, length: number, always = false): void {
    this.length = this.#fragments.size = Math.max(this.length, length);
    this.#fragments.save(key, always);
  }

  /** The open string as a copy of at least `length` bytes, to be changed and given to `saveText`. */
  changeableText(length: number): Buffer {
    const text = Buffer.alloc(Math.max(length, this.length));
    const { buffer, start, end } = this.#text;
    buffer.copy(text, 0, start, end);
    return text;
  }

  /** Replaces the open string, whose record must be the one loaded last; its expiry stays. */
  saveText(key: UserKey, text: Span | Buffer): void {
    const span = Buffer.isBuffer(text) ? { buffer: text, start: 0, end: text.length } : text;
    this.records.log(typeId.string);
    this.records.store(key, span);
  }
}
