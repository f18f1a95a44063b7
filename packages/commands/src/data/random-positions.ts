/**
 * Random members of something that can only be walked through in order: positions are drawn first and then met in one
 * pass, so memory is what is returned, and the walk ends at the last of them.
 */
import { randomBelow, type Random } from '@holdfast/base';

/**
 * `count` distinct positions below `size`, rising; every set of them is equally likely (Floyd's algorithm). Takes draws and
 * memory for `count`, or for what is left out when that is less.
 */
export function distinctPositions(random: Random, size: number, count: number): number[] {
  if (count >= size) return Array.from({ length: size }, (_, position) => position);
  if (count > size / 2) {
    const left = new Set(distinctPositions(random, size, size - count));
    const positions: number[] = [];
    for (let position = 0; position < size; position++) if (!left.has(position)) positions.push(position);
    return positions;
  }
  const chosen = new Set<number>();
  for (let below = size - count; below < size; below++) {
    const drawn = randomBelow(random, below + 1);
    chosen.add(chosen.has(drawn) ? below : drawn);
  }
  return [...chosen].sort((a, b) => a - b);
}

export interface RepeatedPositions {
  /** The positions drawn, rising; the same one may be there several times. */
  readonly positions: readonly number[];
  /** Which draw each of them was. */
  readonly draws: readonly number[];
}

/** `count` positions below `size`, each drawn by itself. */
export function repeatedPositions(random: Random, size: number, count: number): RepeatedPositions {
  const drawn = Array.from({ length: count }, () => randomBelow(random, size));
  const draws = drawn.map((_, draw) => draw).sort((a, b) => (drawn[a] as number) - (drawn[b] as number));
  return { positions: draws.map((draw) => drawn[draw] as number), draws };
}
