/**
 * What the open tick has written, by key, so that reads see it before it is committed.
 *
 * The idea: the bytes already stand in the batch buffer; an entry here is only where. Entries are appended to one
 * Int32Array and chained per hash bucket, newest first. A write of a key that was written before just becomes the head
 * of the chain, and undoing is popping entries off the end: no undo log of its own, and nothing to pay for a command
 * that succeeds. Sub keys are chained a second time by the hash of what they share (their collection), so that HGETALL
 * finds a hash's uncommitted fields without looking at the whole tick.
 *
 * Range deletes are a short list aside; each remembers how many entries were older than it.
 */
import { putStart } from './batch-builder.ts';
import type { Span, Window } from './bytes.ts';
import { GroupOrder } from './group-order.ts';

/** Answers of `find` that are no entry. */
const notInTick = -1;
const deletedInTick = -2;

/** The fields of an entry. */
const field = {
  keyStart: 0,
  keyEnd: 1,
  /** -1 for a delete. */
  valueStart: 2,
  valueEnd: 3,
  hash: 4,
  next: 5,
  family: 6,
  groupHash: 7,
  groupNext: 8,
  /** What becomes of the record when a later one of the same batch has its key, as `fate` has it. */
  fate: 9,
  /** The entry that this one made superfluous; -1: none. */
  supersedes: 10,
} as const;
const stride = 11;

const fate = { stays: 0, mayBeLeftOut: 1, leftOut: 2 } as const;
/** An older entry of a key is looked for so far down its chain: further down it is not worth the time. */
const chainStepsMax = 4;

const initialEntries = 256;
/** A tick's tables are kept for the next one up to this many entries. */
const keptEntries = 1 << 16;
/** Entries of a collection that are looked at for what they put. */
const putStepsMax = 4096;
/** A collection with more entries than this is kept in order once it was read. */
const unorderedMax = 32;

/** From `gte` on, to before `lt`. */
interface KeyRange {
  readonly gte: Buffer | undefined;
  readonly lt: Buffer | undefined;
}

export interface DeletedRange {
  readonly family: number;
  readonly begin: Buffer;
  readonly end: Buffer;
  /** Entries below this index are older than the range. */
  readonly order: number;
}

/** Where the record just written stands in the batch buffer. */
export interface WrittenRecord {
  readonly buffer: Buffer;
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly valueStart: number;
  readonly valueEnd: number;
}

