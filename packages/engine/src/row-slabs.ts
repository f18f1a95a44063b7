/**
 * The memory of the row cache: records in slabs outside the JavaScript heap, found through a hash table, evicted in the
 * order of S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023).
 *
 * The idea: records are appended to slabs, and slabs are evicted whole, the oldest of a ring first, so that nothing is
 * fragmented and no list of records is kept. There are two rings. A new record goes to the small one, a tenth of the
 * memory; when its slab is evicted, what was asked for again moves to the main ring, and of the rest only a fingerprint
 * is kept. Who comes back while its fingerprint is there goes to the main ring at once. In the main ring a record has up
 * to three further rounds, one for each time it was asked for. So keys that are read once pass through the small ring and
 * push nothing out, and a lookup writes at most two bits.
 *
 *   record   hash | next of its bucket | key length, flags, family | words in all, value length | key | value
 *
 * in 32-bit words, key and value filled up to whole ones. A place is the slab's number and an offset in it, in one
 * integer; 0 is none. The table has a fixed size, so that it is never built anew in the middle of a command; chains are
 * short because a key whose bucket is full already is not kept, whoever chose the keys.
 */
import { assert } from '@holdfast/base';
import { copyBytes, type Scratch, type Span } from './bytes.ts';
import { lastWordMask } from './key-hash.ts';

const headerWords = 4;
/** Offsets in a record's header, in words. */
const at = { hash: 0, next: 1, key: 2, value: 3 } as const;

/** In the third word: length of the key << 16 | these. */
const familyMask = 7;
const flag = {
  /** Two bits: how often the record was asked for, up to three times. */
  usedOnce: 1 << 3,
  used: 3 << 3,
  /** It is known that the database has no such record. */
  absent: 1 << 5,
  /** In no chain: what it was is replaced, deleted or forgotten. */
  dead: 1 << 6,
  main: 1 << 7,
} as const;
/** What must be equal for a record to be that of a key. */
const keyAndFamily = (0xffff << 16) | familyMask;

const slabBytesMax = 256 << 10;
const slabBytesMin = 1 << 10;
/** Slabs that a small cache has about, as far as their own least size allows. */
const slabsWanted = 64;
/** Two rings, one of them with a slab to spare, and one to move records to. */
const slabsMin = 4;
/** One bucket for so many bytes, or up to twice as many: the number of buckets is a power of two. */
const bytesPerBucket = 64;
const chainMax = 16;
/** One part in ten of the slabs is the small ring's. */
const smallPart = 10;

/** Where slabs stand in the order in which they were filled. */
class Ring {
  readonly slabs: number[] = [];
  /** The slab being filled, the last one of `slabs`; 0 none. */
  open = 0;
  /** Words used of it. */
  used = 0;
}

/** Sizes of everything, for a cache of so many bytes. */
export interface SlabPlan {
  readonly slabBytes: number;
  readonly slabs: number;
  readonly buckets: number;
  readonly fingerprints: number;
}

function powerOfTwoUpTo(most: number): number {
  let power = 1;
  while (power * 2 <= most) power *= 2;
  return power;
}

/** @returns undefined when `bytes` are too few for a cache. */
export function planOf(bytes: number): SlabPlan | undefined {
  const buckets = Math.min(powerOfTwoUpTo(Math.max(16, bytes / bytesPerBucket)), 1 << 28);
  const fingerprints = buckets >> 1;
  const slabBytes = Math.max(slabBytesMin, Math.min(slabBytesMax, powerOfTwoUpTo(bytes / slabsWanted)));
  // A place has 31 bits, and counts words; slab 0 is none.
  const slabs = Math.min(
    Math.floor((bytes - buckets * 4 - fingerprints * 2) / slabBytes),
    (2 ** 31 * 4) / slabBytes - 2,
  );
  return slabs < slabsMin ? undefined : { slabBytes, slabs, buckets, fingerprints };
}

export class RowSlabs {
  /** Living records. */
  count = 0;
  readonly plan: SlabPlan;
  /** Largest record that is kept, in words. */
  readonly #recordWordsMax: number;
  readonly #slabWords: number;
  readonly #shift: number;
  readonly #smallSlabs: number;
  /** By number of the slab; the same memory twice. */
  readonly #words: Int32Array[] = [new Int32Array()];
  readonly #bytes: Buffer[] = [Buffer.alloc(0)];
  /** Words used of slabs that are full. */
  readonly #used: number[] = [0];
  readonly #free: number[] = [];
  readonly #small = new Ring();
  readonly #main = new Ring();
  readonly #heads: Int32Array;
  readonly #fingerprints: Uint16Array;

