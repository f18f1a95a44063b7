/**
 * Reads the records of a RocksDB WriteBatch one after the other, without copying: for replicas (which react to puts in
 * some families, and look for the replication id), for migration and for tests. The reverse of batch-builder.ts.
 */
import { ProtocolError } from '@holdfast/base';
import { batchHeaderBytes, recordTag } from './batch-builder.ts';
import { Window } from './bytes.ts';

/** What a record is, its family aside. Markers of two-phase commits are `other`. */
export type BatchRecordKind = 'put' | 'delete' | 'single-delete' | 'merge' | 'delete-range' | 'log-data' | 'other';

/** Tags with a family, without one, and what they are; `value` when a second string follows the key. */
interface Shape {
  readonly kind: BatchRecordKind;
  readonly hasFamily: boolean;
  readonly strings: 0 | 1 | 2;
}

function shape(kind: BatchRecordKind, hasFamily: boolean, strings: 0 | 1 | 2): Shape {
  return { kind, hasFamily, strings };
}

const shapes: ReadonlyMap<number, Shape> = new Map([
  [recordTag.delete, shape('delete', false, 1)],
  [recordTag.put, shape('put', false, 2)],
  [recordTag.merge, shape('merge', false, 2)],
  [recordTag.logData, shape('log-data', false, 1)],
  [recordTag.deleteIn, shape('delete', true, 1)],
  [recordTag.putIn, shape('put', true, 2)],
  [recordTag.mergeIn, shape('merge', true, 2)],
  [recordTag.singleDelete, shape('single-delete', false, 1)],
  [recordTag.singleDeleteIn, shape('single-delete', true, 1)],
  [recordTag.noop, shape('other', false, 0)],
  [recordTag.deleteRangeIn, shape('delete-range', true, 2)],
  [recordTag.deleteRange, shape('delete-range', false, 2)],
]);

/** Sequence of the first counted record, as the header of the batch at `at` says. */
export function sequenceOf(batch: Buffer, at = 0): number {
  return batch.readUInt32LE(at) + batch.readUInt32LE(at + 4) * 0x100000000;
}

/** Number of counted records, as the header says. */
export function countOf(batch: Buffer, at = 0): number {
  return batch.readUInt32LE(at + 8);
}

export class BatchReader {
  kind: BatchRecordKind = 'other';
  family = 0;
  /** Key, begin of the range, or the log data's bytes. */
  readonly key: Window = new Window();
  /** Value, or end of the range. */
  readonly value: Window = new Window();
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  /** @throws ProtocolError when `bytes[start .. end)` is too short to be a batch. */
  constructor(bytes: Buffer, start = 0, end: number = bytes.length) {
    if (end - start < batchHeaderBytes) throw new ProtocolError(`write batch of ${end - start} bytes`);
    this.#bytes = bytes;
    this.#end = end;
    this.#at = start + batchHeaderBytes;
  }

  /**
   * Moves to the next record. @returns false at the end.
   * @throws ProtocolError on an unknown tag or a length beyond the end.
   */
  next(): boolean {
    if (this.#at >= this.#end) return false;
    const tag = this.#bytes[this.#at++] as number;
    const found = shapes.get(tag);
    if (found === undefined) throw new ProtocolError(`write batch record with unknown tag ${tag}`);
    this.kind = found.kind;
    this.family = found.hasFamily ? this.#varint() : 0;
    this.key.clear();
    this.value.clear();
    if (found.strings > 0) this.#string(this.key);
    if (found.strings > 1) this.#string(this.value);
    return true;
  }

  #varint(): number {
    let value = 0;
    for (let shift = 0; shift <= 28; shift += 7) {
      if (this.#at >= this.#end) break;
      const byte = this.#bytes[this.#at++] as number;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new ProtocolError('write batch record with a broken length');
  }

  #string(into: Window): void {
    const length = this.#varint();
    if (length > this.#end - this.#at) throw new ProtocolError(`write batch record of ${length} bytes is cut off`);
    into.set(this.#bytes, this.#at, this.#at + length);
    this.#at += length;
  }
}
