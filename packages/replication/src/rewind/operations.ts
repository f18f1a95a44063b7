/**
 * What the batches of a rollback file did, in the words of a client as far as that can be told: Kvrocks' encoding read
 * backwards (docs/formats/keys.md). What a record says depends on the note before it in its batch (LogData: the type of
 * the command), since a sub key alone does not tell to what type it belongs.
 *
 * Three kinds come out: commands, which do the same again; notes, which no client ever sees (how many fields a hash has,
 * replication ids); and all else, raw. A flush is raw on purpose: nobody wants one replayed by a pipe.
 */
import { ProtocolError } from '@holdfast/base';
import { BatchReader, countOf, family, Metadata, sequenceOf, typeId, typeName, Window } from '@holdfast/engine';

/** A command's words; they own their bytes. */
export type CommandWords = readonly (string | Buffer)[];

export interface Operation {
  readonly sequence: number;
  readonly kind: 'command' | 'note' | 'raw';
  /** Column family by name. */
  readonly family: string;
  /** What was done to the record. */
  readonly action: 'put' | 'delete' | 'delete-range';
  /** As TYPE answers; undefined when the record does not tell. */
  readonly type: string | undefined;
  readonly namespace: string | undefined;
  /** User key; undefined when the record's key is none. */
  readonly key: Buffer | undefined;
  /** Field, member or element of a sub key. */
  readonly subkey: Buffer | undefined;
  /** Unix time in ms; 0 never; undefined when the record says nothing of it. */
  readonly expireMs: number | undefined;
  /** Of a command. */
  readonly words: CommandWords | undefined;
  /** Key and value as they are stored; for a range begin and end. */
  readonly raw: { readonly key: Buffer; readonly value: Buffer };
}

const familyNames: readonly string[] = Object.entries(family)
  .sort(([, a], [, b]) => a - b)
  .map(([name]) => name);

/** Namespace of clients without a token: the only one that words alone can reach. */
const defaultNamespace = '__namespace';

/**
 * @param slotPrefixed whether stored keys carry the slot (the file's header says so).
 * @returns one operation per counted record.
 * @throws ProtocolError when the bytes are no write batch.
 */
export function operationsOf(batch: Buffer, slotPrefixed: boolean): readonly Operation[] {
  const operations: Operation[] = [];
  const reader = new BatchReader(batch);
  let sequence = sequenceOf(batch);
  let note = '';
  while (reader.next()) {
    if (reader.kind === 'log-data') {
      const text = windowBytes(reader.key).toString('latin1');
      if (/^[0-9 ]+$/.test(text)) note = text;
    } else if (reader.kind === 'put' || reader.kind === 'delete' || reader.kind === 'delete-range') {
      const key = windowBytes(reader.key);
      const value = reader.kind === 'delete' ? Buffer.alloc(0) : windowBytes(reader.value);
      const record = { sequence: sequence++, action: reader.kind, of: reader.family, note, raw: { key, value } };
      operations.push(operationOf(record, slotPrefixed));
    } else if (reader.kind !== 'other')
      throw new ProtocolError(`a ${reader.kind} record, which neither Kvrocks nor we write`);
  }
  if (operations.length !== countOf(batch))
    throw new ProtocolError(`write batch announces ${countOf(batch)} records and holds ${operations.length}`);
  return operations;
}

function windowBytes({ buffer, start, end }: Window): Buffer {
  return Buffer.from(buffer.subarray(start, end));
}

interface StoredRecord {
  readonly sequence: number;
  readonly action: Operation['action'];
  readonly of: number;
  /** Digits of the last note of its batch. */
  readonly note: string;
  readonly raw: Operation['raw'];
}

function operationOf(record: StoredRecord, slotPrefixed: boolean): Operation {
  const { sequence, action, raw, of } = record;
  const plain: Operation = {
    sequence,
    kind: 'raw',
    family: familyNames[of] ?? `family-${of}`,
    action,
    type: undefined,
    namespace: undefined,
    key: undefined,
    subkey: undefined,
    expireMs: undefined,
    words: undefined,
    raw,
  };
  if (of === family.propagate) return { ...plain, kind: 'note' };
  if (action === 'delete-range') return plain;
  if (of === family.metadata) return ofMetadata(plain, record, slotPrefixed);
  if (of === family.subkey) return ofSubkey(plain, record, slotPrefixed);
  return plain;
}

interface StoredKey {
  readonly namespace: string;
  readonly key: Buffer;
  readonly subkey: Buffer | undefined;
}

/** @returns undefined when it is too short to be a stored key. */
function splitKey(bytes: Buffer, slotPrefixed: boolean, isSubkey: boolean): StoredKey | undefined {
  const nameEnd = 1 + (bytes[0] ?? 0);
  let at = nameEnd + (slotPrefixed ? 2 : 0);
  if (bytes.length < at + (isSubkey ? 4 : 0)) return undefined;
  const namespace = bytes.toString('utf8', 1, nameEnd);
  if (!isSubkey) return { namespace, key: bytes.subarray(at), subkey: undefined };
  const keyEnd = at + 4 + bytes.readUInt32BE(at);
  at += 4;
  if (bytes.length < keyEnd + versionBytes) return undefined;
  return { namespace, key: bytes.subarray(at, keyEnd), subkey: bytes.subarray(keyEnd + versionBytes) };
}

const versionBytes = 8;

function ofMetadata(plain: Operation, { action, note, raw }: StoredRecord, slotPrefixed: boolean): Operation {
  const stored = splitKey(raw.key, slotPrefixed, false);
  if (stored === undefined) return plain;
  const { namespace, key } = stored;
  const named = { ...plain, namespace, key };
  if (action === 'delete') return said(named, ['DEL', key]);
  const metadata = new Metadata();
  const value = { buffer: raw.value, start: 0, end: raw.value.length };
  if (!metadata.read(value)) return named;
  const { expireMs, type } = metadata;
  const typed = { ...named, expireMs, type: typeName(type) };
  if (type === typeId.string) {
    const expiry = expireMs === 0 ? [] : ['PXAT', String(expireMs)];
    return said(typed, ['SET', key, raw.value.subarray(metadata.bodyStart), ...expiry]);
  }
  if (type !== typeId.hash) return typed;
  if (expireMs !== 0) return said(typed, ['PEXPIREAT', key, String(expireMs)]);
  return note === expireNote ? said(typed, ['PERSIST', key]) : { ...typed, kind: 'note' };
}

/** LogData of EXPIRE and PERSIST. */
const expireNote = '0 8';

function ofSubkey(plain: Operation, { action, note, raw }: StoredRecord, slotPrefixed: boolean): Operation {
  const stored = splitKey(raw.key, slotPrefixed, true);
  if (stored === undefined) return plain;
  const type = Number(note.split(' ')[0] ?? '');
  const known = note !== '' && type !== typeId.none;
  const named = { ...plain, ...stored, type: known ? typeName(type) : undefined };
  const { key, subkey } = stored;
  if (type !== typeId.hash || subkey === undefined) return named;
  return said(named, action === 'put' ? ['HSET', key, subkey, raw.value] : ['HDEL', key, subkey]);
}

/** Words reach the default namespace only: other ones belong to a token. */
function said(operation: Operation, words: CommandWords): Operation {
  return operation.namespace === defaultNamespace ? { ...operation, kind: 'command', words } : operation;
}
