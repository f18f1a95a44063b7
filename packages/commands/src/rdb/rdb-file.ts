/**
 * An RDB file, which Redis writes with SAVE: `REDIS` and four digits of version, then opcodes and keys, at the end a checksum
 * over all before it (0: it was not computed). A key is its value's type byte, its name and the value; when it dies and what
 * eviction knows of it stand before, each behind an opcode of its own.
 */
import type { Span } from '@holdfast/engine';
import { crc64 } from './crc64.ts';
import { RdbFailure, rdbVersion } from './rdb-format.ts';
import { RdbReader } from './rdb-reader.ts';

const opcode = {
  /** Slot, keys of it, keys of it with an expiry: hints. The lowest opcode; below are types of values. */
  slotInfo: 244,
  /** LRU time of the next key. */
  idle: 248,
  /** LFU counter of the next key. */
  frequency: 249,
  /** Name and value of a fact about the writer. */
  aux: 250,
  /** Keys, keys with an expiry: hints. */
  resize: 251,
  expireMs: 252,
  expireSeconds: 253,
  selectDb: 254,
  end: 255,
} as const;

const headBytes = 9;
const sumBytes = 8;
/** From this version on a checksum follows. */
const firstSummed = 5;

/** A key of the file; the reader stands at its value, which is to be read before the next key. */
export interface RdbFileKey {
  readonly db: number;
  readonly name: Span;
  /** Unix time in ms; 0 never. */
  readonly expireMs: number;
  readonly type: number;
}

export class RdbFile {
  readonly reader: RdbReader;
  #db = 0;

  /** @throws RdbFailure when it is no RDB file, of an unknown version, or damaged. */
  constructor(bytes: Buffer) {
    const version = Number(/^REDIS([0-9]{4})$/.exec(bytes.toString('latin1', 0, headBytes))?.[1] ?? NaN);
    if (Number.isNaN(version)) throw new RdbFailure('Wrong signature trying to load DB from file');
    if (version < 1 || version > rdbVersion.newest) throw new RdbFailure(`Can't handle RDB format version ${version}`);
    const isSummed = version >= firstSummed;
    const end = isSummed ? bytes.length - sumBytes : bytes.length;
    if (end < headBytes) throw new RdbFailure('the file ends within its header');
    if (isSummed) checkSum(bytes, end);
    this.reader = new RdbReader({ buffer: bytes, start: headBytes, end });
  }

  /**
   * Reads up to the next value.
   * @returns undefined at the end.
   */
  next(): RdbFileKey | undefined {
    const { reader } = this;
    let expireMs = 0;
    for (;;) {
      const code = reader.u8();
      if (code === opcode.end) break;
      if (code === opcode.expireMs) expireMs = reader.ms();
      else if (code === opcode.expireSeconds) expireMs = reader.buffer.readUInt32LE(reader.take(4)) * 1000;
      else if (code === opcode.selectDb) this.#db = reader.length();
      else if (code >= opcode.slotInfo) passOver(code, reader);
      else return { db: this.#db, name: reader.string(), expireMs, type: code };
    }
    if (!reader.isAtEnd) throw new RdbFailure('bytes follow behind the end');
    return undefined;
  }
}

/** Passes what is only a hint. */
function passOver(code: number, reader: RdbReader): void {
  switch (code) {
    case opcode.aux:
      reader.string();
      reader.string();
      return;
    case opcode.slotInfo:
      for (let i = 0; i < 3; i++) reader.length();
      return;
    case opcode.resize:
      reader.length();
      reader.length();
      return;
    case opcode.idle:
      reader.length();
      return;
    case opcode.frequency:
      reader.u8();
      return;
    default:
      // Function libraries and data of modules would be lost without a word.
      throw new RdbFailure(`the opcode ${code} is not supported`);
  }
}

function checkSum(bytes: Buffer, end: number): void {
  const sum = bytes.subarray(end);
  const isComputed = sum.some((byte) => byte !== 0);
  if (isComputed && crc64(bytes, 0, end).compare(sum) !== 0) throw new RdbFailure('the checksum of the file is wrong');
}
