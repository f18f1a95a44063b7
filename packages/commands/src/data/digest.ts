/**
 * XXH3 with 64 bits and seed 0, as a 16-digit hexadecimal number: what DIGEST answers and IFDEQ/IFDNE compare with
 * (specification: xxHash doc/xxhash_spec.md, XXH3). Values up to 240 bytes take BigInts; longer ones run over 64-byte
 * stripes in pairs of 32-bit halves, which keeps a megabyte at a few milliseconds.
 */
import type { Span } from '@holdfast/engine';

const secret: Buffer = Buffer.from(
  'b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221b8084674f743248e' +
    'e03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8a8fa763fe39c343ff9dcbbc7c70b4f1d8a' +
    '51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8f' +
    'f8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e',
  'hex',
);

const mask = (1n << 64n) - 1n;
const prime32 = [0x9e3779b1n, 0x85ebca77n, 0xc2b2ae3dn] as const;
const prime64 = [
  0x9e3779b185ebca87n,
  0xc2b2ae3d27d4eb4fn,
  0x165667b19e3779f9n,
  0x85ebca77c2b2ae63n,
  0x27d4eb2f165667c5n,
] as const;

function avalanche(hash: bigint): bigint {
  let h = hash ^ (hash >> 37n);
  h = (h * 0x165667919e3779f9n) & mask;
  return h ^ (h >> 32n);
}

/** The final mix of XXH64, used for the shortest inputs. */
function avalanche64(hash: bigint): bigint {
  let h = hash ^ (hash >> 33n);
  h = (h * prime64[1]) & mask;
  h ^= h >> 29n;
  h = (h * prime64[2]) & mask;
  return h ^ (h >> 32n);
}

function rotate(value: bigint, bits: bigint): bigint {
  return ((value << bits) | (value >> (64n - bits))) & mask;
}

/** The halves of a 128-bit product, xored. */
function foldedProduct(a: bigint, b: bigint): bigint {
  const product = a * b;
  return (product & mask) ^ (product >> 64n);
}

function swapBytes(value: bigint): bigint {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes.readBigUInt64BE();
}

function mix16(input: Buffer, at: number, secretAt: number): bigint {
  return foldedProduct(
    input.readBigUInt64LE(at) ^ secret.readBigUInt64LE(secretAt),
    input.readBigUInt64LE(at + 8) ^ secret.readBigUInt64LE(secretAt + 8),
  );
}

function upTo16(input: Buffer): bigint {
  const length = input.length;
  if (length > 8) {
    const low = input.readBigUInt64LE(0) ^ secret.readBigUInt64LE(24) ^ secret.readBigUInt64LE(32);
    const high = input.readBigUInt64LE(length - 8) ^ secret.readBigUInt64LE(40) ^ secret.readBigUInt64LE(48);
    return avalanche((BigInt(length) + swapBytes(low) + high + foldedProduct(low, high)) & mask);
  }
  if (length >= 4) {
    const combined = BigInt(input.readUInt32LE(length - 4)) + (BigInt(input.readUInt32LE(0)) << 32n);
    let h = combined ^ secret.readBigUInt64LE(8) ^ secret.readBigUInt64LE(16);
    h ^= rotate(h, 49n) ^ rotate(h, 24n);
    h = (h * 0x9fb21c651e98df25n) & mask;
    h ^= ((h >> 35n) + BigInt(length)) & mask;
    h = (h * 0x9fb21c651e98df25n) & mask;
    return h ^ (h >> 28n);
  }
  if (length === 0) return avalanche64(secret.readBigUInt64LE(56) ^ secret.readBigUInt64LE(64));
  const first = input[0] as number;
  const middle = input[length >> 1] as number;
  const last = input[length - 1] as number;
  const combined = ((first << 16) | (middle << 24) | last | (length << 8)) >>> 0;
  return avalanche64(BigInt((combined ^ secret.readUInt32LE(0) ^ secret.readUInt32LE(4)) >>> 0));
}

function upTo128(input: Buffer): bigint {
  const length = input.length;
  let sum = BigInt(length) * prime64[0];
  for (let round = (length - 1) >> 5; round >= 0; round--) {
    sum += mix16(input, 16 * round, 32 * round) + mix16(input, length - 16 * (round + 1), 32 * round + 16);
  }
  return avalanche(sum & mask);
}

