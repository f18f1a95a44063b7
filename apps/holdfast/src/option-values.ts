/** Readers of option values, for commander: a wrong value is refused with what is allowed. */
import { InvalidArgumentError } from 'commander';

/** A whole number within bounds, in plain decimal. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^[0-9]{1,15}$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`A whole number from ${least} to ${most} is expected.`);
  };
}

/** A TCP port that can be listened on. */
export const port: (text: string) => number = wholeNumber(1, 65_535);

/** One of the given words. */
export function oneOf<T extends string>(...words: readonly T[]): (text: string) => T {
  return (text) => {
    const found = words.find((word) => word === text);
    if (found !== undefined) return found;
    throw new InvalidArgumentError(`Allowed: ${words.join(', ')}.`);
  };
}

export type Fence = 'lb' | 'lease';

/** `lb,lease`, `lb`, `lease` or `none`. */
export function fenceList(text: string): readonly Fence[] {
  if (text === 'none') return [];
  const fences = text.split(',').map(oneOf<Fence>('lb', 'lease'));
  if (new Set(fences).size !== fences.length) throw new InvalidArgumentError('A fence is named twice.');
  return fences;
}
