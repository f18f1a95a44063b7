/**
 * Judges of what clients alone can see: acknowledged writes lost, stale reads, time without writes. They name single
 * facts that `checkRegister` would also refuse, in words an operator understands.
 *
 * None of them guesses. A write counts as certainly before another only when its value was known to be in effect (its
 * acknowledgement, or a read of it) before the other began; an unknown write never makes anything stale unless somebody
 * read it.
 */
import {
  byKey,
  isAcknowledged,
  isEffect,
  type Acknowledged,
  type Effect,
  type Operation,
  type Read,
  type Write,
} from './operation.ts';
import { viewRegister, type Cluster } from './register.ts';

export interface LostWrite {
  readonly write: Acknowledged<Write>;
  /** The key's last read, which began after the write was acknowledged and shows only what came before it. */
  readonly read: Acknowledged<Read>;
}

export interface LostWrites {
  readonly lost: readonly LostWrite[];
  /** Keys with acknowledged writes and no answered read after the last of them: nothing is known about them. */
  readonly unjudgedKeys: readonly string[];
}

/**
 * Acknowledged writes that are gone at the end: the last read of their key sees neither them nor a write that may have
 * come after them. A lost write that was overwritten before the last read leaves a stale read at most; use a fresh key
 * per write where every loss has to be counted.
 */
export function lostWrites(operations: readonly Operation[]): LostWrites {
  const lost: LostWrite[] = [];
  const unjudgedKeys: string[] = [];
  for (const [key, group] of byKey(operations)) {
    const writes = group.filter((operation) => operation.op === 'write').filter(isAcknowledged<Write>);
    if (writes.length === 0) continue;
    const lastAcknowledgedMs = writes.reduce((latest, write) => Math.max(latest, write.completedMs), -Infinity);
    const read = lastRead(group);
    if (read === undefined || read.invokedMs < lastAcknowledgedMs) {
      unjudgedKeys.push(key);
      continue;
    }
    const seen = viewRegister(group).clusters.get(read.value);
    if (seen === undefined) continue; // A value from nowhere; checkRegister says so.
    for (const write of writes) if (seen.settledMs < write.invokedMs) lost.push({ write, read });
  }
  return { lost, unjudgedKeys };
}

function lastRead(operations: readonly Operation[]): Acknowledged<Read> | undefined {
  let last: Acknowledged<Read> | undefined;
  for (const operation of operations) {
    if (operation.op !== 'read' || !isAcknowledged<Read>(operation)) continue;
    if (last === undefined || operation.invokedMs > last.invokedMs) last = operation;
  }
  return last;
}

export interface StaleRead {
  readonly read: Acknowledged<Read>;
  /** A write known to be in effect when the read began, and certainly newer than what the read saw. */
  readonly newer: Write;
}

/**
 * Reads that began when a newer value was known to be in effect. "Newer" is certain: the value read had been in effect
 * before the newer write began.
 */
export function staleReads(operations: readonly Operation[]): StaleRead[] {
  const stale: StaleRead[] = [];
  for (const group of byKey(operations).values()) stale.push(...staleReadsOfKey(group));
  return stale;
}

function staleReadsOfKey(operations: readonly Operation[]): StaleRead[] {
  const { clusters } = viewRegister(operations);
  const written = [...clusters.values()].filter((cluster) => cluster.write !== undefined);
  written.sort((a, b) => a.settledMs - b.settledMs);
  const stale: StaleRead[] = [];
  const reads = [...clusters.values()].flatMap((seen) => seen.reads.map((read) => ({ read, seen })));
  reads.sort((a, b) => a.read.invokedMs - b.read.invokedMs);
  let at = 0;
  let newest: Write | undefined;
  for (const { read, seen } of reads) {
    for (; (written[at]?.settledMs ?? Infinity) < read.invokedMs; at++) newest = later(newest, written[at]);
    if (newest && seen.settledMs < newest.invokedMs) stale.push({ read, newer: newest });
  }
  return stale;
}

function later(newest: Write | undefined, cluster: Cluster | undefined): Write | undefined {
  const write = cluster?.write;
  return write && (newest === undefined || write.invokedMs > newest.invokedMs) ? write : newest;
}

export interface Gap {
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * The longest time between `fromMs` and `toMs` in which no write of `operations` was acknowledged, the time before the
 * first and after the last one included.
 */
export function longestGapWithoutWrites(operations: readonly Operation[], { fromMs, toMs }: Gap): Gap {
  const ends = operations
    .filter(isEffect)
    .filter(isAcknowledged<Effect>)
    .map((write) => write.completedMs)
    .filter((endMs) => endMs >= fromMs && endMs <= toMs)
    .sort((a, b) => a - b);
  let longest: Gap = { fromMs, toMs: fromMs };
  let previousMs = fromMs;
  for (const endMs of [...ends, toMs]) {
    if (endMs - previousMs > longest.toMs - longest.fromMs) longest = { fromMs: previousMs, toMs: endMs };
    previousMs = endMs;
  }
  return longest;
}