function upTo240(input: Buffer): bigint {
  const length = input.length;
  const rounds = length >> 4;
  let sum = BigInt(length) * prime64[0];
  for (let i = 0; i < 8; i++) sum += mix16(input, 16 * i, 16 * i);
  sum = avalanche(sum & mask);
  for (let i = 8; i < rounds; i++) sum += mix16(input, 16 * i, 16 * (i - 8) + 3);
  sum += mix16(input, length - 16, 136 - 17);
  return avalanche(sum & mask);
}

const stripeBytes = 64;
const stripesPerBlock = 16;
const lanes = 8;

/** Eight 64-bit accumulators as low and high halves. */
class Accumulators {
  readonly low = new Uint32Array(lanes);
  readonly high = new Uint32Array(lanes);

  constructor() {
    const start = [prime32[2], prime64[0], prime64[1], prime64[2], prime64[3], prime32[1], prime64[4], prime32[0]];
    start.forEach((value, lane) => {
      this.low[lane] = Number(value & 0xffffffffn);
      this.high[lane] = Number(value >> 32n);
    });
  }

  /** Adds high:low to a lane. */
  #add(lane: number, low: number, high: number): void {
    const sum = (this.low[lane] as number) + low;
    this.low[lane] = sum;
    this.high[lane] = (this.high[lane] as number) + high + (sum > 0xffffffff ? 1 : 0);
  }

  /** Adds the 64-bit product of two 32-bit numbers to a lane. */
  #addProduct(lane: number, a: number, b: number): void {
    const aLow = a & 0xffff;
    const aHigh = a >>> 16;
    const bLow = b & 0xffff;
    const bHigh = b >>> 16;
    const low = aLow * bLow;
    const cross = aHigh * bLow + (low >>> 16);
    const cross2 = aLow * bHigh + (cross % 0x10000);
    const high = aHigh * bHigh + Math.floor(cross / 0x10000) + Math.floor(cross2 / 0x10000);
    this.#add(lane, ((cross2 % 0x10000) * 0x10000 + (low & 0xffff)) >>> 0, high >>> 0);
  }

  stripe(input: Buffer, at: number, secretAt: number): void {
    for (let lane = 0; lane < lanes; lane++) {
      const low = input.readUInt32LE(at + 8 * lane);
      const high = input.readUInt32LE(at + 8 * lane + 4);
      this.#add(lane ^ 1, low, high);
      const keyLow = (low ^ secret.readUInt32LE(secretAt + 8 * lane)) >>> 0;
      const keyHigh = (high ^ secret.readUInt32LE(secretAt + 8 * lane + 4)) >>> 0;
      this.#addProduct(lane, keyLow, keyHigh);
    }
  }

  scramble(): void {
    for (let lane = 0; lane < lanes; lane++) {
      const value = this.value(lane);
      const mixed = value ^ (value >> 47n) ^ secret.readBigUInt64LE(secret.length - stripeBytes + 8 * lane);
      const scrambled = (mixed * prime32[0]) & mask;
      this.low[lane] = Number(scrambled & 0xffffffffn);
      this.high[lane] = Number(scrambled >> 32n);
    }
  }

  value(lane: number): bigint {
    return (BigInt(this.high[lane] as number) << 32n) | BigInt(this.low[lane] as number);
  }
}

function long(input: Buffer): bigint {
  const length = input.length;
  const accumulators = new Accumulators();
  const stripes = (length - 1) >> 6;
  for (let i = 0; i < stripes; i++) {
    accumulators.stripe(input, i * stripeBytes, (i % stripesPerBlock) * 8);
    if (i % stripesPerBlock === stripesPerBlock - 1) accumulators.scramble();
  }
  accumulators.stripe(input, length - stripeBytes, secret.length - stripeBytes - 7);
  let hash = (BigInt(length) * prime64[0]) & mask;
  for (let i = 0; i < 4; i++) {
    const at = 11 + 16 * i;
    hash += foldedProduct(
      accumulators.value(2 * i) ^ secret.readBigUInt64LE(at),
      accumulators.value(2 * i + 1) ^ secret.readBigUInt64LE(at + 8),
    );
  }
  return avalanche(hash & mask);
}

/** The digest of a value: 16 hexadecimal digits in lower case. */
export function digestOf({ buffer, start, end }: Span): string {
  const input = buffer.subarray(start, end);
  const length = input.length;
  const hash =
    length <= 16 ? upTo16(input) : length <= 128 ? upTo128(input) : length <= 240 ? upTo240(input) : long(input);
  return hash.toString(16).padStart(16, '0');
}
