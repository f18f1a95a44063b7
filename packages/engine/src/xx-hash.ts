/** XXH64 with seed 0 (Yann Collet; the specification stands in doc/xxhash_spec.md of Cyan4973/xxHash), as Kvrocks hashes Bloom filters. */
import type { Span } from './bytes.ts';
import { Word64 } from './word64.ts';

interface Prime {
  readonly high: number;
  readonly low: number;
}

const prime1: Prime = { high: 0x9e3779b1, low: 0x85ebca87 };
const prime2: Prime = { high: 0xc2b2ae3d, low: 0x27d4eb4f };
const prime3: Prime = { high: 0x165667b1, low: 0x9e3779f9 };
const prime4: Prime = { high: 0x85ebca77, low: 0xc2b2ae63 };
const prime5: Prime = { high: 0x27d4eb2f, low: 0x165667c5 };

const stripeBytes = 32;

const lane = new Word64();
const accumulators: readonly [Word64, Word64, Word64, Word64] = [
  new Word64(),
  new Word64(),
  new Word64(),
  new Word64(),
];

/** Takes `lane` into an accumulator. */
function round(accumulator: Word64): void {
  lane.multiply(prime2.high, prime2.low);
  accumulator.add(lane.high, lane.low);
  accumulator.rotateLeft(31);
  accumulator.multiply(prime1.high, prime1.low);
}

/** Takes a finished accumulator, or a last lane, into the hash. */
function merge({ high, low }: Word64, hash: Word64): void {
  lane.set(high, low);
  lane.multiply(prime2.high, prime2.low);
  lane.rotateLeft(31);
  lane.multiply(prime1.high, prime1.low);
  hash.xor(lane.high, lane.low);
}

/** All stripes of 32 bytes. @returns where the rest begins. */
function takeStripes(buffer: Buffer, start: number, end: number, hash: Word64): number {
  const [a, b, c, d] = accumulators;
  a.set(prime1.high, prime1.low);
  a.add(prime2.high, prime2.low);
  b.set(prime2.high, prime2.low);
  c.set(0, 0);
  d.set(0, 0);
  d.subtract(prime1.high, prime1.low);
  let at = start;
  for (; at + stripeBytes <= end; at += stripeBytes) {
    for (let i = 0; i < 4; i++) {
      lane.read(buffer, at + 8 * i);
      round(accumulators[i] as Word64);
    }
  }
  hash.set(0, 0);
  for (let i = 0; i < 4; i++) {
    const accumulator = accumulators[i] as Word64;
    lane.copy(accumulator);
    lane.rotateLeft([1, 7, 12, 18][i] as number);
    hash.add(lane.high, lane.low);
  }
  for (const accumulator of accumulators) {
    merge(accumulator, hash);
    hash.multiply(prime1.high, prime1.low);
    hash.add(prime4.high, prime4.low);
  }
  return at;
}

/** What is left behind the stripes: words of eight bytes, one of four, single bytes. */
function takeRest(buffer: Buffer, start: number, end: number, hash: Word64): void {
  let at = start;
  for (; at + 8 <= end; at += 8) {
    lane.read(buffer, at);
    merge(lane, hash);
    hash.rotateLeft(27);
    hash.multiply(prime1.high, prime1.low);
    hash.add(prime4.high, prime4.low);
  }
  if (at + 4 <= end) {
    lane.set(0, buffer.readInt32LE(at));
    lane.multiply(prime1.high, prime1.low);
    hash.xor(lane.high, lane.low);
    hash.rotateLeft(23);
    hash.multiply(prime2.high, prime2.low);
    hash.add(prime3.high, prime3.low);
    at += 4;
  }
  for (; at < end; at++) {
    lane.set(0, buffer[at] as number);
    lane.multiply(prime5.high, prime5.low);
    hash.xor(lane.high, lane.low);
    hash.rotateLeft(11);
    hash.multiply(prime1.high, prime1.low);
  }
}

/** Writes the hash of `bytes` to `hash`. */
export function xxHash({ buffer, start, end }: Span, hash: Word64): void {
  let at = start;
  if (end - start >= stripeBytes) at = takeStripes(buffer, start, end, hash);
  else hash.set(prime5.high, prime5.low);
  hash.add(0, end - start);
  takeRest(buffer, at, end, hash);
  hash.xorShiftRight(33);
  hash.multiply(prime2.high, prime2.low);
  hash.xorShiftRight(29);
  hash.multiply(prime3.high, prime3.low);
  hash.xorShiftRight(32);
}
