/**
 * The row cache: records of the metadata and sub key families as the database has them, so that what is read again and
 * again is not looked up in RocksDB again. It remembers too that a record is not there: commands that add look for what
 * they add.
 *
 * It shows the state after the last closed tick. That is coherent because one party writes, on one thread:
 *   - reads ask the open tick first, then this, then ticks under commit, then the database, and only what the database
 *     said is added (`add`);
 *   - when a tick closes, everything it wrote is walked (`tickClosed`); on a replica every batch of the master
 *     (`batchesApplied`) before it is acknowledged. A write changes what is here and adds nothing: loading many keys
 *     pushes nothing out. A deleted range drops what it covers;
 *   - a failed commit, and whatever exchanges the database (full sync, rewind, change of role), empties it (`clear`).
 *
 * Expiry is the readers' business: a record of metadata carries its time, and reads as missing when that has passed,
 * here as in the database. Compaction filters delete records behind our back, but only dead ones: a sub key whose version
 * nobody has any more is never asked for again, since versions are not used twice, and a record of metadata whose time
 * has passed reads as missing from here too. So a cached dead record costs room, until it is evicted, and nothing else.
 *
 * Elements of lists that are read in runs are kept as such, in memory of their own: see list-runs.ts.
 *
 * Nothing here allocates per lookup, and only what is asked for twice stays: see row-slabs.ts.
 */
import { BatchReader } from './batch-reader.ts';
import { Scratch, Window, type Span } from './bytes.ts';
import { family } from './families.ts';
import { hashOfKey } from './key-hash.ts';
import { ListRuns } from './list-runs.ts';
import type { Namespace } from './namespace.ts';
import type { Overlay } from './overlay.ts';
import { RowSlabs, planOf } from './row-slabs.ts';
import { RowWarming, warmedMax, type WarmedKeys } from './row-warming.ts';

/** For INFO. */
export interface RowCacheFigures {
  /** Lookups answered, and lookups that went on to the database. */
  readonly hits: number;
  readonly misses: number;
  /** Records, those known to be absent included. */
  readonly entries: number;
  /** Bytes in use; never more than the size. */
  readonly bytes: number;
  /** Bytes that were asked of the system and never used. */
  readonly spareBytes: number;
  readonly bytesMax: number;
}

/** One part in so many is for runs of lists. */
const partOfRuns = 16;
/** Longer keys are not kept. */
const keyBytesMax = 1024;
/** Room that an absent record keeps for what will probably be put: a collection's metadata or a number, a score. */
const roomOfAbsent = { metadata: 32, subkey: 16 } as const;
/** With more records than this a deleted range does not look at each, but forgets all. */
const walkedMax = 1 << 20;

export class RowCache {
  readonly runs: ListRuns = new ListRuns(0);
  /** For everything, and for all but runs. */
  #bytesMax = 0;
  #slabBytesMax = 0;
  #slabs: RowSlabs | undefined;
  #hits = 0;
  #misses = 0;
  readonly #key = new Scratch();
  readonly #warming = new RowWarming();
  readonly #value = new Window();

  /** @param bytes most that is allocated; a cache of less than some kilobytes is none. */
  constructor(bytes: number) {
    this.#share(bytes);
  }

