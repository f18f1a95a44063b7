/**
 * GET of a bitmap: Kvrocks answers with the string Redis would hold. A bitmap lies in fragments of 1024 bytes under
 * decimal offsets, bits counted from the least significant one; in the string they count from the most significant.
 */
import { turned } from './bit-order.ts';
import { Scratch, Window } from './bytes.ts';
import { family } from './families.ts';
import { typeId } from './metadata-value.ts';
import type { Records } from './records.ts';
import { writeSubkeyPrefix, type UserKey } from './stored-key.ts';

const fragmentBytes = 1024;

/**
 * The bitmap whose record was loaded last, as a string.
 * @returns undefined when the loaded record is none, or the string would have more than `bytesMax` bytes.
 */
export function bitmapAsString(records: Records, key: UserKey, bytesMax: number): Buffer | undefined {
  const { engine, meta } = records;
  if (meta.type !== typeId.bitmap || meta.size > bytesMax) return undefined;
  const text = Buffer.alloc(meta.size);
  const subkey = new Scratch();
  const prefixLength = writeSubkeyPrefix(subkey, key, meta, engine.slotPrefixed);
  const fragment = new Window();
  for (let offset = 0; offset < text.length; offset += fragmentBytes) {
    subkey.end = prefixLength;
    subkey.bytes(Buffer.from(String(offset)));
    if (!engine.get(family.subkey, subkey)) continue;
    fragment.set(engine.value.buffer, engine.value.start, engine.value.end);
    const length = Math.min(fragment.length, text.length - offset);
    for (let i = 0; i < length; i++) {
      text[offset + i] = turned[fragment.buffer[fragment.start + i] as number] as number;
    }
  }
  return text;
}
