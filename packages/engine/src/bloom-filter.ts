/**
 * One split-block Bloom filter, as Parquet has it (apache/parquet-format, BloomFilter.md): blocks of 32 bytes, eight words of
 * 32 bits each; an item sets one bit in each word of one block.
 */
import { upperProduct, type Word64 } from './word64.ts';

const blockBytes = 32;
const bytesMin = 32;
const bytesMax = 128 << 20;

const salts: readonly number[] = [
  0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31,
];

/** Bytes of a filter that holds `capacity` items at an error rate: a power of two from 32 bytes to 128 MiB. */
export function filterBytes(capacity: number, errorRate: number): number {
  const bits = Math.floor((-8 * capacity) / Math.log(1 - errorRate ** (1 / 8)));
  if (!(bits >= 0 && bits <= bytesMax * 8)) return bytesMax;
  let bytes = bytesMin;
  while (bytes * 8 < bits) bytes *= 2;
  return bytes;
}

/** Where the block of a hash begins. */
function blockOf(filter: Buffer, hash: Word64): number {
  return (upperProduct(hash.high, Math.floor(filter.length / blockBytes)) >>> 0) * blockBytes;
}

export function filterHas(filter: Buffer, hash: Word64): boolean {
  const block = blockOf(filter, hash);
  for (let word = 0; word < 8; word++) {
    const bit = Math.imul(hash.low, salts[word] as number) >>> 27;
    // Words are little endian, so bit n of a word is bit n mod 8 of its byte n div 8.
    if (((filter[block + 4 * word + (bit >> 3)] as number) & (1 << (bit & 7))) === 0) return false;
  }
  return true;
}

export function filterAdd(filter: Buffer, hash: Word64): void {
  const block = blockOf(filter, hash);
  for (let word = 0; word < 8; word++) {
    const bit = Math.imul(hash.low, salts[word] as number) >>> 27;
    const at = block + 4 * word + (bit >> 3);
    filter[at] = (filter[at] as number) | (1 << (bit & 7));
  }
}
