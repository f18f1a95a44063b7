/**
 * MEMORY USAGE and DISK USAGE: about how many bytes the records of a key are, before compression. The elements of a collection
 * are looked at up to a number of samples; how many there are its metadata record says. Kvrocks asks RocksDB instead, which
 * knows about files only and answers nothing for what is still in memtables.
 */
import {
  family,
  typeId,
  writeSubkeyPrefix,
  keyAfterPrefix,
  Scratch,
  type DataTypes,
  type UserKey,
} from '@holdfast/engine';

/** Bytes of a fragment of a bitmap, whose metadata counts bytes. */
const bitmapFragmentBytes = 1024;

/**
 * @param samples elements looked at; 0 means all.
 * @returns undefined without such a key.
 */
export function keyBytes(data: DataTypes, key: UserKey, nowMs: number, samples: number): number | undefined {
  const { records } = data;
  const { engine, meta } = records;
  if (!records.load(key, nowMs)) return undefined;
  const head = engine.key.end + engine.value.length;
  if (meta.type === typeId.string || meta.type === typeId.json) return head;
  const elements = meta.type === typeId.bitmap ? Math.ceil(meta.size / bitmapFragmentBytes) : meta.size;
  const prefix = new Scratch();
  writeSubkeyPrefix(prefix, key, meta, engine.slotPrefixed);
  let bytes = head;
  for (const of of familiesOf(meta.type))
    bytes += elementBytes(data, of, Buffer.from(prefix.view()), { samples, elements });
  return Math.round(bytes);
}

/** A version is the end of what the sub keys of one version have in common. */
const versionBytes = 8;
/** Dead records looked at: a few milliseconds. */
const deadRecordsMax = 20_000;

/**
 * DISK USAGE: as `keyBytes`, with the sub keys of former versions of the key (overwritten, deleted, expired), which take room
 * until they are compacted away. Versions rise, so they lie before those of the living one.
 */
export function diskBytes(data: DataTypes, key: UserKey, nowMs: number, samples: number): number | undefined {
  const living = keyBytes(data, key, nowMs, samples);
  if (living === undefined) return undefined;
  const { engine, meta } = data.records;
  const isCollection = meta.type !== typeId.string && meta.type !== typeId.json;
  const prefix = new Scratch();
  writeSubkeyPrefix(prefix, key, meta, engine.slotPrefixed);
  const withVersion = Buffer.from(prefix.view());
  const gte = withVersion.subarray(0, withVersion.length - versionBytes);
  const lt = isCollection ? withVersion : keyAfterPrefix(gte);
  let bytes = living;
  let left = deadRecordsMax;
  for (const inFamily of [family.subkey, family.zsetScore, family.stream]) {
    const dead = engine.iterate(inFamily, { gte, ...(lt === undefined ? {} : { lt }), fillCache: false });
    try {
      for (; left > 0 && dead.next(); left--) bytes += dead.key.length + dead.value.length;
    } finally {
      dead.close();
    }
  }
  return bytes;
}

function familiesOf(type: number): readonly number[] {
  if (type === typeId.zset) return [family.subkey, family.zsetScore];
  return type === typeId.stream ? [family.stream] : [family.subkey];
}

/** What a collection has in one family: the mean of some of its records for each of its elements. */
function elementBytes(
  { records: { engine } }: DataTypes,
  of: number,
  prefix: Buffer,
  { samples, elements }: { samples: number; elements: number },
): number {
  const lt = keyAfterPrefix(prefix);
  const iterator = engine.iterate(of, { gte: prefix, ...(lt === undefined ? {} : { lt }), fillCache: false });
  let count = 0;
  let bytes = 0;
  try {
    while ((samples === 0 || count < samples) && iterator.next()) {
      bytes += iterator.key.length + iterator.value.length;
      count++;
    }
  } finally {
    iterator.close();
  }
  return samples === 0 || count < samples ? bytes : (bytes / count) * Math.max(elements, count);
}