  constructor(plan: SlabPlan) {
    this.plan = plan;
    this.#slabWords = plan.slabBytes >> 2;
    this.#shift = 31 - Math.clz32(this.#slabWords);
    this.#recordWordsMax = this.#slabWords >> 3;
    this.#smallSlabs = Math.max(1, Math.floor(plan.slabs / smallPart));
    this.#heads = new Int32Array(plan.buckets);
    this.#fingerprints = new Uint16Array(plan.fingerprints);
  }

  /** Bytes allocated, tables included. */
  get bytes(): number {
    const { plan } = this;
    return plan.buckets * 4 + plan.fingerprints * 2 + (this.#words.length - 1) * plan.slabBytes;
  }

  /** The place of the record of `key`; 0 when there is none. */
  find(of: number, key: Scratch, hash: number): number {
    const want = (key.end << 16) | of;
    const mask = this.#slabWords - 1;
    let place = this.#heads[hash & (this.#heads.length - 1)] as number;
    while (place !== 0) {
      const words = this.#words[place >>> this.#shift] as Int32Array;
      const offset = place & mask;
      if (
        words[offset] === hash &&
        ((words[offset + at.key] as number) & keyAndFamily) === want &&
        isKey(words, offset + headerWords, key)
      )
        return place;
      place = words[offset + at.next] as number;
    }
    return 0;
  }

  /** Whether a key with this hash may have a record. */
  hasHash(hash: number): boolean {
    const mask = this.#slabWords - 1;
    let place = this.#heads[hash & (this.#heads.length - 1)] as number;
    while (place !== 0) {
      const words = this.#words[place >>> this.#shift] as Int32Array;
      if (words[place & mask] === hash) return true;
      place = words[(place & mask) + at.next] as number;
    }
    return false;
  }

  /** Notes that a record was asked for. */
  touch(place: number): void {
    const words = this.#words[place >>> this.#shift] as Int32Array;
    const offset = (place & (this.#slabWords - 1)) + at.key;
    const word = words[offset] as number;
    if ((word & flag.used) !== flag.used) words[offset] = word + flag.usedOnce;
  }

  isAbsent(place: number): boolean {
    const words = this.#words[place >>> this.#shift] as Int32Array;
    return ((words[(place & (this.#slabWords - 1)) + at.key] as number) & flag.absent) !== 0;
  }

  /** The slab a record stands in. */
  bufferOf(place: number): Buffer {
    return this.#bytes[place >>> this.#shift] as Buffer;
  }

  /** Where its value begins in that slab. */
  valueStart(place: number): number {
    const words = this.#words[place >>> this.#shift] as Int32Array;
    const offset = place & (this.#slabWords - 1);
    return (offset + headerWords + keyWordsOf(words[offset + at.key] as number)) << 2;
  }

  valueLength(place: number): number {
    const words = this.#words[place >>> this.#shift] as Int32Array;
    return (words[(place & (this.#slabWords - 1)) + at.value] as number) & 0xffff;
  }

  /**
   * Keeps a record of a key that has none; evicts what has to go for it.
   * @param value undefined: the database has no such record.
   * @param room bytes kept free for a later value.
   * @returns whether it was kept: not when it is large, or the bucket is full.
   */
  add(of: number, key: Scratch, hash: number, value: Span | undefined, room: number): boolean {
    const length = value === undefined ? 0 : value.end - value.start;
    const words = recordWords(key.end, Math.max(length, room));
    if (words > this.#recordWordsMax || this.#chainOf(hash) >= chainMax) return false;
    const isKnown = this.#takeFingerprint(hash);
    const place = this.#append(isKnown ? this.#main : this.#small, words);
    const target = this.#words[place >>> this.#shift] as Int32Array;
    const offset = place & (this.#slabWords - 1);
    target[offset + at.hash] = hash;
    target[offset + at.key] = (key.end << 16) | of | (isKnown ? flag.main : 0);
    target[offset + at.value] = words << 16;
    const keyWords = key.words;
    for (let i = (key.end - 1) >> 2; i >= 0; i--) target[offset + headerWords + i] = keyWords[i] as number;
    this.#link(place, target, offset);
    this.count++;
    this.#fill(place, value);
    return true;
  }

  /**
   * Gives a record another value, where it stands.
   * @returns false when there is no room for it; then nothing was changed.
   */
  replace(place: number, value: Span | undefined): boolean {
    const words = this.#words[place >>> this.#shift] as Int32Array;
    const offset = place & (this.#slabWords - 1);
    const has = (words[offset + at.value] as number) >>> 16;
    const length = value === undefined ? 0 : value.end - value.start;
    if (recordWords((words[offset + at.key] as number) >>> 16, length) > has) return false;
    this.#fill(place, value);
    return true;
  }

  /** Forgets a record. @param comesBack its key is added again at once: what was asked for stays in the main ring. */
  remove(place: number, comesBack = false): void {
    const words = this.#words[place >>> this.#shift] as Int32Array;
    const offset = place & (this.#slabWords - 1);
    const word = words[offset + at.key] as number;
    if (comesBack && (word & (flag.main | flag.used)) !== 0) this.#leaveFingerprint(words[offset + at.hash] as number);
    this.#unlink(place, words, offset);
    words[offset + at.key] = word | flag.dead;
    this.count--;
  }

  /** Forgets the records of a family whose keys begin with `prefix` and of which `isCovered` says so. */
  removeWhere(of: number, prefix: Buffer, isCovered: (slab: Buffer, start: number, end: number) => boolean): void {
    this.forEach((place, words, offset) => {
      const word = words[offset + at.key] as number;
      if ((word & familyMask) !== of || word >>> 16 < prefix.length) return;
      const slab = this.bufferOf(place);
      const start = (offset + headerWords) << 2;
      // From the end: what keys of one collection share ends in what tells it from others.
      for (let i = prefix.length - 1; i >= 0; i--) if (slab[start + i] !== prefix[i]) return;
      if (isCovered(slab, start, start + (word >>> 16))) this.remove(place);
    });
  }

  /** Visits all living records, the oldest first, those of the main ring before the others. */
  forEach(visit: (place: number, words: Int32Array, offset: number) => void): void {
    for (const ring of [this.#main, this.#small])
      for (const slab of ring.slabs) {
        const words = this.#words[slab] as Int32Array;
        const end = slab === ring.open ? ring.used : (this.#used[slab] as number);
        for (let offset = 0; offset < end; offset += (words[offset + at.value] as number) >>> 16)
          if (((words[offset + at.key] as number) & flag.dead) === 0)
            visit((slab << this.#shift) | offset, words, offset);
      }
  }

  /** Keeps what `other` has, as far as there is room: the main ring's first, so that the newest stays. */
  takeOver(other: RowSlabs, key: Scratch): void {
    other.forEach((place, words, offset) => {
      const word = words[offset + at.key] as number;
      const buffer = other.bufferOf(place);
      const start = (offset + headerWords) << 2;
      key.reset();
      key.bytes(buffer, start, start + (word >>> 16));
      const valueStart = other.valueStart(place);
      const value = { buffer, start: valueStart, end: valueStart + other.valueLength(place) };
      const hash = words[offset + at.hash] as number;
      const of = word & familyMask;
      if (!this.add(of, key, hash, (word & flag.absent) === 0 ? value : undefined, 0)) return;
      if ((word & flag.used) !== 0) this.touch(this.find(of, key, hash));
    });
  }

  #fill(place: number, value: Span | undefined): void {
    const words = this.#words[place >>> this.#shift] as Int32Array;
    const offset = place & (this.#slabWords - 1);
    const length = value === undefined ? 0 : value.end - value.start;
    words[offset + at.value] = ((words[offset + at.value] as number) & ~0xffff) | length;
    const word = words[offset + at.key] as number;
    words[offset + at.key] = value === undefined ? word | flag.absent : word & ~flag.absent;
    if (value === undefined) return;
    const target = this.bufferOf(place);
    const start = (offset + headerWords + keyWordsOf(word)) << 2;
    if (length <= 40) copyBytes(value.buffer, value.start, value.end, target, start);
    else value.buffer.copy(target, start, value.start, value.end);
  }

  #chainOf(hash: number): number {
    let place = this.#heads[hash & (this.#heads.length - 1)] as number;
    let length = 0;
    for (; place !== 0; length++) {
      place = (this.#words[place >>> this.#shift] as Int32Array)[(place & (this.#slabWords - 1)) + at.next] as number;
    }
    return length;
  }

  #link(place: number, words: Int32Array, offset: number): void {
    const bucket = (words[offset + at.hash] as number) & (this.#heads.length - 1);
    words[offset + at.next] = this.#heads[bucket] as number;
    this.#heads[bucket] = place;
  }

  #unlink(place: number, words: Int32Array, offset: number): void {
    const next = words[offset + at.next] as number;
    const bucket = (words[offset + at.hash] as number) & (this.#heads.length - 1);
    let before = this.#heads[bucket] as number;
    if (before === place) {
      this.#heads[bucket] = next;
      return;
    }
    for (;;) {
      assert(before !== 0, 'a living record of the row cache stands in the chain of its bucket');
      const slab = this.#words[before >>> this.#shift] as Int32Array;
      const link = (before & (this.#slabWords - 1)) + at.next;
      before = slab[link] as number;
      if (before !== place) continue;
      slab[link] = next;
      return;
    }
  }

  /** Makes place for so many words at the end of a ring. */
  #append(ring: Ring, words: number): number {
    if (!this.#fits(ring, words)) {
      const slab = this.#slabForNew();
      // What was evicted for it may have opened another one.
      if (this.#fits(ring, words)) this.#free.push(slab);
      else this.#openSlab(ring, slab);
    }
    const place = (ring.open << this.#shift) | ring.used;
    ring.used += words;
    return place;
  }

  #fits(ring: Ring, words: number): boolean {
    return ring.open !== 0 && ring.used + words <= this.#slabWords;
  }

  #openSlab(ring: Ring, slab: number): void {
    if (ring.open !== 0) this.#used[ring.open] = ring.used;
    ring.slabs.push(slab);
    ring.open = slab;
    ring.used = 0;
  }

  /** An empty slab for new records: one more stays free, for records that are moved. */
  #slabForNew(): number {
    while (this.#free.length + this.plan.slabs - (this.#words.length - 1) < 2) this.#evict();
    return this.#emptySlab();
  }

  #emptySlab(): number {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    const bytes = Buffer.allocUnsafeSlow(this.plan.slabBytes);
    assert(this.#words.length <= this.plan.slabs, 'the row cache keeps to its bytes');
    this.#bytes.push(bytes);
    this.#used.push(0);
    return this.#words.push(new Int32Array(bytes.buffer, bytes.byteOffset, this.#slabWords)) - 1;
  }

  /** Empties the oldest slab of one ring. What stays is moved: all of a small slab, or half of a main one at most. */
  #evict(): void {
    const [small, main] = [this.#small, this.#main];
    const ring = small.slabs.length >= this.#smallSlabs || main.slabs.length === 0 ? small : main;
    const slab = ring.slabs.shift() as number;
    const end = slab === ring.open ? ring.used : (this.#used[slab] as number);
    if (slab === ring.open) ring.open = ring.used = 0;
    let mayMove = ring === main ? this.#slabWords >> 1 : this.#slabWords;
    const words = this.#words[slab] as Int32Array;
    for (let offset = 0; offset < end;) {
      const length = (words[offset + at.value] as number) >>> 16;
      const word = words[offset + at.key] as number;
      if ((word & flag.dead) === 0) {
        this.#unlink((slab << this.#shift) | offset, words, offset);
        if ((word & flag.used) !== 0 && length <= mayMove) {
          mayMove -= length;
          this.#moveToMain(words, offset, length, ring === main ? word - flag.usedOnce : word & ~flag.used);
        } else {
          this.count--;
          if (ring === small) this.#leaveFingerprint(words[offset + at.hash] as number);
        }
      }
      offset += length;
    }
    this.#free.push(slab);
  }

  #moveToMain(words: Int32Array, offset: number, length: number, keyWord: number): void {
    const ring = this.#main;
    if (!this.#fits(ring, length)) this.#openSlab(ring, this.#emptySlab());
    const target = this.#words[ring.open] as Int32Array;
    const to = ring.used;
    for (let i = 0; i < length; i++) target[to + i] = words[offset + i] as number;
    target[to + at.key] = keyWord | flag.main;
    ring.used += length;
    this.#link((ring.open << this.#shift) | to, target, to);
  }

  #leaveFingerprint(hash: number): void {
    this.#fingerprints[hash & (this.#fingerprints.length - 1)] = (hash >>> 16) | 1;
  }

  #takeFingerprint(hash: number): boolean {
    const slot = hash & (this.#fingerprints.length - 1);
    if (this.#fingerprints[slot] !== ((hash >>> 16) | 1)) return false;
    this.#fingerprints[slot] = 0;
    return true;
  }
}

function keyWordsOf(keyWord: number): number {
  return ((keyWord >>> 16) + 3) >> 2;
}

/** Words of a record, a multiple of two so that values may grow a little where they stand. */
function recordWords(keyBytes: number, valueBytes: number): number {
  return (headerWords + ((keyBytes + 3) >> 2) + ((valueBytes + 3) >> 2) + 1) & ~1;
}

function isKey(words: Int32Array, start: number, key: Scratch): boolean {
  const { words: wanted, end } = key;
  const whole = end >> 2;
  for (let i = 0; i < whole; i++) if (words[start + i] !== wanted[i]) return false;
  if ((end & 3) === 0) return true;
  return (((words[start + whole] as number) ^ (wanted[whole] as number)) & (lastWordMask[end & 3] as number)) === 0;
}
