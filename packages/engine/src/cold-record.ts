/**
 * Records that a worker is to read, or has read, and the table they are found in.
 *
 * A record's key stands where it was noted, among the keys that were noted around it, in the form in which workers are given
 * keys. So noting copies it once, and neither that nor a lookup makes a string or a buffer: a table by strings cost as much
 * as a lookup in the database.
 */
import { copyBytes, type Span } from './bytes.ts';

const nowhere = Buffer.alloc(0);
/** u32 family, u32 length of the key, both little-endian. */
const headBytes = 8;
/** Keys are noted into pieces of memory of this size; longer ones have one of their own. */
const chunkBytes = 16 * 1024;

export class ColdRecord {
  /** Of its key, as `hashOfKey` has it. */
  readonly hash: number;
  /** Where its family, its key's length and its key stand. */
  readonly packed: Buffer;
  readonly packedStart: number;
  readonly packedEnd: number;
  /** `unread`: larger than what is handed over; the block cache may have it. */
  state: 'awaited' | 'found' | 'absent' | 'unread' | 'stale' = 'awaited';
  /** Where the value of a found one stands. */
  buffer: Buffer = nowhere;
  start = 0;
  end = 0;
  /** What it is read with, for whoever has it read. */
  batch: object | undefined = undefined;
  /** Another one with the same hash. */
  next: ColdRecord | undefined = undefined;

  constructor(hash: number, packed: Buffer, packedStart: number, packedEnd: number) {
    this.hash = hash;
    this.packed = packed;
    this.packedStart = packedStart;
    this.packedEnd = packedEnd;
  }

  get family(): number {
    return this.packed[this.packedStart] as number;
  }

  /** A view. */
  get key(): Buffer {
    return this.packed.subarray(this.packedStart + headBytes, this.packedEnd);
  }

  isOf(of: number, { buffer, start, end }: Span): boolean {
    const { packed, packedEnd } = this;
    const from = this.packedStart + headBytes;
    if (packed[this.packedStart] !== of || packedEnd - from !== end - start) return false;
    for (let i = from, at = start; i < packedEnd; i++, at++) if (packed[i] !== buffer[at]) return false;
    return true;
  }
}

/** The newest record of each key that was noted and not forgotten. */
export class ColdRecords {
  readonly #byHash = new Map<number, ColdRecord>();
  #chunk: Buffer = nowhere;
  #used = 0;

  get isEmpty(): boolean {
    return this.#byHash.size === 0;
  }

  find(of: number, key: Span, hash: number): ColdRecord | undefined {
    let record = this.#byHash.get(hash);
    while (record !== undefined && !record.isOf(of, key)) record = record.next;
    return record;
  }

  /** A new record, which takes the place of an older one of the same key. */
  add(of: number, key: Span, hash: number): ColdRecord {
    const older = this.find(of, key, hash);
    if (older !== undefined) this.remove(older);
    const bytes = headBytes + key.end - key.start;
    const chunk = this.#room(bytes);
    const start = this.#used;
    this.#used += bytes;
    chunk.writeUInt32LE(of, start);
    chunk.writeUInt32LE(key.end - key.start, start + 4);
    copyBytes(key.buffer, key.start, key.end, chunk, start + headBytes);
    const record = new ColdRecord(hash, chunk, start, start + bytes);
    record.next = this.#byHash.get(hash);
    this.#byHash.set(hash, record);
    return record;
  }

  #room(bytes: number): Buffer {
    if (this.#used + bytes > this.#chunk.length) {
      this.#chunk = Buffer.allocUnsafeSlow(Math.max(bytes, chunkBytes));
      this.#used = 0;
    }
    return this.#chunk;
  }

  /** One that is here no more is left as it is. */
  remove(record: ColdRecord): void {
    const { hash, next } = record;
    let before = this.#byHash.get(hash);
    if (before === record) {
      if (next === undefined) this.#byHash.delete(hash);
      else this.#byHash.set(hash, next);
      return;
    }
    while (before !== undefined && before.next !== record) before = before.next;
    if (before !== undefined) before.next = next;
  }

  *[Symbol.iterator](): Iterator<ColdRecord> {
    for (const first of this.#byHash.values())
      for (let record: ColdRecord | undefined = first; record !== undefined; record = record.next) yield record;
  }
}

/** As lookups of many keys are packed for the database: u32 family, u32 length, key, each. */
export function packRecords(records: readonly ColdRecord[]): Buffer {
  let bytes = 0;
  for (const { packedStart, packedEnd } of records) bytes += packedEnd - packedStart;
  const into = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const { packed, packedStart, packedEnd } of records) {
    copyBytes(packed, packedStart, packedEnd, into, at);
    at += packedEnd - packedStart;
  }
  return into;
}
