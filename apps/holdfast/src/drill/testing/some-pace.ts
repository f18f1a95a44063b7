/** A busy machine may starve a test's process for as long as a fault lasts: then the test is tried again, more slowly. */

/** Times a fault lasts as long as an idle machine needs to see it through. */
const paces = [1, 3, 9] as const;

/** Plays at one pace after the other until the result is good. @returns the last result, good or not. */
export async function atSomePace<T>(play: (pace: number) => Promise<T>, isGood: (result: T) => boolean): Promise<T> {
  const [first, ...slower] = paces;
  let result = await play(first);
  for (const pace of slower) if (!isGood(result)) result = await play(pace);
  return result;
}
