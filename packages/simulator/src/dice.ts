/** Randomness in the words scenarios are written in. One per world: all chance of a run comes from its seed. */
import { seededRandom, type Random } from '@holdfast/base';

export class Dice implements Random {
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  u32(): number {
    return this.#random.u32();
  }

  bytes(length: number): Uint8Array {
    return this.#random.bytes(length);
  }

  /** True with probability `p`. */
  chance(p: number): boolean {
    return this.#random.u32() < p * 2 ** 32;
  }

  /** A real number in `from` .. `to`. */
  between(from: number, to: number): number {
    return from + (this.#random.u32() / 2 ** 32) * (to - from);
  }

  /** A whole number in 0 .. `limit` - 1. */
  below(limit: number): number {
    return Math.floor((this.#random.u32() / 2 ** 32) * limit);
  }

  /** One of them; there must be one. */
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  /** An index with the given weights. */
  weighted(weights: readonly number[]): number {
    let rest = this.between(
      0,
      weights.reduce((sum, weight) => sum + weight, 0),
    );
    for (let i = 0; i < weights.length; i++) {
      rest -= weights[i] as number;
      if (rest < 0) return i;
    }
    return weights.length - 1;
  }
}
