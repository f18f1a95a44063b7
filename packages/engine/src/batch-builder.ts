/**
 * Builds RocksDB WriteBatch bytes (docs/formats/write-batch.md) straight into one growing buffer, so that a tick is
 * handed to RocksDB and to the replicas' sockets without being copied or encoded again.
 *
 *   batch   fixed64 sequence | fixed32 count | records            (little-endian)
 *   record  03 LogData blob | 01 Put / 00 Delete (default family) | 05 / 04 with varint32 family
 *           0E DeleteRange family begin end                       bytes = varint32 length + bytes
 *
 * A tick is usually one batch, sometimes several; they stand one after the other in the buffer. `mark` and `truncate`
 * undo the tail, also across the end of a batch. While a replication id is set every batch ends with LogData `r <id>`.
 */
import { OperationError } from '@holdfast/base';
import { copyWithout } from '@holdfast/rocksdb';
import { copyBytes, type Scratch, type Span } from './bytes.ts';

export const recordTag = {
  delete: 0x00,
  put: 0x01,
  merge: 0x02,
  logData: 0x03,
  deleteIn: 0x04,
  putIn: 0x05,
  mergeIn: 0x06,
  singleDelete: 0x07,
  singleDeleteIn: 0x08,
  noop: 0x0d,
  deleteRangeIn: 0x0e,
  deleteRange: 0x0f,
} as const;

export const batchHeaderBytes = 12;

/** Offsets are kept in 32 bits, and RocksDB keeps a batch in one string: a tick stops growing here. */
export const tickBytesMax: number = 1 << 30;

/** A place to go back to. */
export interface BuilderMark {
  length: number;
  batchStart: number;
  count: number;
  closed: number;
  total: number;
}

/** What `take` gives up. */
export interface TakenBatches {
  /** The batches as they are to be written, one after the other, `lengths[i]` bytes each. */
  readonly packed: Buffer;
  readonly lengths: Uint32Array;
  readonly count: number;
  /** The same with what was left out: where an overlay's entries point. */
  readonly built: Buffer;
}

/** Larger buffers are not kept. */
const keptBytesMax = 1 << 20;
/** Two of the tick that a worker writes, one of the next, and one to spare. */
const sparesMax = 4;

const nothingLeftOut = new Uint32Array(0);

/** Where the put of `family` begins whose key stands from `keyStart` to `keyEnd`. */
export function putStart(family: number, keyStart: number, keyEnd: number): number {
  return keyStart - varintBytes(keyEnd - keyStart) - (family === 0 ? 1 : 1 + varintBytes(family));
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) bytes++;
  return bytes;
}

interface LeftOut {
  /** Of each batch. */
  readonly lengths: Uint32Array;
  /** Where the records begin and end, by turns, ascending. */
  readonly leaveOut: Uint32Array;
}

/** Copies batches without some of their records; `lengths` is brought up to date. */
function withoutRecords(built: Buffer, { lengths, leaveOut }: LeftOut, into: Buffer): Buffer {
  let batch = 0;
  let batchEnd = lengths[0] as number;
  for (let i = 0; i < leaveOut.length; i += 2) {
    const begin = leaveOut[i] as number;
    // The lengths of batches behind this one are as built still.
    while (begin >= batchEnd) batchEnd += lengths[++batch] as number;
    lengths[batch] = (lengths[batch] as number) - ((leaveOut[i + 1] as number) - begin);
  }
  return into.subarray(0, copyWithout(built, leaveOut, into));
}

export class BatchBuilder {
  buffer: Buffer;
  /** Bytes in use, closed batches and the open one together. */
  length = 0;
  /** Counted records of all batches, without those that are to be left out. */
  total = 0;
  /** Where the record just written has its key and value; for the overlay. */
  keyStart = 0;
  keyEnd = 0;
  valueStart = 0;
  valueEnd = 0;
  #batchStart = -1;
  #count = 0;
  /** End of each closed batch, and its count. */
  #ends: number[] = [];
  #counts: number[] = [];
  #initialBytes: number;
  /** What `recycle` was given. */
  readonly #spares: Buffer[] = [];

  constructor(initialBytes = 4096) {
    this.#initialBytes = initialBytes;
    this.buffer = Buffer.allocUnsafeSlow(initialBytes);
  }

  /** Where the open batch begins; -1: none is open. */
  get batchStart(): number {
    return this.#batchStart;
  }

  /** Bytes of the open batch. */
  get openBytes(): number {
    return this.#batchStart < 0 ? 0 : this.length - this.#batchStart;
  }

  /** A record that is not counted: what a reader of the WAL is told about the records that follow. */
  logData(blob: Uint8Array): void {
    this.#open(blob.length + 6);
    this.buffer[this.length++] = recordTag.logData;
    this.#bytes(blob, 0, blob.length);
  }

  /** A put of `head` and `body`, one after the other, under `key`. */
  put(family: number, key: Scratch, head: Span, body: Span): void {
    const keyLength = key.end;
    const headLength = head.end - head.start;
    const valueLength = headLength + body.end - body.start;
    this.#open(keyLength + valueLength + 16);
    if (family === 0) this.buffer[this.length++] = recordTag.put;
    else {
      this.buffer[this.length++] = recordTag.putIn;
      this.#varint(family);
    }
    this.#key(key);
    this.#varint(valueLength);
    const at = this.length;
    this.valueStart = at;
    copyBytes(head.buffer, head.start, head.end, this.buffer, at);
    copyBytes(body.buffer, body.start, body.end, this.buffer, at + headLength);
    this.length = this.valueEnd = at + valueLength;
    this.#counted();
  }

