/**
 * APPLYBATCH: the records of a foreign write batch as a part of the open tick. All are looked at before the first is written:
 * only records of keys, of the caller's namespace, in families that hold nothing else.
 */
import { messageOf, ProtocolError } from '@holdfast/base';
import { BatchReader, countOf, family, Scratch, type Engine, type Namespace } from '@holdfast/engine';

/** Families whose records belong to user keys. */
const families: ReadonlySet<number> = new Set([family.subkey, family.metadata, family.zsetScore, family.stream]);

/** @returns an error line when it may not be written; then nothing was. */
export function applyBatch(engine: Engine, batch: Buffer, namespace: Namespace): string | undefined {
  const refusal = refusalOf(batch, namespace);
  if (refusal !== undefined) return refusal;
  const { tick } = engine;
  const key = new Scratch();
  const reader = new BatchReader(batch);
  while (reader.next()) {
    if (reader.kind === 'log-data') {
      // A replication id belongs to the master that wrote the batch.
      if (!isReplicationId(reader.key.view())) tick.logData(reader.key.copy());
      continue;
    }
    key.reset();
    key.bytes(reader.key.buffer, reader.key.start, reader.key.end);
    if (reader.kind === 'put') tick.put(reader.family, key, reader.value);
    else if (reader.kind === 'delete') tick.delete(reader.family, key);
    else tick.deleteRange(reader.family, reader.key.copy(), reader.value.copy());
  }
  return undefined;
}

function isReplicationId(log: Uint8Array): boolean {
  return log[0] === 0x72 && log[1] === 0x20;
}

function refusalOf(batch: Buffer, namespace: Namespace): string | undefined {
  try {
    const reader = new BatchReader(batch);
    let records = 0;
    while (reader.next()) {
      if (reader.kind === 'log-data') continue;
      records++;
      if (reader.kind !== 'put' && reader.kind !== 'delete' && reader.kind !== 'delete-range')
        return `ERR the batch holds a record of kind '${reader.kind}', which is not applied`;
      if (!families.has(reader.family)) return `ERR the batch writes to family ${reader.family}, which holds no keys`;
      if (!isOf(namespace, reader.key.view()) || (reader.kind === 'delete-range' && !endsIn(namespace, reader)))
        return `ERR the batch writes keys outside of namespace '${namespace.name}'`;
    }
    return records === countOf(batch)
      ? undefined
      : `ERR the batch counts ${countOf(batch)} records and holds ${records}`;
  } catch (error) {
    if (error instanceof ProtocolError) return `ERR ${messageOf(error)}`;
    throw error;
  }
}

function isOf({ prefix }: Namespace, key: Uint8Array): boolean {
  return key.length >= prefix.length && Buffer.compare(key.subarray(0, prefix.length), prefix) === 0;
}

/** A range ends within a namespace, or right behind it. */
function endsIn(namespace: Namespace, { value }: BatchReader): boolean {
  const end = value.view();
  if (isOf(namespace, end)) return true;
  const { prefix } = namespace;
  if (end.length !== prefix.length) return false;
  const last = prefix.length - 1;
  const behind = Buffer.from(prefix);
  behind[last] = ((behind[last] as number) + 1) & 0xff;
  return Buffer.compare(end, behind) === 0;
}
