/**
 * Judges that need to know which node answered, and when each node was allowed to: acknowledgements after a fence, two
 * masters in one epoch, writes a fenced master applied that became visible.
 *
 * The trouble is that clients see when bytes arrived, not when a node acted. For a node that stood still (SIGSTOP) both
 * can be bounded: what arrives during the pause was sent before it, and what is asked of it during the pause is executed
 * after it. So a reply counts as sent at the latest moment it proves, and a request as executed at the earliest moment
 * possible: the judges blame only what cannot have been otherwise.
 */
import { isAcknowledged, isEffect, valuesSeen, type Acknowledged, type Effect, type Operation } from './operation.ts';

/** The time in which one node could rightly acknowledge writes of a shard. */
export interface Mastership {
  readonly shard: number;
  readonly epoch: number;
  readonly node: string;
  readonly fromMs: number;
  /** From here on its acknowledgements are wrong (its fence); null while it holds. */
  readonly untilMs: number | null;
}

/** A time in which a node executed nothing and sent nothing. */
export interface Pause {
  readonly node: string;
  readonly fromMs: number;
  readonly untilMs: number;
}

export interface Evidence {
  readonly masterships: readonly Mastership[];
  readonly pauses: readonly Pause[];
}

function pauseAt(evidence: Evidence, node: string, timeMs: number): Pause | undefined {
  return evidence.pauses.find((pause) => pause.node === node && timeMs > pause.fromMs && timeMs < pause.untilMs);
}

/** The mastership in which `node` acted at `timeMs`: the one that holds then, else the last one before. */
function mastershipAt(evidence: Evidence, shard: number, node: string, timeMs: number): Mastership | undefined {
  let found: Mastership | undefined;
  for (const mastership of evidence.masterships) {
    if (mastership.shard !== shard || mastership.node !== node || mastership.fromMs > timeMs) continue;
    if (found === undefined || mastership.fromMs > found.fromMs) found = mastership;
  }
  return found;
}

export interface FencedAcknowledgement {
  readonly write: Acknowledged<Effect>;
  /** The mastership that had ended. */
  readonly mastership: Mastership;
  /**
   * Why the answer may be true although it came after the fence; null when it is wrong.
   *
   * `in-effect`: a read shows that the write was in effect while the mastership still held. A node can be stopped
   * between its last look at the lease and the system call that sends the replies, and nothing on the node can prevent
   * that.
   *
   * `under-way`: the write was asked for before the fence of a node that did not stand still then. It may have been
   * executed, and its answer sent, just before: bytes take their time, and so does whoever reads them.
   *
   * Either answer is true as long as the write is in the history that goes on, which `lostWrites` judges.
   */
  readonly excuse: 'in-effect' | 'under-way' | null;
}

/** Writes acknowledged by a node after its fence. */
export function acknowledgedAfterFence(operations: readonly Operation[], evidence: Evidence): FencedAcknowledgement[] {
  const late: { write: NodeWrite; mastership: Mastership; fenceMs: number }[] = [];
  for (const write of acknowledgedWritesOfNodes(operations)) {
    const sentMs = sentAtLatest(write, evidence);
    const mastership = mastershipAt(evidence, write.shard, write.node, sentMs);
    if (mastership === undefined) continue;
    const fenceMs = mastership.untilMs ?? Infinity;
    if (sentMs > fenceMs) late.push({ write, mastership, fenceMs });
  }
  if (late.length === 0) return [];
  const seen = firstSeen(operations);
  return late.map(({ write, mastership, fenceMs }) => {
    const seenMs = seen.get(identity(write)) ?? Infinity;
    // What is seen while the node stands still it had executed before.
    const effectMs = pauseAt(evidence, write.node, seenMs)?.fromMs ?? seenMs;
    if (effectMs <= fenceMs) return { write, mastership, excuse: 'in-effect' };
    const stoodStill = pauseAt(evidence, write.node, fenceMs) !== undefined;
    return { write, mastership, excuse: !stoodStill && write.invokedMs <= fenceMs ? 'under-way' : null };
  });
}

