/**
 * Since when is a sequence outstanding? A short list of marks "at this time the log reached so far", coarse enough to be
 * kept at every step: a member is late when the *oldest* sequence that it has not acknowledged was handed out long ago.
 * The time of its last acknowledgement would not do: a follower that acknowledges a little all the time is never silent
 * and may still be a minute behind, and one that has nothing to acknowledge is silent and well.
 */

export interface GrowthMark {
  /** Sequences up to this one, and above the mark before, were handed out */
  readonly through: number;
  /** at this time or up to a sixteenth of isr-timeout later. Lease clock. */
  readonly atMs: number;
}

const marksPerTimeout = 16;
const marksMax = 48;

interface Growth {
  readonly nowMs: number;
  readonly isrTimeoutMs: number;
  readonly latestSequence: number;
}

/** The marks after a look at the log; those that everybody acknowledged (`ackedByAll`) are forgotten. */
export function noteGrowth(
  marks: readonly GrowthMark[],
  { nowMs, isrTimeoutMs, latestSequence }: Growth,
  ackedByAll: number,
): readonly GrowthMark[] {
  const last = marks.at(-1);
  const first = marks[0];
  const isGrown = latestSequence > (last?.through ?? 0);
  if (!isGrown && (first === undefined || first.through > ackedByAll)) return marks;
  const kept = marks.filter(({ through }) => through > ackedByAll);
  if (!isGrown || latestSequence <= ackedByAll) return kept;
  const open = kept.at(-1);
  if (open !== undefined && nowMs < open.atMs + isrTimeoutMs / marksPerTimeout)
    return kept.with(-1, { through: latestSequence, atMs: open.atMs });
  kept.push({ through: latestSequence, atMs: nowMs });
  const [oldest, second] = kept;
  // So old that everything under the first two marks is overdue alike.
  if (kept.length > marksMax && oldest !== undefined && second !== undefined)
    kept.splice(0, 2, { through: second.through, atMs: oldest.atMs });
  return kept;
}

/** Lease clock at which the first sequence after `acked` was handed out; Infinity when there is none. */
export function handedOutAtMs(marks: readonly GrowthMark[], acked: number): number {
  return marks.find(({ through }) => through > acked)?.atMs ?? Infinity;
}
