/**
 * Reads RocksDB's WriteBatch bytes as they stand in the WAL and travel from master to replica
 * (docs/formats/replication-stream.md; RocksDB `db/write_batch.cc`).
 *
 * Replication never changes a batch, but it must know a few things about it: which sequences it takes, whose history
 * it belongs to (the last `r <id>` note) and which put comes last (replicas react to that one only). The reader is a
 * cursor over the bytes: it allocates nothing per record, checks every length against the end of the batch before it
 * uses it, and turns anything that is no batch into a ProtocolError.
 */
import { ProtocolError } from '@holdfast/base';

export const batchHeaderBytes = 12;

/** Tags of records, as RocksDB numbers them; those with a family of their own are folded into `RecordKind`. */
const tag = {
  delete: 0x00,
  put: 0x01,
  merge: 0x02,
  logData: 0x03,
  deleteInFamily: 0x04,
  putInFamily: 0x05,
  mergeInFamily: 0x06,
  singleDelete: 0x07,
  singleDeleteInFamily: 0x08,
  beginPrepare: 0x09,
  endPrepare: 0x0a,
  commit: 0x0b,
  rollback: 0x0c,
  noop: 0x0d,
  deleteRangeInFamily: 0x0e,
  deleteRange: 0x0f,
  beginPersistedPrepare: 0x12,
  beginUnprepare: 0x13,
  commitWithTimestamp: 0x15,
  entity: 0x16,
  entityInFamily: 0x17,
} as const;

export type RecordKind =
  'put' | 'merge' | 'delete' | 'single-delete' | 'delete-range' | 'entity' | 'log-data' | 'marker';

interface Shape {
  readonly kind: RecordKind;
  /** A varint32 family id comes first; else the record is of the default family (or of none). */
  readonly family: boolean;
  /** Length-prefixed strings after it: the key, then the value or the end of the range. */
  readonly strings: 0 | 1 | 2;
  /** Takes a sequence of its own. */
  readonly counted: boolean;
}

function shape(kind: RecordKind, family: boolean, strings: 0 | 1 | 2, counted = true): Shape {
  return { kind, family, strings, counted };
}

const shapes: readonly (Shape | undefined)[] = (() => {
  const table: (Shape | undefined)[] = Array<Shape | undefined>(256).fill(undefined);
  table[tag.delete] = shape('delete', false, 1);
  table[tag.put] = shape('put', false, 2);
  table[tag.merge] = shape('merge', false, 2);
  table[tag.logData] = shape('log-data', false, 1, false);
  table[tag.deleteInFamily] = shape('delete', true, 1);
  table[tag.putInFamily] = shape('put', true, 2);
  table[tag.mergeInFamily] = shape('merge', true, 2);
  table[tag.singleDelete] = shape('single-delete', false, 1);
  table[tag.singleDeleteInFamily] = shape('single-delete', true, 1);
  table[tag.deleteRangeInFamily] = shape('delete-range', true, 2);
  table[tag.deleteRange] = shape('delete-range', false, 2);
  table[tag.entity] = shape('entity', false, 2);
  table[tag.entityInFamily] = shape('entity', true, 2);
  for (const bare of [tag.beginPrepare, tag.noop, tag.beginPersistedPrepare, tag.beginUnprepare])
    table[bare] = shape('marker', false, 0, false);
  for (const withXid of [tag.endPrepare, tag.commit, tag.rollback]) table[withXid] = shape('marker', false, 1, false);
  table[tag.commitWithTimestamp] = shape('marker', false, 2, false);
  return table;
})();

/** A batch's first twelve bytes. */
export interface BatchHeader {
  /** Of the first counted record. */
  readonly sequence: number;
  /** Counted records: the batch takes the sequences from `sequence` to before `sequence + count`. */
  readonly count: number;
}

/**
 * Reads the header of the batch at `bytes[start..end)`.
 * @throws ProtocolError when there are fewer than twelve bytes or the sequence is no safe integer.
 */
export function readBatchHeader(bytes: Buffer, start = 0, end: number = bytes.length): BatchHeader {
  if (end - start < batchHeaderBytes)
    throw new ProtocolError(`a write batch has at least ${batchHeaderBytes} bytes, this one has ${end - start}`);
  const low = bytes.readUInt32LE(start);
  const high = bytes.readUInt32LE(start + 4);
  const sequence = high * 2 ** 32 + low;
  if (!Number.isSafeInteger(sequence)) throw new ProtocolError(`write batch sequence above 2^53: ${high}:${low}`);
  return { sequence, count: bytes.readUInt32LE(start + 8) };
}

/**
 * A cursor over the records of one batch. The fields hold bounds into `bytes` and are those of the record that the
 * last `next` stood on.
 * @example
 * const reader = new BatchReader(bytes);
 * while (reader.next()) if (reader.kind === 'put') visit(reader.family, reader.keyStart, reader.keyEnd);
 */
