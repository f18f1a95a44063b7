/**
 * What replication must know of a WriteBatch that it otherwise passes on unchanged (docs/formats/replication-stream.md;
 * RocksDB `db/write_batch.cc`): which sequences it takes, whose history it belongs to (the last `r <id>` note) and which
 * put comes last (replicas react to that one only). The records are read by the engine's BatchReader; here the header is
 * checked, and that it counts as many records as there are, since RocksDB would number them otherwise than the master.
 */
import { ProtocolError } from '@holdfast/base';
import { BatchReader, countOf, sequenceOf } from '@holdfast/engine';

export const batchHeaderBytes = 12;

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
  const sequence = sequenceOf(bytes, start);
  if (!Number.isSafeInteger(sequence)) throw new ProtocolError(`write batch sequence above 2^53: about ${sequence}`);
  return { sequence, count: countOf(bytes, start) };
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
 * @throws ProtocolError when the bytes are no write batch, or the header counts other than the records do.
 */
export function summarizeBatch(bytes: Buffer, start = 0, end: number = bytes.length): BatchSummary {
  const header = readBatchHeader(bytes, start, end);
  const reader = new BatchReader(bytes, start, end);
  let counted = 0;
  let idAt = -1;
  let family = -1;
  let [keyStart, keyEnd, valueStart, valueEnd] = [0, 0, 0, 0];
  while (reader.next()) {
    if (reader.kind === 'log-data') {
      if (isReplicationIdNote(reader)) idAt = reader.key.start + 2;
      continue;
    }
    if (reader.kind === 'other') continue;
    counted++;
    if (reader.kind !== 'put') continue;
    family = reader.family;
    ({ start: keyStart, end: keyEnd } = reader.key);
    ({ start: valueStart, end: valueEnd } = reader.value);
  }
  if (counted !== header.count)
    throw new ProtocolError(`write batch announces ${header.count} records and holds ${counted}`);
  return {
    ...header,
    replicationId: idAt < 0 ? undefined : bytes.latin1Slice(idAt, idAt + replicationIdLength),
    lastPut:
      family < 0
        ? undefined
        : { family, key: bytes.subarray(keyStart, keyEnd), value: bytes.subarray(valueStart, valueEnd) },
  };
}

function isReplicationIdNote({ key }: BatchReader): boolean {
  const { buffer, start } = key;
  return key.length === 2 + replicationIdLength && buffer[start] === 0x72 && buffer[start + 1] === 0x20;
}
