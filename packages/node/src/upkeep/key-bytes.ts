/**
 * MEMORY USAGE and DISK USAGE: about how many bytes the records of a key are before compression. The elements of a collection
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
  const head = engine.key.end + (engine.value.end - engine.value.start);
  if (meta.type === typeId.string || meta.type === typeId.json) return head;
  const elements = meta.type === typeId.bitmap ? Math.ceil(meta.size / bitmapFragmentBytes) : meta.size;
  const prefix = new Scratch();
  writeSubkeyPrefix(prefix, key, meta, engine.slotPrefixed);
  let bytes = head;
  for (const of of familiesOf(meta.type))
    bytes += elementBytes(data, of, Buffer.from(prefix.view()), { samples, elements });
  return Math.round(bytes);
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
      bytes += iterator.key.end - iterator.key.start + iterator.value.end - iterator.value.start;
      count++;
    }
  } finally {
    iterator.close();
  }
  return samples === 0 || count < samples ? bytes : (bytes / count) * Math.max(elements, count);
}