/** Of what a collection shares, wherever it stands. */
function hashOf(bytes: Buffer, start: number, end: number, seed: number): number {
  let hash = seed ^ (end - start);
  let i = start;
  for (; i + 4 <= end; i += 4) {
    const word =
      (bytes[i] as number) |
      ((bytes[i + 1] as number) << 8) |
      ((bytes[i + 2] as number) << 16) |
      ((bytes[i + 3] as number) << 24);
    hash = Math.imul(hash ^ word, 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  for (; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
  return hash;
}

/** What `Overlay` chains entries of a collection by: the hash of the bytes that its keys begin with. */
export function groupHashOf(family: number, buffer: Buffer, start: number, end: number): number {
  return hashOf(buffer, start, end, seedOf(family));
}

function seedOf(family: number): number {
  return 0x811c9dc5 ^ Math.imul(family, 0x9e3779b1);
}

/** The last byte of a short rest reaches few of the low bits: fold the high half in. */
function bucketOf(hash: number, mask: number): number {
  return (hash ^ (hash >>> 15)) & mask;
}

export class Overlay {
  /** Entries, older ones of the same key included. */
  count = 0;
  #entries = new Int32Array(initialEntries * stride);
  #heads = new Int32Array(initialEntries * 2).fill(-1);
  #groupHeads = new Int32Array(initialEntries).fill(-1);
  #ranges: DeletedRange[] = [];
  #leftOut = 0;
  /** By the hash of what a collection shares. */
  readonly #orders = new Map<number, GroupOrder>();

  get rangeCount(): number {
    return this.#ranges.length;
  }

  /**
   * Notes the record just written.
   * @param hash of its key, as `hashOfKey` has it.
   * @param groupLength how many bytes of the key all members of its collection share; 0 for none.
   */
  add(family: number, record: WrittenRecord, hash: number, groupLength: number): void {
    if ((this.count + 1) * stride > this.#entries.length) this.#grow();
    const { buffer, keyStart, keyEnd } = record;
    const groupHash = groupLength > 0 ? hashOf(buffer, keyStart, keyStart + groupLength, seedOf(family)) : 0;
    const entries = this.#entries;
    const at = this.count * stride;
    entries[at + field.keyStart] = keyStart;
    entries[at + field.keyEnd] = keyEnd;
    entries[at + field.valueStart] = record.valueStart;
    entries[at + field.valueEnd] = record.valueEnd;
    entries[at + field.hash] = hash;
    entries[at + field.family] = family;
    entries[at + field.groupHash] = groupHash;
    entries[at + field.groupNext] = groupLength > 0 ? -1 : -2;
    entries[at + field.fate] = fate.stays;
    entries[at + field.supersedes] = -1;
    this.#link(this.count++);
  }

  /**
   * Looks whether the record just added makes an older one of its key superfluous, which may then be left out.
   * @param from older records than this offset are in other batches: those stay.
   * @param mayBeLeftOut the new one, too, may be left out when it is superseded.
   * @returns whether one more record is left out.
   */
  supersede(buffer: Buffer, from: number, mayBeLeftOut: boolean): boolean {
    const entries = this.#entries;
    const at = (this.count - 1) * stride;
    if (mayBeLeftOut) entries[at + field.fate] = fate.mayBeLeftOut;
    let index = entries[at + field.next] as number;
    for (let steps = 0; index >= 0 && steps < chainStepsMax; steps++) {
      const older = index * stride;
      if (entries[older + field.hash] === entries[at + field.hash] && this.#haveSameKey(buffer, at, older)) {
        if (entries[older + field.fate] !== fate.mayBeLeftOut) return false;
        if ((entries[older + field.keyStart] as number) < from) return false;
        entries[older + field.fate] = fate.leftOut;
        entries[at + field.supersedes] = index;
        this.#leftOut++;
        return true;
      }
      index = entries[older + field.next] as number;
    }
    return false;
  }

  #haveSameKey(buffer: Buffer, a: number, b: number): boolean {
    const entries = this.#entries;
    const startA = entries[a + field.keyStart] as number;
    const startB = entries[b + field.keyStart] as number;
    const length = (entries[a + field.keyEnd] as number) - startA;
    if (entries[a + field.family] !== entries[b + field.family]) return false;
    if ((entries[b + field.keyEnd] as number) - startB !== length) return false;
    for (let i = length - 1; i >= 0; i--) if (buffer[startA + i] !== buffer[startB + i]) return false;
    return true;
  }

  /** A later entry of the same batch has the key of this one. */
  isSuperseded(index: number): boolean {
    return this.#entries[index * stride + field.fate] === fate.leftOut;
  }

  /** Where the records begin and end that are to be left out, by turns, ascending; undefined: there are none. */
  leftOut(): Uint32Array | undefined {
    if (this.#leftOut === 0) return undefined;
    const bounds = new Uint32Array(2 * this.#leftOut);
    const entries = this.#entries;
    let found = 0;
    for (let at = 0; found < bounds.length; at += stride) {
      if (entries[at + field.fate] !== fate.leftOut) continue;
      const keyStart = entries[at + field.keyStart] as number;
      const of = entries[at + field.family] as number;
      bounds[found++] = putStart(of, keyStart, entries[at + field.keyEnd] as number);
      bounds[found++] = entries[at + field.valueEnd] as number;
    }
    return bounds;
  }

  addRange(family: number, begin: Uint8Array, end: Uint8Array): void {
    this.#ranges.push({ family, begin: Buffer.from(begin), end: Buffer.from(end), order: this.count });
  }

  /**
   * The newest entry of a key; `notInTick` when only the database can tell, `deletedInTick` when it is gone.
   * @param hash of the key, as `hashOfKey` has it.
   */
  find(buffer: Buffer, family: number, key: Span, hash: number): number {
    const entries = this.#entries;
    let index = this.#heads[bucketOf(hash, this.#heads.length - 1)] as number;
    while (index >= 0) {
      const at = index * stride;
      if (entries[at + field.hash] === hash && this.#isKey(buffer, at, family, key)) break;
      index = entries[at + field.next] as number;
    }
    if (this.#ranges.length > 0 && this.#isRangeDeleted(family, key.buffer.subarray(key.start, key.end), index)) {
      return deletedInTick;
    }
    if (index < 0) return notInTick;
    return (entries[index * stride + field.valueStart] as number) < 0 ? deletedInTick : index;
  }

  /**
   * Looks a key up.
   * @returns 1 and the value in `into`; 0 when it was deleted; -1 when only the database can tell.
   */
  read(buffer: Buffer, family: number, key: Span, hash: number, into: Window): 1 | 0 | -1 {
    if (this.count === 0 && this.#ranges.length === 0) return -1;
    const index = this.find(buffer, family, key, hash);
    if (index === notInTick) return -1;
    if (index === deletedInTick) return 0;
    into.set(buffer, this.valueStart(index), this.valueEnd(index));
    return 1;
  }

  /** Whether a delete range newer than entry `index` (-1: than what is committed) covers `key`. */
  #isRangeDeleted(family: number, key: Buffer, index: number): boolean {
    for (const range of this.#ranges) {
      if (range.family !== family || range.order <= index) continue;
      if (range.begin.compare(key) <= 0 && key.compare(range.end) < 0) return true;
    }
    return false;
  }

  /** Whether a committed entry with this key was deleted by a range of this tick. */
  coversCommitted(family: number, key: Buffer): boolean {
    return this.#ranges.length > 0 && this.#isRangeDeleted(family, key, -1);
  }

  /** The delete ranges of a family. */
  rangesOf(family: number): readonly DeletedRange[] {
    return this.#ranges.filter((range) => range.family === family);
  }

  /** Whether one of the delete ranges from number `from` on is of `family`. */
  hasRange(family: number, from: number): boolean {
    for (let i = from; i < this.#ranges.length; i++) if (this.#ranges[i]?.family === family) return true;
    return false;
  }

  familyOf(index: number): number {
    return this.#entries[index * stride + field.family] as number;
  }

  /** The hash of its key. */
  hashAt(index: number): number {
    return this.#entries[index * stride + field.hash] as number;
  }

  /** The hash of what its collection shares; 0 when it is of none. */
  groupHashAt(index: number): number {
    return this.#entries[index * stride + field.groupHash] as number;
  }

  keyStart(index: number): number {
    return this.#entries[index * stride + field.keyStart] as number;
  }

  keyEnd(index: number): number {
    return this.#entries[index * stride + field.keyEnd] as number;
  }

  valueStart(index: number): number {
    return this.#entries[index * stride + field.valueStart] as number;
  }

  valueEnd(index: number): number {
    return this.#entries[index * stride + field.valueEnd] as number;
  }

  /**
   * The newest entry of every key in a range, in key order; deletes included, so that they hide what is committed.
   * @param group the bytes all keys of the range share when they are one collection: looks at its entries only.
   */
  collect(buffer: Buffer, family: number, range: KeyRange, group?: Buffer): number[] {
    if (group === undefined) {
      const found: number[] = [];
      for (let index = 0; index < this.count; index++)
        if (this.#isWithin(buffer, index, family, range)) found.push(index);
      return this.#unlessDeleted(buffer, family, this.#newestInOrder(buffer, found));
    }
    const hash = hashOf(group, 0, group.length, seedOf(family));
    const order = this.#orders.get(hash);
    const { gte, lt } = range;
    if (gte === undefined || lt === undefined)
      return this.#sorted(buffer, family, range, this.#members(family, hash, 0));
    if (order !== undefined && order.family === family) {
      if (order.next < this.count) this.#extend(buffer, order, hash);
      return this.#unlessDeleted(buffer, family, order.range(buffer, gte, lt));
    }
    const members = this.#members(family, hash, 0);
    if (members.length > unorderedMax && order === undefined) {
      const begun = new GroupOrder(family, this);
      this.#orders.set(hash, begun);
      this.#extend(buffer, begun, hash);
      return this.#unlessDeleted(buffer, family, begun.range(buffer, gte, lt));
    }
    return this.#sorted(buffer, family, range, members);
  }

  #sorted(buffer: Buffer, family: number, range: KeyRange, members: readonly number[]): number[] {
    const found = members.filter((index) => this.#isWithin(buffer, index, family, range));
    return this.#unlessDeleted(buffer, family, this.#newestInOrder(buffer, found));
  }

  /** The order that `collect` keeps of a collection, if it does. */
  orderOf(family: number, group: Buffer): GroupOrder | undefined {
    const order =
      this.#orders.size === 0 ? undefined : this.#orders.get(hashOf(group, 0, group.length, seedOf(family)));
    return order?.family === family ? order : undefined;
  }

  /** Whether anything in the range, or anything of its collection, was written or deleted. */
  touches(buffer: Buffer, family: number, range: KeyRange, group?: Buffer): boolean {
    if (this.hasRange(family, 0)) return true;
    if (group !== undefined) return this.#members(family, hashOf(group, 0, group.length, seedOf(family)), 0).length > 0;
    for (let index = 0; index < this.count; index++) if (this.#isWithin(buffer, index, family, range)) return true;
    return false;
  }

  /**
   * Whether something in a range of a collection was put, or in any range deleted; true also when that takes long to tell.
   * @param hash of the collection, as `groupHashOf` has it.
   */
  mayHavePut(buffer: Buffer, family: number, hash: number, range: KeyRange): boolean {
    if (this.#ranges.length > 0) return true;
    const entries = this.#entries;
    let index = this.#groupHeads[bucketOf(hash, this.#groupHeads.length - 1)] as number;
    for (let steps = 0; index >= 0; steps++) {
      const at = index * stride;
      if (steps === putStepsMax) return true;
      if (
        entries[at + field.groupHash] === hash &&
        (entries[at + field.valueStart] as number) >= 0 &&
        this.#isWithin(buffer, index, family, range)
      )
        return true;
      index = entries[at + field.groupNext] as number;
    }
    return false;
  }

  #isWithin(buffer: Buffer, index: number, family: number, { gte, lt }: KeyRange): boolean {
    const at = index * stride;
    if (this.#entries[at + field.family] !== family) return false;
    const start = this.#entries[at + field.keyStart] as number;
    const end = this.#entries[at + field.keyEnd] as number;
    if (gte !== undefined && buffer.compare(gte, 0, gte.length, start, end) < 0) return false;
    return lt === undefined || buffer.compare(lt, 0, lt.length, start, end) < 0;
  }

  /** Entries of a collection (and of those that share its hash) from index `from` on, newest first. */
  #members(family: number, hash: number, from: number): number[] {
    const entries = this.#entries;
    const found: number[] = [];
    let index = this.#groupHeads[bucketOf(hash, this.#groupHeads.length - 1)] as number;
    while (index >= from) {
      const at = index * stride;
      if (entries[at + field.groupHash] === hash && entries[at + field.family] === family) found.push(index);
      index = entries[at + field.groupNext] as number;
    }
    return found;
  }

  #extend(buffer: Buffer, order: GroupOrder, hash: number): void {
    order.add(buffer, this.#members(order.family, hash, order.next));
    order.next = this.count;
  }

  #newestInOrder(buffer: Buffer, found: number[]): number[] {
    const compare = (a: number, b: number): number =>
      buffer.compare(buffer, this.keyStart(b), this.keyEnd(b), this.keyStart(a), this.keyEnd(a)) || b - a;
    found.sort(compare);
    const newest: number[] = [];
    for (const index of found) {
      const last = newest.at(-1);
      if (
        last !== undefined &&
        buffer.compare(buffer, this.keyStart(last), this.keyEnd(last), this.keyStart(index), this.keyEnd(index)) === 0
      )
        continue;
      newest.push(index);
    }
    return newest;
  }

  #unlessDeleted(buffer: Buffer, family: number, newest: number[]): number[] {
    if (this.#ranges.length === 0) return newest;
    return newest.filter(
      (index) => !this.#isRangeDeleted(family, buffer.subarray(this.keyStart(index), this.keyEnd(index)), index),
    );
  }

  /** Takes back entries and ranges added since there were `count` and `ranges` of them. */
  truncate(count: number, ranges: number): void {
    const entries = this.#entries;
    for (let index = this.count - 1; index >= count; index--) {
      const at = index * stride;
      this.#heads[bucketOf(entries[at + field.hash] as number, this.#heads.length - 1)] = entries[
        at + field.next
      ] as number;
      const superseded = entries[at + field.supersedes] as number;
      if (superseded >= 0) {
        entries[superseded * stride + field.fate] = fate.mayBeLeftOut;
        this.#leftOut--;
      }
      const groupNext = entries[at + field.groupNext] as number;
      if (groupNext > -2) {
        const bucket = bucketOf(entries[at + field.groupHash] as number, this.#groupHeads.length - 1);
        this.#groupHeads[bucket] = groupNext;
      }
    }
    if (count < this.count || ranges < this.#ranges.length) this.#orders.clear();
    this.count = count;
    this.#ranges.length = ranges;
  }

  reset(): void {
    this.#orders.clear();
    if (this.#entries.length > keptEntries * stride) {
      this.#entries = new Int32Array(initialEntries * stride);
      this.#heads = new Int32Array(initialEntries * 2).fill(-1);
      this.#groupHeads = new Int32Array(initialEntries).fill(-1);
      this.count = this.#leftOut = 0;
      this.#ranges = [];
    } else if (this.count * 4 < this.#heads.length) this.truncate(0, 0);
    else {
      this.#heads.fill(-1);
      this.#groupHeads.fill(-1);
      this.count = this.#leftOut = 0;
      this.#ranges.length = 0;
    }
  }

  #isKey(buffer: Buffer, at: number, family: number, key: Span): boolean {
    const entries = this.#entries;
    const start = entries[at + field.keyStart] as number;
    const length = key.end - key.start;
    if (entries[at + field.family] !== family || (entries[at + field.keyEnd] as number) - start !== length)
      return false;
    for (let i = length - 1; i >= 0; i--) if (buffer[start + i] !== key.buffer[key.start + i]) return false;
    return true;
  }

  /** Makes an entry the head of its chains. */
  #link(index: number): void {
    const entries = this.#entries;
    const at = index * stride;
    const bucket = bucketOf(entries[at + field.hash] as number, this.#heads.length - 1);
    entries[at + field.next] = this.#heads[bucket] as number;
    this.#heads[bucket] = index;
    if (entries[at + field.groupNext] === -2) return;
    const groupBucket = bucketOf(entries[at + field.groupHash] as number, this.#groupHeads.length - 1);
    entries[at + field.groupNext] = this.#groupHeads[groupBucket] as number;
    this.#groupHeads[groupBucket] = index;
  }

  /** Doubles the tables; chains are linked anew in the order of age, so that the newest stays first. */
  #grow(): void {
    const grown = new Int32Array(this.#entries.length * 2);
    grown.set(this.#entries);
    this.#entries = grown;
    this.#heads = new Int32Array(this.#heads.length * 2).fill(-1);
    this.#groupHeads = new Int32Array(this.#groupHeads.length * 2).fill(-1);
    for (let index = 0; index < this.count; index++) this.#link(index);
  }
}
