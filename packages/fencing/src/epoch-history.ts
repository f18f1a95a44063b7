/**
 * Which epoch wrote which part of a log, and from that: up to where do two logs agree?
 *
 * The first batch of a mastership puts the key `holdfast_epoch` (propagate family; stock Kvrocks ignores it) whose value
 * is the whole history including that mastership. So the value found in a database always describes exactly that
 * database, however it came by it: replication, full sync, rewinding.
 *
 * Only the master of an epoch writes in it, and whoever takes over its entries has all that came before them. Hence two
 * logs that both have entry n of epoch e agree on everything up to n (as in Raft, and in Kafka since KIP-101): the last
 * entry they share is the last one with the same sequence and the same epoch.
 *
 * Epoch 0 is what was written before there was any fence, perhaps by two nodes at once: equal sequences there prove
 * nothing. The same holds for what lies before a history that was cut off. Both are "unknown", and a common point is
 * never found among unknown entries, except that an empty log shares the beginning with everybody.
 */
import { assert } from '@holdfast/base';
import { maxEpoch, parseWhole, parseWholeWithin } from './ids.ts';

/** One mastership that wrote something: its epoch, and the sequence of the first entry of its first batch. */
export interface EpochStart {
  readonly epoch: number;
  readonly firstSequence: number;
}

/** Rising in both epoch and sequence; empty: all of it is from before the first epoch. */
export type EpochHistory = readonly EpochStart[];

/** Key of the epoch record in the propagate family. */
export const epochHistoryKey = 'holdfast_epoch';

/** Newest masterships that are kept; who left before them takes a full sync. */
export const epochHistoryMax = 64;

/** `e:s,e:s,…`, oldest first; `-` when there is none. Value of the epoch record and argument of ATTACH. */
export function formatEpochHistory(history: EpochHistory): string {
  if (history.length === 0) return '-';
  return history.map(({ epoch, firstSequence }) => `${epoch}:${firstSequence}`).join(',');
}

/** `undefined` for a text that is no history: other form, not rising, or longer than is kept. */
export function parseEpochHistory(text: string): EpochHistory | undefined {
  if (text === '-') return [];
  const items = text.split(',');
  if (items.length > epochHistoryMax) return undefined;
  const history: EpochStart[] = [];
  for (const item of items) {
    const start = parseEpochStart(item);
    const last = history.at(-1);
    if (start === undefined) return undefined;
    if (start.epoch <= (last?.epoch ?? 0) || start.firstSequence <= (last?.firstSequence ?? 0)) return undefined;
    history.push(start);
  }
  return history;
}

function parseEpochStart(text: string): EpochStart | undefined {
  const colon = text.indexOf(':');
  const epoch = parseWholeWithin(text.slice(0, Math.max(colon, 0)), 1, maxEpoch);
  const firstSequence = parseWhole(text.slice(colon + 1));
  return epoch === undefined || firstSequence === undefined ? undefined : { epoch, firstSequence };
}

/**
 * The history after the mastership of `epoch` wrote its first batch, whose first entry is `firstSequence`.
 * @throws InvariantError when either does not rise.
 */
export function beginEpoch(history: EpochHistory, epoch: number, firstSequence: number): EpochHistory {
  const last = history.at(-1);
  assert(epoch > (last?.epoch ?? 0) && epoch <= maxEpoch, `epoch ${epoch} does not follow ${last?.epoch ?? 0}`);
  assert(
    firstSequence > (last?.firstSequence ?? 0),
    `epoch ${epoch} begins at ${firstSequence}, not after ${last?.firstSequence ?? 0}`,
  );
  return [...history, { epoch, firstSequence }].slice(-epochHistoryMax);
}

/** A place in a log: an entry's sequence and the epoch it was written in. (0, 0) is the beginning. */
export interface LogEnd {
  readonly epoch: number;
  readonly sequence: number;
}

/** The last entry. An epoch whose first entry lies beyond `latestSequence` does not count. */
export function logEnd(history: EpochHistory, latestSequence: number): LogEnd {
  return { epoch: epochAt(history, latestSequence) ?? 0, sequence: latestSequence };
}

/** Negative when `a` is the shorter log: epochs first, then sequences. Only logs of one shard compare. */
export function compareLogEnds(a: LogEnd, b: LogEnd): number {
  return a.epoch - b.epoch || a.sequence - b.sequence;
}

export interface LogOutline {
  readonly history: EpochHistory;
  readonly latestSequence: number;
}

/** `undefined`: before the first known start, so unknown. */
function epochAt(history: EpochHistory, sequence: number): number | undefined {
  for (let i = history.length - 1; i >= 0; i--) {
    const start = history[i];
    if (start !== undefined && start.firstSequence <= sequence) return start.epoch;
  }
  return undefined;
}

/**
 * The last entry both logs have.
 * @returns `undefined` when it cannot be told: then only a full sync makes the follower's log equal.
 */
export function commonPoint(master: LogOutline, follower: LogOutline): LogEnd | undefined {
  const shorter = Math.min(master.latestSequence, follower.latestSequence);
  if (shorter === 0) return { epoch: 0, sequence: 0 };
  // Inside one pair of epochs all entries compare alike, so it is enough to look at the last of each.
  for (let sequence = shorter; sequence > 0;) {
    const ours = epochAt(master.history, sequence);
    const theirs = epochAt(follower.history, sequence);
    if (ours === undefined || theirs === undefined) break;
    if (ours === theirs) return { epoch: ours, sequence };
    sequence = Math.max(startOf(master.history, ours), startOf(follower.history, theirs)) - 1;
  }
  const isAllDifferent = mayAgreeThrough(master, follower, shorter) === 0;
  return isAllDifferent ? { epoch: 0, sequence: 0 } : undefined;
}

function startOf(history: EpochHistory, epoch: number): number {
  return history.find((start) => start.epoch === epoch)?.firstSequence ?? 0;
}

/**
 * No entry is known to be the same. Up to where might one be? Unknown entries are older than the first known epoch, so
 * they differ from entries of that epoch and later ones.
 */
function mayAgreeThrough(master: LogOutline, follower: LogOutline, shorter: number): number {
  // A history is cut at its old end and never emptied: without one, all is from before epoch 1.
  const firstOf = ({ history }: LogOutline): EpochStart => history[0] ?? { epoch: 1, firstSequence: Infinity };
  const [ours, theirs] = [firstOf(master), firstOf(follower)];
  const unknownThrough = Math.min(shorter, Math.max(ours.firstSequence, theirs.firstSequence) - 1);
  for (let sequence = unknownThrough; sequence > 0;) {
    const mine = epochAt(master.history, sequence);
    const other = epochAt(follower.history, sequence);
    if (mine === undefined && other === undefined) return sequence;
    if (mine !== undefined && mine < theirs.epoch) return sequence;
    if (other !== undefined && other < ours.epoch) return sequence;
    const known = mine === undefined ? startOf(follower.history, other ?? 0) : startOf(master.history, mine);
    sequence = known - 1;
  }
  return 0;
}