  delete(family: number, key: Scratch): void {
    this.#open(key.end + 12);
    if (family === 0) this.buffer[this.length++] = recordTag.delete;
    else {
      this.buffer[this.length++] = recordTag.deleteIn;
      this.#varint(family);
    }
    this.#key(key);
    this.valueStart = this.valueEnd = -1;
    this.#counted();
  }

  /** Deletes from `begin` to before `end`. */
  deleteRange(family: number, begin: Uint8Array, end: Uint8Array): void {
    this.#open(begin.length + end.length + 16);
    if (family === 0) this.buffer[this.length++] = recordTag.deleteRange;
    else {
      this.buffer[this.length++] = recordTag.deleteRangeIn;
      this.#varint(family);
    }
    this.#bytes(begin, 0, begin.length);
    this.#bytes(end, 0, end.length);
    this.#counted();
  }

  /** A put of the open batch is not to be written: `Overlay.supersede` says which. */
  leaveOut(): void {
    this.#count--;
    this.total--;
  }

  /** Ends the open batch, if it holds a counted record; one that holds none is taken back. */
  close(replicationId: string | undefined): void {
    if (this.#batchStart < 0) return;
    if (this.#count === 0) {
      this.length = this.#batchStart;
      this.#batchStart = -1;
      return;
    }
    if (replicationId !== undefined) this.logData(Buffer.from(`r ${replicationId}`, 'latin1'));
    this.#ends.push(this.length);
    this.#counts.push(this.#count);
    this.#batchStart = -1;
    this.#count = 0;
  }

  mark(into: BuilderMark): void {
    into.length = this.length;
    into.batchStart = this.#batchStart;
    into.count = this.#count;
    into.closed = this.#ends.length;
    into.total = this.total;
  }

  /** Takes back everything since `mark`, opening a batch again that was closed since. */
  truncate(mark: BuilderMark): void {
    this.length = mark.length;
    this.#batchStart = mark.batchStart;
    this.#count = mark.count;
    this.total = mark.total;
    this.#ends.length = mark.closed;
    this.#counts.length = mark.closed;
  }

  /**
   * Gives the closed batches up to the caller, with sequences from `firstSequence` on in their headers, and starts
   * anew. The open batch must have been closed.
   * @param leaveOut where records begin and end that are not to be written, by turns, ascending.
   */
  take(firstSequence: number, leaveOut: Uint32Array = nothingLeftOut): TakenBatches {
    const count = this.#ends.length;
    const lengths = new Uint32Array(count);
    let start = 0;
    let sequence = firstSequence;
    for (let i = 0; i < count; i++) {
      const end = this.#ends[i] as number;
      lengths[i] = end - start;
      this.buffer.writeUInt32LE(sequence >>> 0, start);
      this.buffer.writeUInt32LE(Math.floor(sequence / 0x100000000), start + 4);
      this.buffer.writeUInt32LE(this.#counts[i] as number, start + 8);
      sequence += this.#counts[i] as number;
      start = end;
    }
    const built = this.buffer.subarray(0, start);
    // The next tick is probably about as large; room for half as much again saves it from growing.
    const room = Math.min(Math.max(this.#initialBytes, (start * 3) >> 1), keptBytesMax);
    const isWhole = leaveOut.length === 0;
    const packed = isWhole ? built : withoutRecords(built, { lengths, leaveOut }, this.#room(Math.max(start, room)));
    this.buffer = this.#room(room);
    this.#clear();
    return { packed, lengths, count, built };
  }

  /** Nobody reads `bytes`, which `take` gave up, any more: they are written over, by the tick after the open one at the earliest. */
  recycle({ buffer }: Buffer): void {
    if (buffer.byteLength <= keptBytesMax && this.#spares.length < sparesMax) this.#spares.push(Buffer.from(buffer));
  }

  #room(bytes: number): Buffer {
    const spare = this.#spares.pop();
    return spare !== undefined && spare.length >= bytes ? spare : Buffer.allocUnsafeSlow(bytes);
  }

  /** Forgets everything. */
  reset(): void {
    if (this.buffer.length > keptBytesMax) this.buffer = Buffer.allocUnsafeSlow(this.#initialBytes);
    this.#clear();
  }

  #clear(): void {
    this.length = 0;
    this.total = 0;
    this.#batchStart = -1;
    this.#count = 0;
    this.#ends = [];
    this.#counts = [];
  }

  /** Makes room for a record, beginning a batch when none is open. */
  #open(bytes: number): void {
    const needed = this.length + bytes + batchHeaderBytes;
    if (needed > this.buffer.length) this.#grow(needed);
    if (this.#batchStart >= 0) return;
    this.#batchStart = this.length;
    this.length += batchHeaderBytes;
  }

  #grow(needed: number): void {
    if (needed > tickBytesMax) {
      throw new OperationError(
        'ENGINE_TICK_TOO_LARGE',
        `writes of one tick would take ${needed} bytes, at most ${tickBytesMax}: write less in one transaction`,
        { outcome: 'not-applied' },
      );
    }
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.buffer.length * 2));
    this.buffer.copy(grown, 0, 0, this.length);
    this.buffer = grown;
  }

  #counted(): void {
    this.#count++;
    this.total++;
  }

  #key(key: Scratch): void {
    this.#varint(key.end);
    this.keyStart = this.length;
    copyBytes(key.buffer, 0, key.end, this.buffer, this.length);
    this.length = this.keyEnd = this.length + key.end;
  }

  #bytes(bytes: Uint8Array, start: number, end: number): void {
    this.#varint(end - start);
    copyBytes(bytes, start, end, this.buffer, this.length);
    this.length += end - start;
  }

  #varint(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.buffer[this.length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.buffer[this.length++] = rest;
  }
}
