/** Randomness as something handed in, so that a run can be repeated from its seed. */
export interface Random {
  /** Uniform in 0 .. 2^32-1. */
  u32(): number;
  /** `length` random bytes. */
  bytes(length: number): Uint8Array;
}

/** A whole number, uniform in 0 .. `limit`-1 (bias below 2^-20 for limits under 4096). */
export function randomBelow(random: Random, limit: number): number {
  return Math.floor((random.u32() / 2 ** 32) * limit);
}

/** `length` characters of `alphabet`, uniform. */
export function randomText(random: Random, length: number, alphabet: string): string {
  let text = '';
  for (let i = 0; i < length; i++) text += alphabet[randomBelow(random, alphabet.length)] ?? '';
  return text;
}

/** A repeatable generator (sfc32, by Chris Doty-Humphrey; passes PractRand). Not for secrets. */
export function seededRandom(seed: number): Random {
  let a = 0x9e3779b9 ^ seed;
  let b = 0x243f6a88;
  let c = 0xb7e15162;
  let counter = 1;
  const u32 = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    c |= 0;
    return sum >>> 0;
  };
  for (let i = 0; i < 12; i++) u32();
  return {
    u32,
    bytes(length: number): Uint8Array {
      const out = new Uint8Array(length);
      for (let i = 0; i < length; i++) out[i] = u32() >>> 24;
      return out;
    },
  };
}