  #share(bytes: number): void {
    this.#bytesMax = bytes;
    this.#slabBytesMax = bytes - this.runs.resize(Math.floor(bytes / partOfRuns));
  }

  get figures(): RowCacheFigures {
    return {
      hits: this.#hits,
      misses: this.#misses,
      entries: this.#slabs?.count ?? 0,
      bytes: (this.#slabs?.bytes ?? 0) + this.runs.bytes,
      spareBytes: (this.#slabs?.spareBytes ?? 0) + this.runs.spareBytes,
      bytesMax: this.#bytesMax,
    };
  }

  /** CONFIG RESETSTAT. */
  resetFigures(): void {
    this.#hits = this.#misses = 0;
  }

  /** Makes the cache larger or smaller; what has no room is forgotten. 0 turns it off. */
  resize(bytes: number): void {
    this.#share(bytes);
    const old = this.#slabs;
    this.#slabs = undefined;
    if (old === undefined) return;
    this.#slabs = slabsOf(this.#slabBytesMax);
    this.#slabs?.takeOver(old, this.#key);
  }

  /**
   * Looks a key up.
   * @param hash of the key, as `hashOfKey` has it.
   * @returns 1 and the value in `into`, where it stands here: valid until the next `add` or the end of the tick; 0 when the
   *   database has no such record; -1 when it is not known.
   */
  find(of: number, key: Scratch, hash: number, into: Window): 1 | 0 | -1 {
    if (!this.#takes(of, key)) return -1;
    const slabs = this.#slabs;
    const place = slabs === undefined ? 0 : slabs.find(of, key, hash);
    if (slabs === undefined || place === 0) {
      this.#misses++;
      return -1;
    }
    this.#hits++;
    slabs.touch(place);
    if (slabs.isAbsent(place)) return 0;
    const start = slabs.valueStart(place);
    into.set(slabs.memory, start, start + slabs.valueLength(place));
    return 1;
  }

  /** Brings near what is cached of what a pipeline is about to read; see row-warming.ts. */
  warm(namespace: Namespace, keys: WarmedKeys, slotPrefixed: boolean): void {
    if (this.#slabs !== undefined) this.#warming.reads(this.#slabs, namespace, keys, slotPrefixed);
  }

  /** Whether `find` would know it; counts as no lookup. */
  has(of: number, key: Scratch, hash: number): boolean {
    return this.#slabs !== undefined && this.#takes(of, key) && this.#slabs.find(of, key, hash) !== 0;
  }

  /** Keeps what the database has for a key that `find` does not know; undefined: nothing. */
  add(of: number, key: Scratch, hash: number, value: Span | undefined): void {
    if (!this.#takes(of, key)) return;
    const roomOfNothing = of === family.metadata ? roomOfAbsent.metadata : roomOfAbsent.subkey;
    this.#open()?.add(of, key, hash, value, value === undefined ? roomOfNothing : 0);
  }

  /** Everything that a tick wrote, which is about to be committed. @param buffer where its entries point. */
  tickClosed(overlay: Overlay, buffer: Buffer): void {
    this.runs.tickClosed(overlay, buffer);
    if (this.#isEmpty) return;
    if (overlay.rangeCount > 0) {
      for (const { begin, end } of overlay.rangesOf(family.metadata)) this.#deleteRange(family.metadata, begin, end);
      for (const { begin, end } of overlay.rangesOf(family.subkey)) this.#deleteRange(family.subkey, begin, end);
    }
    const value = this.#value;
    const { count } = overlay;
    for (let index = 0; index < count; index++) {
      const slabs = this.#slabs;
      if (index % warmedMax === 0 && slabs !== undefined) this.#warming.writes(slabs, overlay, index);
      const of = overlay.familyOf(index);
      if (of > family.metadata || slabs === undefined || overlay.isSuperseded(index)) continue;
      // Most of what is written is not here: the key is copied only when its hash is.
      const hash = overlay.hashAt(index);
      if (!slabs.hasHash(hash)) continue;
      this.#key.reset();
      this.#key.bytes(buffer, overlay.keyStart(index), overlay.keyEnd(index));
      const start = overlay.valueStart(index);
      value.set(buffer, start, overlay.valueEnd(index));
      this.#write(of, hash, start < 0 ? undefined : value);
    }
  }

  /**
   * What a master's batches wrote, which are in the database now.
   * @throws ProtocolError when one is damaged; the cache is empty then.
   */
  batchesApplied(packed: Buffer, lengths: Uint32Array, count: number): void {
    if (this.#isEmpty && this.runs.bytes === 0) return;
    let start = 0;
    try {
      for (let i = 0; i < count; i++) {
        const end = start + (lengths[i] as number);
        this.#batchApplied(new BatchReader(packed, start, end));
        start = end;
      }
    } catch (error) {
      this.clear();
      throw error;
    }
  }

  /** Forgets everything and gives the memory back. */
  clear(): void {
    this.runs.clear();
    this.#slabs = undefined;
  }

  get #isEmpty(): boolean {
    return this.#slabs === undefined || this.#slabs.count === 0;
  }

  #takes(of: number, key: Scratch): boolean {
    return of <= family.metadata && this.#bytesMax > 0 && key.end <= keyBytesMax;
  }

  #open(): RowSlabs | undefined {
    return (this.#slabs ??= slabsOf(this.#slabBytesMax));
  }

  #batchApplied(reader: BatchReader): void {
    while (reader.next()) {
      const { kind, family: of, key, value } = reader;
      if (of > family.metadata || kind === 'log-data' || kind === 'other') continue;
      if (kind === 'delete-range') {
        this.runs.forgetAll();
        this.#deleteRange(of, key.copy(), value.copy());
        continue;
      }
      if (of === family.subkey && kind !== 'delete') this.runs.put(key);
      this.#key.reset();
      this.#key.bytes(key.buffer, key.start, key.end);
      const hash = hashOfKey(of, this.#key);
      if (kind === 'merge') this.#forget(of, hash);
      else this.#write(of, hash, kind === 'put' ? value : undefined);
    }
  }

  /** Brings the record of `#key` up to date, if it is here; undefined: it was deleted. */
  #write(of: number, hash: number, value: Span | undefined): void {
    const slabs = this.#slabs;
    const key = this.#key;
    if (slabs === undefined || key.end > keyBytesMax) return;
    const place = slabs.find(of, key, hash);
    if (place === 0 || slabs.replace(place, value)) return;
    slabs.remove(place, true);
    slabs.add(of, key, hash, value, 0);
  }

  #forget(of: number, hash: number): void {
    const slabs = this.#slabs;
    if (slabs === undefined || this.#key.end > keyBytesMax) return;
    const place = slabs.find(of, this.#key, hash);
    if (place !== 0) slabs.remove(place);
  }

  /** A range of metadata is a namespace, a slot or everything, and what it held of sub keys is nobody's: all goes. */
  #deleteRange(of: number, begin: Buffer, end: Buffer): void {
    const slabs = this.#slabs;
    if (slabs === undefined) return;
    if (of === family.metadata || slabs.count > walkedMax) {
      this.clear();
      return;
    }
    let shared = 0;
    while (shared < begin.length && shared < end.length && begin[shared] === end[shared]) shared++;
    slabs.removeWhere(
      of,
      begin.subarray(0, shared),
      (memory, from, to) => begin.compare(memory, from, to) <= 0 && end.compare(memory, from, to) > 0,
    );
  }
}

/** Slabs of so many bytes, or of as many as the system grants; undefined when they are too few. */
function slabsOf(bytesMax: number): RowSlabs | undefined {
  for (let bytes = bytesMax; ; bytes /= 2) {
    const plan = planOf(bytes);
    if (plan === undefined) return undefined;
    try {
      return new RowSlabs(plan);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  }
}
