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
 * in 32-bit words, key and value filled up to whole ones. A place is where a record begins, in words; 0 is none. Table and
 * slabs are one piece of memory, so that a lookup touches nothing but a bucket and a record, and the system may back it with
 * huge pages; what was never written of it takes none. The table has a fixed size, so that it is never built anew in the
 * middle of a command; chains are short because a key whose bucket is full already is not kept, whoever chose the keys.
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

/** Words of a record that are brought near: three lines of the processor's caches. */
const warmedWords = 28;

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
  /** Means nothing. */
  warmth = 0;
  readonly plan: SlabPlan;
  /** Largest record that is kept, in words. */
  readonly #recordWordsMax: number;
  readonly #slabWords: number;
  readonly #smallSlabs: number;
  /** The memory of all slabs, twice; taken from the system as it is written. Slab 0 is none. */
  readonly #words: Int32Array;
  readonly #bytes: Buffer;
  /** Slabs that were opened, slab 0 included. */
  #opened = 1;
  /** Words used of slabs that are full. */
  readonly #used: Int32Array;
  readonly #free: number[] = [];
  readonly #small = new Ring();
  readonly #main = new Ring();
  readonly #heads: Int32Array;
  readonly #bucketMask: number;
  readonly #fingerprints: Uint16Array;

  /** @throws RangeError when the system does not grant so much memory. */
  constructor(plan: SlabPlan) {
    this.plan = plan;
    this.#slabWords = plan.slabBytes >> 2;
    this.#recordWordsMax = this.#slabWords >> 3;
    this.#smallSlabs = Math.max(1, Math.floor(plan.slabs / smallPart));
    this.#used = new Int32Array(plan.slabs + 1);
    const tableBytes = plan.buckets * 4;
    const memory = new ArrayBuffer(tableBytes + (plan.slabs + 1) * plan.slabBytes);
    this.#heads = new Int32Array(memory, 0, plan.buckets);
    this.#words = new Int32Array(memory, tableBytes);
    this.#bytes = Buffer.from(memory, tableBytes);
    this.#bucketMask = plan.buckets - 1;
    this.#fingerprints = new Uint16Array(plan.fingerprints);
  }

  /** Bytes in use, tables included. */
  get bytes(): number {
    const { plan } = this;
    return plan.buckets * 4 + plan.fingerprints * 2 + (this.#opened - 1) * plan.slabBytes;
  }

  /** Bytes of slabs that were never opened: they take address space only. */
  get spareBytes(): number {
    return (this.plan.slabs + 1 - (this.#opened - 1)) * this.plan.slabBytes;
  }

  /** The place of the record of `key`; 0 when there is none. */
  find(of: number, key: Scratch, hash: number): number {
    const want = (key.end << 16) | of;
    const words = this.#words;
    let place = this.#heads[hash & this.#bucketMask] as number;
    while (place !== 0) {
      if (
        words[place] === hash &&
        ((words[place + at.key] as number) & keyAndFamily) === want &&
        isKey(words, place + headerWords, key)
      )
        return place;
      place = words[place + at.next] as number;
    }
    return 0;
  }

  /** Reads what records with these hashes stand in, all at once. Replaces each by the place it found. */
  warm(hashes: Int32Array, count: number): void {
    const heads = this.#heads;
    const words = this.#words;
    const mask = this.#bucketMask;
    const last = words.length - 1;
    for (let i = 0; i < count; i++) hashes[i] = heads[(hashes[i] as number) & mask] as number;
    let sum = 0;
    for (let i = 0; i < count; i++) {
      const place = hashes[i] as number;
      sum ^= words[place] as number;
      sum ^= words[Math.min(place + warmedWords / 2, last)] as number;
      sum ^= words[Math.min(place + warmedWords, last)] as number;
    }
    // Or else the compiler might find that nobody needs it.
    this.warmth = sum;
  }

  /** Whether a key with this hash may have a record. */
  hasHash(hash: number): boolean {
    const words = this.#words;
    let place = this.#heads[hash & this.#bucketMask] as number;
    while (place !== 0) {
      if (words[place] === hash) return true;
      place = words[place + at.next] as number;
    }
    return false;
  }

  /** Notes that a record was asked for. */
  touch(place: number): void {
    const word = this.#words[place + at.key] as number;
    if ((word & flag.used) !== flag.used) this.#words[place + at.key] = word + flag.usedOnce;
  }

  isAbsent(place: number): boolean {
    return ((this.#words[place + at.key] as number) & flag.absent) !== 0;
  }

  /** Where the records stand. */
  get memory(): Buffer {
    return this.#bytes;
  }

  /** Where a value begins in the memory. */
  valueStart(place: number): number {
    return (place + headerWords + keyWordsOf(this.#words[place + at.key] as number)) * 4;
  }

  valueLength(place: number): number {
    return (this.#words[place + at.value] as number) & 0xffff;
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
    const target = this.#words;
    target[place + at.hash] = hash;
    target[place + at.key] = (key.end << 16) | of | (isKnown ? flag.main : 0);
    target[place + at.value] = words << 16;
    const keyWords = key.words;
    for (let i = (key.end - 1) >> 2; i >= 0; i--) target[place + headerWords + i] = keyWords[i] as number;
    this.#link(place);
    this.count++;
    this.#fill(place, value);
    return true;
  }

  /**
   * Gives a record another value, where it stands.
   * @returns false when there is no room for it; then nothing was changed.
   */
  replace(place: number, value: Span | undefined): boolean {
    const words = this.#words;
    const has = (words[place + at.value] as number) >>> 16;
    const length = value === undefined ? 0 : value.end - value.start;
    if (recordWords((words[place + at.key] as number) >>> 16, length) > has) return false;
    this.#fill(place, value);
    return true;
  }

  /** Forgets a record. @param comesBack its key is added again at once: what was asked for stays in the main ring. */
  remove(place: number, comesBack = false): void {
    const words = this.#words;
    const word = words[place + at.key] as number;
    if (comesBack && (word & (flag.main | flag.used)) !== 0) this.#leaveFingerprint(words[place + at.hash] as number);
    this.#unlink(place);
    words[place + at.key] = word | flag.dead;
    this.count--;
  }

  /** Forgets the records of a family whose keys begin with `prefix` and of which `isCovered` says so. */
  removeWhere(of: number, prefix: Buffer, isCovered: (memory: Buffer, start: number, end: number) => boolean): void {
    this.forEach((place, words) => {
      const word = words[place + at.key] as number;
      if ((word & familyMask) !== of || word >>> 16 < prefix.length) return;
      const memory = this.#bytes;
      const start = (place + headerWords) * 4;
      // From the end: what keys of one collection share ends in what tells it from others.
      for (let i = prefix.length - 1; i >= 0; i--) if (memory[start + i] !== prefix[i]) return;
      if (isCovered(memory, start, start + (word >>> 16))) this.remove(place);
    });
  }

  /** Visits all living records, the oldest first, those of the main ring before the others. */
  forEach(visit: (place: number, words: Int32Array) => void): void {
    const words = this.#words;
    for (const ring of [this.#main, this.#small])
      for (const slab of ring.slabs) {
        const begin = slab * this.#slabWords;
        const end = begin + (slab === ring.open ? ring.used : (this.#used[slab] as number));
        for (let place = begin; place < end; place += (words[place + at.value] as number) >>> 16)
          if (((words[place + at.key] as number) & flag.dead) === 0) visit(place, words);
      }
  }

  /** Keeps what `other` has, as far as there is room: the main ring's first, so that the newest stays. */
  takeOver(other: RowSlabs, key: Scratch): void {
    const buffer = other.memory;
    other.forEach((place, words) => {
      const word = words[place + at.key] as number;
      const start = (place + headerWords) * 4;
      key.reset();
      key.bytes(buffer, start, start + (word >>> 16));
      const valueStart = other.valueStart(place);
      const value = { buffer, start: valueStart, end: valueStart + other.valueLength(place) };
      const hash = words[place + at.hash] as number;
      const of = word & familyMask;
      if (!this.add(of, key, hash, (word & flag.absent) === 0 ? value : undefined, 0)) return;
      if ((word & flag.used) !== 0) this.touch(this.find(of, key, hash));
    });
  }

  #fill(place: number, value: Span | undefined): void {
    const words = this.#words;
    const length = value === undefined ? 0 : value.end - value.start;
    words[place + at.value] = ((words[place + at.value] as number) & ~0xffff) | length;
    const word = words[place + at.key] as number;
    words[place + at.key] = value === undefined ? word | flag.absent : word & ~flag.absent;
    if (value === undefined) return;
    const target = this.#bytes;
    const start = (place + headerWords + keyWordsOf(word)) * 4;
    if (length <= 40) copyBytes(value.buffer, value.start, value.end, target, start);
    else value.buffer.copy(target, start, value.start, value.end);
  }

  #chainOf(hash: number): number {
    let place = this.#heads[hash & this.#bucketMask] as number;
    let length = 0;
    for (; place !== 0; length++) place = this.#words[place + at.next] as number;
    return length;
  }

  #link(place: number): void {
    const bucket = (this.#words[place + at.hash] as number) & this.#bucketMask;
    this.#words[place + at.next] = this.#heads[bucket] as number;
    this.#heads[bucket] = place;
  }

  #unlink(place: number): void {
    const words = this.#words;
    const next = words[place + at.next] as number;
    const bucket = (words[place + at.hash] as number) & this.#bucketMask;
    let before = this.#heads[bucket] as number;
    if (before === place) {
      this.#heads[bucket] = next;
      return;
    }
    for (;;) {
      assert(before !== 0, 'a living record of the row cache stands in the chain of its bucket');
      const link = before + at.next;
      before = words[link] as number;
      if (before !== place) continue;
      words[link] = next;
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
    const place = ring.open * this.#slabWords + ring.used;
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
    while (this.#free.length + this.plan.slabs - (this.#opened - 1) < 2) this.#evict();
    return this.#emptySlab();
  }

  #emptySlab(): number {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    assert(this.#opened <= this.plan.slabs, 'the row cache keeps to its bytes');
    return this.#opened++;
  }

  /** Empties the oldest slab of one ring. What stays is moved: all of a small slab, or half of a main one at most. */
  #evict(): void {
    const [small, main] = [this.#small, this.#main];
    const ring = small.slabs.length >= this.#smallSlabs || main.slabs.length === 0 ? small : main;
    const slab = ring.slabs.shift() as number;
    const end = slab === ring.open ? ring.used : (this.#used[slab] as number);
    if (slab === ring.open) ring.open = ring.used = 0;
    let mayMove = ring === main ? this.#slabWords >> 1 : this.#slabWords;
    const words = this.#words;
    const begin = slab * this.#slabWords;
    for (let place = begin; place < begin + end;) {
      const length = (words[place + at.value] as number) >>> 16;
      const word = words[place + at.key] as number;
      if ((word & flag.dead) === 0) {
        this.#unlink(place);
        if ((word & flag.used) !== 0 && length <= mayMove) {
          mayMove -= length;
          this.#moveToMain(place, length, ring === main ? word - flag.usedOnce : word & ~flag.used);
        } else {
          this.count--;
          if (ring === small) this.#leaveFingerprint(words[place + at.hash] as number);
        }
      }
      place += length;
    }
    this.#free.push(slab);
  }

  #moveToMain(place: number, length: number, keyWord: number): void {
    const ring = this.#main;
    if (!this.#fits(ring, length)) this.#openSlab(ring, this.#emptySlab());
    const words = this.#words;
    const to = ring.open * this.#slabWords + ring.used;
    for (let i = 0; i < length; i++) words[to + i] = words[place + i] as number;
    words[to + at.key] = keyWord | flag.main;
    ring.used += length;
    this.#link(to);
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
