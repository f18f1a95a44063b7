/**
 * Brings records of the row cache near before they are looked up. A lookup among many records waits for memory two or
 * three times, some 100 ns each; those of several keys, read one after the other without looking at what is read, are waited
 * for together.
 *
 * For a pipeline of reads that is the metadata of each key and, where the key has been found to be a collection, the element
 * that the second argument names, if it names one. Nothing depends on it: what is read here is thrown away.
 */
import { Scratch, Window } from './bytes.ts';
import { family } from './families.ts';
import { hashOfKey } from './key-hash.ts';
import { Metadata, typeId } from './metadata-value.ts';
import { defaultNamespace, type Namespace } from './namespace.ts';
import type { Overlay } from './overlay.ts';
import type { RowSlabs } from './row-slabs.ts';
import { writeMetadataKey, writeSubkeyPrefix, type UserKey } from './stored-key.ts';

/** Requests that are about to be executed: windows of their first arguments, and of their second ones, in one buffer. */
export interface WarmedKeys {
  readonly buffer: Buffer;
  readonly count: number;
  start(index: number): number;
  end(index: number): number;
  /** Negative: there is no second argument. */
  elementStart(index: number): number;
  elementEnd(index: number): number;
}

/** Records that are brought near at once. */
export const warmedMax = 32;
const noBytes = Buffer.alloc(0);

export class RowWarming {
  readonly #key = new Scratch();
  readonly #element = new Scratch();
  readonly #value = new Window();
  readonly #metadata = new Metadata();
  readonly #hashes = new Int32Array(warmedMax);
  readonly #user: { -readonly [K in keyof UserKey]: UserKey[K] } = {
    namespace: defaultNamespace,
    buffer: noBytes,
    start: 0,
    end: 0,
  };

  /** What a pipeline is about to read. */
  reads(slabs: RowSlabs, namespace: Namespace, keys: WarmedKeys, slotPrefixed: boolean): void {
    this.#user.namespace = namespace;
    this.#user.buffer = keys.buffer;
    this.#keys(slabs, keys, slotPrefixed);
    this.#elements(slabs, keys, slotPrefixed);
    this.#user.buffer = noBytes;
  }

  #keys(slabs: RowSlabs, keys: WarmedKeys, slotPrefixed: boolean): void {
    const hashes = this.#hashes;
    let count = 0;
    for (let i = 0; i < keys.count && count < warmedMax; i++)
      if (i === 0 || !isSameKey(keys, i)) hashes[count++] = this.#hashOf(keys, i, slotPrefixed);
    slabs.warm(hashes, count);
  }

  /** Writes the metadata key of a request into `#key`. @returns its hash. */
  #hashOf(keys: WarmedKeys, index: number, slotPrefixed: boolean): number {
    this.#user.start = keys.start(index);
    this.#user.end = keys.end(index);
    writeMetadataKey(this.#key, this.#user, slotPrefixed);
    return hashOfKey(family.metadata, this.#key);
  }

  #elements(slabs: RowSlabs, keys: WarmedKeys, slotPrefixed: boolean): void {
    const [hashes, element] = [this.#hashes, this.#element];
    let count = 0;
    let prefixLength = -1;
    for (let i = 0; i < keys.count && count < warmedMax; i++) {
      if (keys.elementStart(i) < 0) {
        prefixLength = -1;
        continue;
      }
      if (prefixLength < 0 || !isSameKey(keys, i)) prefixLength = this.#writePrefix(slabs, keys, i, slotPrefixed);
      if (prefixLength === 0) continue;
      element.end = prefixLength;
      element.bytes(keys.buffer, keys.elementStart(i), keys.elementEnd(i));
      hashes[count++] = hashOfKey(family.subkey, element);
    }
    slabs.warm(hashes, count);
  }

  /** Begins `#element` as elements of a cached collection do. @returns the length of that; 0 when it is none. */
  #writePrefix(slabs: RowSlabs, keys: WarmedKeys, index: number, slotPrefixed: boolean): number {
    const [metadata, value] = [this.#metadata, this.#value];
    const hash = this.#hashOf(keys, index, slotPrefixed);
    const place = slabs.find(family.metadata, this.#key, hash);
    if (place === 0 || slabs.isAbsent(place)) return 0;
    const start = slabs.valueStart(place);
    value.set(slabs.memory, start, start + slabs.valueLength(place));
    if (!metadata.read(value) || metadata.type === typeId.string) return 0;
    return writeSubkeyPrefix(this.#element, this.#user, metadata, slotPrefixed);
  }

  /** What a tick has written from `first` on, which is about to be looked up. */
  writes(slabs: RowSlabs, overlay: Overlay, first: number): void {
    const hashes = this.#hashes;
    const count = Math.min(overlay.count - first, warmedMax);
    for (let i = 0; i < count; i++) hashes[i] = overlay.hashAt(first + i);
    slabs.warm(hashes, count);
  }
}

/** Whether a request has the first argument of the one before. Most that differ do so at their end. */
function isSameKey(keys: WarmedKeys, index: number): boolean {
  const { buffer } = keys;
  const length = keys.end(index) - keys.start(index);
  if (keys.end(index - 1) - keys.start(index - 1) !== length) return false;
  const [a, b] = [keys.start(index), keys.start(index - 1)];
  for (let i = length - 1; i >= 0; i--) if (buffer[a + i] !== buffer[b + i]) return false;
  return true;
}
