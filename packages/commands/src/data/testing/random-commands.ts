/** Random commands for comparisons with a real server: some kinds come more often than others. */
import { randomBelow, type Random } from '@holdfast/base';

/** How often a kind of command comes, compared with the others, and how one is made. */
export type WeightedCommand = readonly [weight: number, make: () => string[]];

/** A source of commands out of `kinds`. */
export function randomCommands(random: Random, kinds: readonly WeightedCommand[]): () => string[] {
  const lots = kinds.flatMap(([weight, make]) => Array.from({ length: weight }, () => make));
  return () => (lots[randomBelow(random, lots.length)] as () => string[])();
}
