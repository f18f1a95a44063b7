/**
 * What a rollback file says of itself: whose history was given up, which part of it, and whether clients may have been
 * told that it is safe. docs/formats/rollback-file.md.
 */
import type { EpochHistory, EpochStart } from '@holdfast/fencing';

/** Part of a node's history that it gives up. */
export interface GivenUp {
  readonly nodeId: string;
  /** Id of the log before. */
  readonly logId: string;
  /** First sequence that goes: 1 when everything does. */
  readonly first: number;
  /** Last sequence that goes; `first` - 1 when the log was empty. */
  readonly last: number;
  /** In which epochs it was written, from `first` on: never empty, `firstSequence` of the first is `first`. */
  readonly epochs: EpochHistory;
  /** How the node acknowledged writes when it gave this up. */
  readonly mode: 'sync' | 'async';
  /** Whether stored keys carry the slot (cluster mode): nothing in the batches says so. */
  readonly slotPrefixed: boolean;
  /** Unix time in ms. */
  readonly atMs: number;
}

/** Which epochs wrote the sequences `first` to `last`; what is older than the history is epoch 0. */
export function epochsWithin(history: EpochHistory, first: number, last: number): EpochHistory {
  const before = history.findLast(({ firstSequence }) => firstSequence <= first);
  const within = history.filter(({ firstSequence }) => firstSequence > first && firstSequence <= last);
  return [{ epoch: before?.epoch ?? 0, firstSequence: first }, ...within];
}

/**
 * Whether clients may have been told that these writes are safe. In sync mode none was: an acknowledged write is in the
 * log of every later master, so it is never given up (unless an operator accepted its loss, which the controller's events
 * show). Epoch 0 is the time before the node was armed: then every write was acknowledged at once.
 */
export function mayBeAcknowledged({ mode, epochs }: Pick<GivenUp, 'mode' | 'epochs'>): boolean {
  return mode === 'async' || epochs.some(({ epoch }) => epoch === 0);
}

/** The epoch in whose part the last entry stands. */
export function lastEpoch(epochs: EpochHistory): number {
  return epochs.at(-1)?.epoch ?? 0;
}

/** Name without its end: `<epoch>-<first>-<last>`; sequences have no fixed width. */
export function rollbackName({ epochs, first, last }: Pick<GivenUp, 'epochs' | 'first' | 'last'>): string {
  return `${lastEpoch(epochs)}-${first}-${last}`;
}

/** JSON in the file's first frame, and beside a database directory that was moved. Unknown fields are left alone. */
export function formatGivenUp(part: GivenUp): string {
  return JSON.stringify(part);
}

/** @returns undefined when it is not what `formatGivenUp` writes. */
export function parseGivenUp(text: string): GivenUp | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { nodeId, logId, first, last, epochs, mode, slotPrefixed, atMs } = value as Record<string, unknown>;
  const starts = epochsOf(epochs);
  if (typeof nodeId !== 'string' || typeof logId !== 'string' || starts === undefined) return undefined;
  if (!isWhole(first) || !isWhole(last) || first < 1 || last < first - 1) return undefined;
  if ((mode !== 'sync' && mode !== 'async') || typeof slotPrefixed !== 'boolean' || !isWhole(atMs)) return undefined;
  return { nodeId, logId, first, last, epochs: starts, mode, slotPrefixed, atMs };
}

function epochsOf(value: unknown): EpochHistory | undefined {
  if (!Array.isArray(value) || value.length === 0) return undefined;
  const starts = value.map(epochStartOf);
  return starts.every((start) => start !== undefined) ? starts : undefined;
}

function epochStartOf(value: unknown): EpochStart | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { epoch, firstSequence } = value as Record<string, unknown>;
  return isWhole(epoch) && isWhole(firstSequence) ? { epoch, firstSequence } : undefined;
}

function isWhole(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
