/**
 * Is the history of one register linearizable? That is: can every operation be given one instant between its invocation
 * and its end, so that each read returns the latest write before it?
 *
 * In general that is a search over orders. With unique values it is not: a read names its write, so operations fall into
 * clusters, a write with all reads of its value, and in any valid order a cluster is contiguous. For a cluster let
 * `settledMs` be the earliest end of any of its operations and `lastMs` the latest beginning. Cluster A must stand before
 * B as soon as A.settledMs < B.lastMs (some operation of A ended before some operation of B began). The history is
 * linearizable iff no read ends before its write begins and no two clusters must each stand before the other
 * (P. B. Gibbons and E. Korach, "Testing Shared Memories", SIAM J. Comput. 26(4), 1997: there as zones, forward zones
 * disjoint and no backward zone inside a forward one). Sorting makes this O(n log n).
 *
 * Outcomes: an unknown write ends at infinity; one that nobody read is left out, since it may never have happened; one
 * that was read did happen, and its reads bound when. Refused operations must not be visible. An absent value is the
 * register's initial state, a write that ended before time began. Ends and beginnings at the same instant count as
 * concurrent: the judge never blames on a tie.
 */
import { OperationError } from '@holdfast/base';
import { isAcknowledged, type Acknowledged, type Operation, type Read, type Write } from './operation.ts';

export interface Cluster {
  /** undefined: the register's initial state (absent). */
  readonly write: Write | undefined;
  readonly reads: readonly Acknowledged<Read>[];
  /** The value is certainly in effect, or already replaced, from here on. */
  readonly settledMs: number;
  /** Latest beginning of an operation of the cluster. */
  readonly lastMs: number;
}

export type RegisterFault =
  /** A read returned what no client wrote to this key. */
  | { readonly kind: 'value-from-nowhere'; readonly read: Read }
  /** A read returned the value of a write that was answered with an error. */
  | { readonly kind: 'refused-write-visible'; readonly read: Read; readonly write: Write }
  /** A read ended before the write of its value began. */
  | { readonly kind: 'read-before-write'; readonly read: Read; readonly write: Write }
  /** Each of the two values must have been in effect before the other. */
  | { readonly kind: 'order-conflict'; readonly first: Cluster; readonly second: Cluster };

export interface RegisterView {
  /** By value: every acknowledged write, every unknown write that was read, and the absent state if it was read. */
  readonly clusters: ReadonlyMap<string | null, Cluster>;
  /** What is wrong already when reads are matched with writes. */
  readonly faults: readonly RegisterFault[];
}

/**
 * Sorts the operations of one key into clusters.
 * @throws OperationError HISTORY_VALUE_TWICE when a value was written twice; nothing could be judged then.
 */
export function viewRegister(operations: readonly Operation[]): RegisterView {
  const writes = writesByValue(operations);
  const reads = readsByValue(operations);
  const faults: RegisterFault[] = [];
  const clusters = new Map<string | null, Cluster>();
  for (const write of writes.values()) {
    const seen = reads.get(write.value) ?? [];
    if (write.outcome === 'failed') {
      for (const read of seen) faults.push({ kind: 'refused-write-visible', read, write });
      continue;
    }
    for (const read of seen)
      if (read.completedMs < write.invokedMs) faults.push({ kind: 'read-before-write', read, write });
    if (seen.length > 0 || write.outcome === 'ok') clusters.set(write.value, clusterOf(write, seen));
  }
  for (const [value, seen] of reads) {
    if (value === null) clusters.set(null, clusterOf(undefined, seen));
    else if (!writes.has(value)) for (const read of seen) faults.push({ kind: 'value-from-nowhere', read });
  }
  return { clusters, faults };
}

function writesByValue(operations: readonly Operation[]): Map<string, Write> {
  const writes = new Map<string, Write>();
  for (const operation of operations) {
    if (operation.op !== 'write') continue;
    if (writes.has(operation.value)) {
      const message = `value ${operation.value} was written twice to ${operation.key}; values must be unique`;
      throw new OperationError('HISTORY_VALUE_TWICE', message, { outcome: 'not-applied' });
    }
    writes.set(operation.value, operation);
  }
  return writes;
}

function readsByValue(operations: readonly Operation[]): Map<string | null, Acknowledged<Read>[]> {
  const reads = new Map<string | null, Acknowledged<Read>[]>();
  for (const operation of operations) {
    if (operation.op !== 'read' || !isAcknowledged<Read>(operation)) continue;
    const same = reads.get(operation.value);
    if (same) same.push(operation);
    else reads.set(operation.value, [operation]);
  }
  return reads;
}

function clusterOf(write: Write | undefined, reads: readonly Acknowledged<Read>[]): Cluster {
  let settledMs = write === undefined ? -Infinity : isAcknowledged(write) ? write.completedMs : Infinity;
  let lastMs = write === undefined ? -Infinity : write.invokedMs;
  for (const read of reads) {
    settledMs = Math.min(settledMs, read.completedMs);
    lastMs = Math.max(lastMs, read.invokedMs);
  }
  return { write, reads, settledMs, lastMs };
}

/**
 * Judges the operations of one key.
 * @returns what is wrong; empty exactly when the history is linearizable. At least one conflict is named per cluster
 * that has one, not every pair.
 * @throws OperationError HISTORY_VALUE_TWICE, see `viewRegister`.
 */
export function checkRegister(operations: readonly Operation[]): RegisterFault[] {
  const { clusters, faults } = viewRegister(operations);
  return [...faults, ...orderConflicts([...clusters.values()])];
}

/**
 * Pairs that must each stand before the other. Clusters are sorted by settledMs; a cluster is compared with those before
 * it that settled before it last began, and of these the one with the largest lastMs stands for all: with
 * a.settledMs <= b.settledMs the pair conflicts iff a.settledMs < b.lastMs and b.settledMs < a.lastMs.
 */
function orderConflicts(clusters: readonly Cluster[]): RegisterFault[] {
  const sorted = [...clusters].sort((a, b) => a.settledMs - b.settledMs);
  const conflicts: RegisterFault[] = [];
  /** latest[i]: of sorted[0..i] the cluster with the largest lastMs. */
  const latest: Cluster[] = [];
  sorted.forEach((second, at) => {
    const first = latest[Math.min(at, countSettledBefore(sorted, second.lastMs)) - 1];
    if (first && second.settledMs < first.lastMs) conflicts.push({ kind: 'order-conflict', first, second });
    const best = latest[at - 1];
    latest.push(best && best.lastMs >= second.lastMs ? best : second);
  });
  return conflicts;
}

/** How many of the clusters, sorted by settledMs, settled strictly before `timeMs`. */
function countSettledBefore(sorted: readonly Cluster[], timeMs: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle]?.settledMs ?? Infinity) < timeMs) low = middle + 1;
    else high = middle;
  }
  return low;
}