/** When an operation first ended that saw a value, by `identity`. */
function firstSeen(operations: readonly Operation[]): Map<string, number> {
  const seen = new Map<string, number>();
  for (const operation of operations) {
    if (!isAcknowledged<Operation>(operation)) continue;
    for (const value of valuesSeen(operation)) {
      const id = identity({ key: operation.key, value });
      seen.set(id, Math.min(seen.get(id) ?? Infinity, operation.completedMs));
    }
  }
  return seen;
}

/** A value of a key; values are unique to their key. */
function identity({ key, value }: { readonly key: string; readonly value: string }): string {
  return `${key}\n${value}`;
}

type NodeWrite = Acknowledged<Effect> & { readonly node: string };

function acknowledgedWritesOfNodes(operations: readonly Operation[]): NodeWrite[] {
  return operations
    .filter(isEffect)
    .filter(isAcknowledged<Effect>)
    .filter((write): write is NodeWrite => write.node !== null);
}

function sentAtLatest(write: NodeWrite, evidence: Evidence): number {
  return pauseAt(evidence, write.node, write.completedMs)?.fromMs ?? write.completedMs;
}

export interface DoubledEpoch {
  readonly shard: number;
  readonly epoch: number;
  /** One acknowledged write of each node that acknowledged any in that epoch. */
  readonly writes: readonly Acknowledged<Effect>[];
}

/** Epochs of a shard in which more than one node acknowledged writes. */
export function epochsWithTwoMasters(operations: readonly Operation[], evidence: Evidence): DoubledEpoch[] {
  const epochs = new Map<string, { shard: number; epoch: number; byNode: Map<string, Acknowledged<Effect>> }>();
  for (const write of acknowledgedWritesOfNodes(operations)) {
    const mastership = mastershipAt(evidence, write.shard, write.node, sentAtLatest(write, evidence));
    if (mastership === undefined) continue;
    const { shard, epoch } = mastership;
    const entry = epochs.get(`${shard} ${epoch}`) ?? { shard, epoch, byNode: new Map<string, Acknowledged<Effect>>() };
    epochs.set(`${shard} ${epoch}`, entry);
    if (!entry.byNode.has(write.node)) entry.byNode.set(write.node, write);
  }
  return [...epochs.values()]
    .filter(({ byNode }) => byNode.size > 1)
    .map(({ shard, epoch, byNode }) => ({ shard, epoch, writes: [...byNode.values()] }));
}

export interface VisibleFencedWrite {
  readonly write: Effect;
  readonly read: Acknowledged<Operation>;
}

/**
 * Writes that only a fenced node can have applied (asked of it in a pause that outlasted its mastership) and that some
 * read saw. One entry per write, with its first read.
 */
export function visibleFencedWrites(operations: readonly Operation[], evidence: Evidence): VisibleFencedWrite[] {
  const fenced = new Map<string, Effect>();
  for (const operation of operations) {
    if (isEffect(operation) && isExecutedAfterFence(operation, evidence)) fenced.set(identity(operation), operation);
  }
  const seen = new Map<Effect, Acknowledged<Operation>>();
  for (const operation of operations) {
    if (!isAcknowledged<Operation>(operation)) continue;
    for (const value of valuesSeen(operation)) {
      const write = fenced.get(identity({ key: operation.key, value }));
      if (write && !seen.has(write)) seen.set(write, operation);
    }
  }
  return [...seen].map(([write, read]) => ({ write, read }));
}

/** Whether a write can only have been executed after the fence of the node it was sent to. */
export function isExecutedAfterFence(write: Effect, evidence: Evidence): boolean {
  if (write.node === null) return false;
  const earliestMs = pauseAt(evidence, write.node, write.invokedMs)?.untilMs ?? write.invokedMs;
  const mastership = mastershipAt(evidence, write.shard, write.node, earliestMs);
  return mastership !== undefined && mastership.untilMs !== null && earliestMs > mastership.untilMs;
}