export class BatchReader {
  readonly bytes: Buffer;
  readonly header: BatchHeader;
  kind: RecordKind = 'marker';
  /** Id of the column family; 0 is `default`. */
  family = 0;
  /** The key; for log data its text. Empty for markers. */
  keyStart = 0;
  keyEnd = 0;
  /** The value; for `delete-range` the key before which it ends. Empty when there is none. */
  valueStart = 0;
  valueEnd = 0;
  /** Sequence of the record; for one that is not counted, that of the next counted one. */
  sequence: number;
  #at: number;
  readonly #end: number;
  #counted = 0;

  /** @throws ProtocolError as `readBatchHeader`. */
  constructor(bytes: Buffer, start = 0, end: number = bytes.length) {
    this.bytes = bytes;
    this.header = readBatchHeader(bytes, start, end);
    this.sequence = this.header.sequence;
    this.#at = start + batchHeaderBytes;
    this.#end = end;
  }

  /**
   * Steps to the next record.
   * @returns false after the last one.
   * @throws ProtocolError for an unknown tag, a length beyond the end, or a header that counts other than the records do.
   */
  next(): boolean {
    if (this.#at === this.#end) {
      if (this.#counted !== this.header.count)
        throw new ProtocolError(`write batch announces ${this.header.count} records and holds ${this.#counted}`);
      return false;
    }
    const tagByte = this.bytes[this.#at++] as number;
    const record = shapes[tagByte];
    if (record === undefined) throw new ProtocolError(`unknown record tag ${tagByte} in a write batch`);
    this.kind = record.kind;
    this.sequence = this.header.sequence + this.#counted;
    if (record.counted) this.#counted++;
    this.family = record.family ? this.#varint32() : 0;
    this.keyStart = this.#at;
    this.keyEnd = this.#at;
    if (record.strings >= 1) this.#key();
    this.valueStart = this.keyEnd;
    this.valueEnd = this.keyEnd;
    if (record.strings === 2) this.#value();
    return true;
  }

  #key(): void {
    const length = this.#varint32();
    this.keyStart = this.#at;
    this.keyEnd = this.#skip(length);
  }

  #value(): void {
    const length = this.#varint32();
    this.valueStart = this.#at;
    this.valueEnd = this.#skip(length);
  }

  #skip(length: number): number {
    const left = this.#end - this.#at;
    if (length > left) throw new ProtocolError(`write batch cut short: ${length} bytes announced, ${left} left`);
    this.#at += length;
    return this.#at;
  }

  #varint32(): number {
    let value = 0;
    for (let factor = 1; factor <= 2 ** 28; factor *= 128) {
      if (this.#at === this.#end) throw new ProtocolError('write batch cut short inside a length');
      const byte = this.bytes[this.#at++] as number;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) {
        if (value >= 2 ** 32) break;
        return value;
      }
    }
    throw new ProtocolError('a length in a write batch does not fit 32 bits');
  }
}

/** What replication wants to know of a batch. */
export interface BatchSummary {
  readonly sequence: number;
  readonly count: number;
  /** Of the last `r <id>` note: the history the batch belongs to. Undefined when it carries none. */
  readonly replicationId: string | undefined;
  /** The last put: replicas react to it when its family is pubsub, propagate or stream. */
  readonly lastPut: { readonly family: number; readonly key: Buffer; readonly value: Buffer } | undefined;
}

/** Characters of a replication id. */
export const replicationIdLength = 16;

/**
 * Walks a whole batch once.
 * @returns what it takes and what it means; `lastPut` holds views into `bytes`.
 * @throws ProtocolError when the bytes are no write batch.
 */
export function summarizeBatch(bytes: Buffer, start = 0, end: number = bytes.length): BatchSummary {
  const reader = new BatchReader(bytes, start, end);
  let idAt = -1;
  let family = -1;
  let [keyStart, keyEnd, valueStart, valueEnd] = [0, 0, 0, 0];
  while (reader.next()) {
    if (reader.kind === 'log-data') {
      if (isReplicationIdNote(reader)) idAt = reader.keyStart + 2;
    } else if (reader.kind === 'put') {
      family = reader.family;
      ({ keyStart, keyEnd, valueStart, valueEnd } = reader);
    }
  }
  return {
    ...reader.header,
    replicationId: idAt < 0 ? undefined : bytes.latin1Slice(idAt, idAt + replicationIdLength),
    lastPut:
      family < 0
        ? undefined
        : { family, key: bytes.subarray(keyStart, keyEnd), value: bytes.subarray(valueStart, valueEnd) },
  };
}

function isReplicationIdNote(reader: BatchReader): boolean {
  const { bytes, keyStart, keyEnd } = reader;
  return keyEnd - keyStart === 2 + replicationIdLength && bytes[keyStart] === 0x72 && bytes[keyStart + 1] === 0x20;
}
