/**
 * HyperLogLogs (Kvrocks types/redis_hyperloglog.cc): 16384 registers of six bits, packed from the least significant bit, in
 * 16 segments of 768 bytes under their decimal numbers. A segment that is not there is all zeros. The size in the metadata
 * stays 0, which does not make such a key missing; behind it stands the encoding, of which there is one (0, dense).
 *
 * A command brings in the segments it needs, changes them here, and writes those that changed once at the end.
 */
import { OperationError } from '@holdfast/base';
import { registerCount } from './cardinality.ts';
import { Collection } from './collection.ts';
import type { Span } from './bytes.ts';
import { typeId } from './metadata-value.ts';
import { murmurHash } from './murmur-hash.ts';
import type { Lookup, Records } from './records.ts';
import type { UserKey } from './stored-key.ts';
import { Word64 } from './word64.ts';

const segments = 16;
const registersInSegment = registerCount / segments;
const segmentBytes = (registersInSegment * 6) / 8;
const denseTail = Buffer.of(0);

/** Position of the lowest bit of a number that is not 0. */
function lowestBit(value: number): number {
  return 31 - Math.clz32(value & -value);
}

export class HyperLogLogs extends Collection {
  /** All segments in a row; what is not brought in yet means nothing. */
  readonly #bytes: Buffer = Buffer.alloc(segments * segmentBytes);
  /** One bit for every segment. */
  #loaded = 0;
  #changed = 0;
  readonly #hash = new Word64();

  constructor(records: Records) {
    super(records, typeId.hyperloglog);
  }

  override open(key: UserKey, nowMs: number): Lookup {
    this.#loaded = this.#changed = 0;
    const found = super.open(key, nowMs);
    if (found === 'found' && this.tail.length > 0 && this.tail[0] !== 0) {
      const message = `a HyperLogLog has encoding ${String(this.tail[0])}; only 0 (dense) is known`;
      throw new OperationError('ENGINE_ENCODING_UNKNOWN', message, { outcome: 'not-applied' });
    }
    return found;
  }

  override create(key: UserKey): void {
    super.create(key);
    this.tail = denseTail;
    this.#loaded = this.#changed = 0;
  }

  /** Counts a member in. @returns whether a register changed. */
  add(member: Span): boolean {
    const hash = this.#hash;
    murmurHash(member, hash);
    const register = hash.low & (registerCount - 1);
    // Above the register's number stand 50 bits; one is set behind them, so that the search for the lowest ends.
    const low = (hash.low >>> 14) | (hash.high << 18);
    const value = 1 + (low !== 0 ? lowestBit(low) : 32 + lowestBit((hash.high >>> 14) | (1 << 18)));
    return this.#raise(register, value);
  }

  /** Raises registers to those of `registers`. @returns whether one changed. */
  raiseAll(registers: Uint8Array): boolean {
    let isChanged = false;
    for (let i = 0; i < registerCount; i++) {
      if (registers[i] !== 0 && this.#raise(i, registers[i] as number)) isChanged = true;
    }
    return isChanged;
  }

  /** Raises each of `registers` to what the open HyperLogLog has there. */
  raiseInto(registers: Uint8Array): void {
    for (let segment = 0; segment < segments; segment++) {
      this.#keyOf(segment);
      if (!this.fetch()) continue;
      const { buffer, start, end } = this.value;
      const last = Math.min(segmentBytes, end - start) - 3;
      // Four registers lie in three bytes.
      for (let at = 0, i = segment * registersInSegment; at <= last; at += 3, i += 4) {
        const bits =
          (buffer[start + at] as number) |
          ((buffer[start + at + 1] as number) << 8) |
          ((buffer[start + at + 2] as number) << 16);
        if (bits === 0) continue;
        for (let j = 0; j < 4; j++) {
          const value = (bits >>> (6 * j)) & 63;
          if (value > (registers[i + j] as number)) registers[i + j] = value;
        }
      }
    }
  }

  /** Writes the segments that changed, and the metadata record with them or when the key is new. */
  saveRegisters(key: UserKey): void {
    for (let segment = 0; segment < segments; segment++) {
      if ((this.#changed & (1 << segment)) === 0) continue;
      this.#keyOf(segment);
      const start = segment * segmentBytes;
      this.store({ buffer: this.#bytes, start, end: start + segmentBytes });
    }
    if (this.#changed !== 0 || this.isNew) this.save(key, true);
  }

  #raise(register: number, value: number): boolean {
    const segment = Math.floor(register / registersInSegment);
    this.#load(segment);
    const bytes = this.#bytes;
    // Segments have whole bytes, so the registers of all of them are packed without a gap.
    const at = (register * 6) >> 3;
    const shift = (register * 6) & 7;
    const bits = (bytes[at] as number) | ((bytes[at + 1] ?? 0) << 8);
    if (((bits >>> shift) & 63) >= value) return false;
    const next = (bits & ~(63 << shift)) | (value << shift);
    bytes[at] = next;
    if (shift > 2) bytes[at + 1] = next >>> 8;
    this.#changed |= 1 << segment;
    return true;
  }

  #load(segment: number): void {
    const bit = 1 << segment;
    if ((this.#loaded & bit) !== 0) return;
    this.#loaded |= bit;
    const at = segment * segmentBytes;
    this.#bytes.fill(0, at, at + segmentBytes);
    if (this.isNew) return;
    this.#keyOf(segment);
    if (!this.fetch()) return;
    const { buffer, start, end } = this.value;
    buffer.copy(this.#bytes, at, start, Math.min(end, start + segmentBytes));
  }

  #keyOf(segment: number): void {
    const subkey = this.subkey();
    if (segment >= 10) subkey.u8(49);
    subkey.u8(48 + (segment % 10));
  }
}
