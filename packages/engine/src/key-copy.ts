/**
 * Copying a key with all its sub keys, for COPY and RENAME. The copy gets a version of its own: with the source's one,
 * sub keys deleted from the copy could come back when it is renamed to the old name before compaction has removed what
 * is still stored there.
 */
import { Scratch } from './bytes.ts';
import { family } from './families.ts';
import { typeId } from './metadata-value.ts';
import type { Records } from './records.ts';
import { keyAfterPrefix, writeSubkeyPrefix, type UserKey } from './stored-key.ts';

/** The families in which a type keeps sub keys. */
function familiesOf(type: number): readonly number[] {
  if (type === typeId.string || type === typeId.json) return [];
  if (type === typeId.zset) return [family.subkey, family.zsetScore];
  if (type === typeId.stream) return [family.stream];
  return [family.subkey];
}

const noSpan = { buffer: Buffer.alloc(0), start: 0, end: 0 };

/** Copies the key whose record was loaded last. */
export function copyKey(records: Records, from: UserKey, to: UserKey, move: boolean): void {
  const { engine, meta } = records;
  const body = Buffer.from(engine.value.buffer.subarray(meta.bodyStart, engine.value.end));
  const source = { high: meta.high, low: meta.low };
  const families = familiesOf(meta.type);
  records.log(meta.type);
  if (move) records.delete(from);
  if (families.length > 0) {
    const version = engine.versions.next();
    meta.high = version.high;
    meta.low = version.low;
  }
  for (const id of families) copySubkeys(records, { from, to, source, family: id });
  records.store(to, { buffer: body, start: 0, end: body.length });
}

interface SubkeyCopy {
  readonly from: UserKey;
  readonly to: UserKey;
  readonly source: { readonly high: number; readonly low: number };
  readonly family: number;
}

function copySubkeys({ engine, meta }: Records, { from, to, source, family: id }: SubkeyCopy): void {
  const scratch = new Scratch();
  writeSubkeyPrefix(scratch, from, source, engine.slotPrefixed);
  const prefix = Buffer.from(scratch.view());
  const length = writeSubkeyPrefix(scratch, to, meta, engine.slotPrefixed);
  const lt = keyAfterPrefix(prefix);
  const entries = engine.iterate(id, { gte: prefix, ...(lt === undefined ? {} : { lt }), group: prefix });
  try {
    while (entries.next()) {
      scratch.end = length;
      scratch.bytes(entries.key.buffer, entries.key.start + prefix.length, entries.key.end);
      engine.tick.put(id, scratch, noSpan, entries.value, length);
    }
  } finally {
    entries.close();
  }
}
