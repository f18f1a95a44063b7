/**
 * The hash of a stored key, for tables within one process: four bytes at a time, since keys carry a namespace, a slot and
 * often a version, and byte by byte the hash cost more than the lookup it was for. Not for anything that is kept or sent.
 *
 * Little-endian, as every machine Node runs on here: the last bytes of a word are cut off by a mask.
 */
import type { Scratch } from './bytes.ts';

/** What is left of the last word of a key, by its length modulo four. */
export const lastWordMask: Int32Array = Int32Array.of(0, 0xff, 0xffff, 0xffffff);

const multiplier = 0x9e3779b1;

/** The hash of `key` in a family, as a signed 32-bit number whose low bits are as good as its high ones. */
export function hashOfKey(of: number, key: Scratch): number {
  const { words, end } = key;
  const whole = end >> 2;
  let hash = Math.imul(of + 1, 0x85ebca6b) ^ end;
  for (let i = 0; i < whole; i++) {
    hash = Math.imul(hash ^ (words[i] as number), multiplier);
    hash ^= hash >>> 15;
  }
  if ((end & 3) !== 0) {
    hash = Math.imul(hash ^ ((words[whole] as number) & (lastWordMask[end & 3] as number)), multiplier);
    hash ^= hash >>> 15;
  }
  hash = Math.imul(hash, 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
