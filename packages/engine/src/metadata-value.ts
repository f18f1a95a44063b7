/**
 * The value of a metadata record (Kvrocks storage/redis_metadata.h):
 *
 *   flags u8 | expire | [version u64 | size] | tail
 *
 * Bit 7 of the flags tells the form: 64-bit (expire u64 in ms, size u64) or the older 32-bit one (expire u32 in s, size
 * u32). Both stand side by side in one database, and a record that is rewritten keeps the form it has. String and JSON
 * have neither version nor size: their payload begins right after the expiry.
 */
import type { Scratch, Span } from './bytes.ts';
import type { Version } from './version.ts';

/** Type ids in bits 0-3 of the flags. */
export const typeId = {
  none: 0,
  string: 1,
  hash: 2,
  list: 3,
  set: 4,
  zset: 5,
  bitmap: 6,
  sortedint: 7,
  stream: 8,
  bloom: 9,
  json: 10,
  hyperloglog: 11,
  tdigest: 12,
  timeseries: 13,
} as const;

/** What TYPE answers, by type id. */
const typeNames: readonly string[] = [
  'none',
  'string',
  'hash',
  'list',
  'set',
  'zset',
  'bitmap',
  'sortedint',
  'stream',
  'MBbloom--',
  'ReJSON-RL',
  'hyperloglog',
  'TDIS-TYPE',
  'timeseries',
];

export function typeName(id: number): string {
  return typeNames[id] ?? 'none';
}

/** The id of a name as TYPE answers it, ignoring case; undefined when there is none. */
export function typeIdOf(name: string): number | undefined {
  const wanted = name.toLowerCase();
  const id = typeNames.findIndex((known) => known.toLowerCase() === wanted);
  return id > 0 ? id : undefined;
}

const form64 = 0x80;

/** First byte of the tail of a hash whose fields can have a time to die, and the length of that tail (hashes.ts). */
export const fieldExpirationMode = 1;
export const hashTailBytes = 25;

function isSingleValue(type: number): boolean {
  return type === typeId.string || type === typeId.json;
}

/** Types whose record stands for an existing key even when its size is 0. */
function allowsZeroSize(type: number): boolean {
  return isSingleValue(type) || type >= typeId.stream;
}

/** A decoded record. One object is filled again and again; what must outlive the next load is copied out. */
export class Metadata implements Version {
  type: number = typeId.none;
  is64 = true;
  /** Unix time in ms at which the key dies; 0 never. */
  expireMs = 0;
  high = 0;
  low = 0;
  /** Number of elements; 0 for string and JSON. */
  size = 0;
  /** Where payload (string, JSON) or tail begin in the value. */
  bodyStart = 0;
  /** Unix time in ms at which the last field of a hash dies, when each has a time to; 0 else. */
  fieldsEndMs = 0;

  /** Makes this the record of a key that is about to be created, in the 64-bit form. */
  create(type: number, version?: Version): void {
    this.type = type;
    this.is64 = true;
    this.expireMs = 0;
    this.high = version?.high ?? 0;
    this.low = version?.low ?? 0;
    this.size = 0;
    this.bodyStart = 0;
    this.fieldsEndMs = 0;
  }

  /**
   * Reads a record.
   * @returns false when it is too short to be one; the fields are then meaningless.
   */
  read({ buffer, start, end }: Span): boolean {
    const flags = start < end ? (buffer[start] as number) : 0;
    this.type = flags & 0x0f;
    this.is64 = (flags & form64) !== 0;
    const expireBytes = this.is64 ? 8 : 4;
    let at = start + 1 + expireBytes;
    if (at > end) return false;
    this.expireMs = this.is64 ? readU64(buffer, start + 1) : buffer.readUInt32BE(start + 1) * 1000;
    if (isSingleValue(this.type)) {
      this.high = this.low = this.size = 0;
    } else {
      const sizeBytes = this.is64 ? 8 : 4;
      if (at + 8 + sizeBytes > end) return false;
      this.high = buffer.readUInt32BE(at);
      this.low = buffer.readUInt32BE(at + 4);
      this.size = this.is64 ? readU64(buffer, at + 8) : buffer.readUInt32BE(at + 8);
      at += 8 + sizeBytes;
    }
    this.bodyStart = at;
    this.fieldsEndMs = this.type === typeId.hash && end - at === hashTailBytes ? fieldsEnd(buffer, at) : 0;
    return true;
  }

  /** Writes everything before payload or tail to `into`, in the form the record has. */
  write(into: Scratch): void {
    into.reset();
    into.u8((this.is64 ? form64 : 0) | this.type);
    if (this.is64) into.u64(this.expireMs);
    else into.u32(secondsOf(this.expireMs));
    if (isSingleValue(this.type)) return;
    into.u32(this.high);
    into.u32(this.low);
    if (this.is64) into.u64(this.size);
    else into.u32(this.size);
  }

  /** Whether reads treat the record as missing. */
  isDead(nowMs: number): boolean {
    if (this.size === 0 && !allowsZeroSize(this.type)) return true;
    if (this.fieldsEndMs !== 0 && this.fieldsEndMs < nowMs) return true;
    return this.expireMs !== 0 && this.expireMs < nowMs;
  }
}

/** What the tail of a hash says of its fields' end; 0 when one of them has no time to die. */
function fieldsEnd(buffer: Buffer, at: number): number {
  const isTimed = buffer[at] === fieldExpirationMode && readU64(buffer, at + 1) === 0;
  return isTimed ? readU64(buffer, at + 17) : 0;
}

/** Eight bytes as a number; exact up to 2^53, beyond what any time in ms or size reaches. */
export function readU64(buffer: Buffer, at: number): number {
  return buffer.readUInt32BE(at) * 0x100000000 + buffer.readUInt32BE(at + 4);
}

/** Milliseconds in the 32-bit form: never 0 for a key that expires. */
function secondsOf(expireMs: number): number {
  if (expireMs === 0) return 0;
  if (expireMs < 1000) return 1;
  return Math.min(Math.floor((expireMs + 499) / 1000), 0xffffffff);
}
