/** MurmurHash64A (Austin Appleby), as Redis and Kvrocks hash the members of a HyperLogLog. */
import type { Span } from './bytes.ts';
import { Word64 } from './word64.ts';

const multiplierHigh = 0xc6a4a793;
const multiplierLow = 0x5bd1e995;
const shift = 47;
const seed = 0xadc83b19;

const word = new Word64();

/** Writes the hash of `bytes` to `hash`. */
export function murmurHash({ buffer, start, end }: Span, hash: Word64): void {
  const length = end - start;
  hash.set(0, length);
  hash.multiply(multiplierHigh, multiplierLow);
  hash.xor(0, seed);
  let at = start;
  for (; at + 8 <= end; at += 8) {
    word.read(buffer, at);
    word.multiply(multiplierHigh, multiplierLow);
    word.xorShiftRight(shift);
    word.multiply(multiplierHigh, multiplierLow);
    hash.xor(word.high, word.low);
    hash.multiply(multiplierHigh, multiplierLow);
  }
  if (at < end) {
    for (let i = 0; at + i < end; i++) {
      const byte = buffer[at + i] as number;
      if (i < 4) hash.low ^= byte << (8 * i);
      else hash.high ^= byte << (8 * (i - 4));
    }
    hash.multiply(multiplierHigh, multiplierLow);
  }
  hash.xorShiftRight(shift);
  hash.multiply(multiplierHigh, multiplierLow);
  hash.xorShiftRight(shift);
}
