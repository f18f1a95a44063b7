/**
 * Does this shard need another master or another epoch? Asked after every reply, suspicion and timer; answers from the
 * stored record and the observations alone, so that any controller that reads them answers the same.
 *
 * Reasons to act, in this order: there is no master; the master does not answer; it answers as another process (its
 * lease died with the old one); it says it cannot write, or its main loop stands still; its epoch was withheld, so it
 * will never get a lease again; it does not act, or its lease does not run, although nothing is in its way.
 */
import { assert } from '@holdfast/base';
import { elect, nextIsr, type Election, type NodeView } from './candidate.ts';
import { takeEpoch, type ShardRecord } from './shard-record.ts';
import type { FenceTimes } from './times.ts';

export interface FailoverFacts {
  readonly record: ShardRecord;
  readonly views: readonly NodeView[];
  /** Without the lease fence nodes are not armed: process and epoch in replies mean nothing. */
  readonly isLeased: boolean;
  readonly replication: 'async' | 'sync';
  readonly withheldThrough: number;
  readonly times: FenceTimes;
  /** Unix time. */
  readonly wallMs: number;
}

export type FailoverDecision =
  | { readonly kind: 'none' }
  /** Something is wrong and waits: too soon after the last change (`untilWallMs`), or for a node to come back. */
  | { readonly kind: 'wait'; readonly cause: string; readonly reason: string; readonly untilWallMs: number | undefined }
  /** The store is behind a node: restored or lost. Nothing may be granted; an operator must decide. */
  | { readonly kind: 'alarm'; readonly reason: string }
  /** Withhold `record.epoch - 1`, then write `record` by compare-and-set. */
  | { readonly kind: 'take-epoch'; readonly record: ShardRecord; readonly mayLoseWrites: boolean };

/** Decides for a shard without a transition. */
export function decideFailover(facts: FailoverFacts): FailoverDecision {
  const { record, views } = facts;
  assert(record.transition === null, 'a shard in transition is its plan to continue');
  const ahead = facts.isLeased
    ? views.find(({ reply }) => reply !== undefined && reply.epoch > record.epoch)
    : undefined;
  if (ahead !== undefined)
    return {
      kind: 'alarm',
      reason: `node ${ahead.nodeId} is in epoch ${ahead.reply?.epoch}, the store in ${record.epoch}`,
    };
  const trouble = troubleOf(facts);
  if (trouble === undefined) return { kind: 'none' };
  const untilWallMs = record.changedAtMs + facts.times.repeatAfterMs;
  if (!trouble.isUnreachable && record.changedAtMs > 0 && facts.wallMs < untilWallMs) {
    const reason = `the shard changed its master less than ${facts.times.repeatAfterMs} ms ago`;
    return { kind: 'wait', cause: trouble.cause, reason, untilWallMs };
  }
  return electFor(facts, { kind: 'failover', cause: trouble.cause, excluded: trouble.excluded });
}

interface Trouble {
  readonly cause: string;
  /** The process that held the role cannot be reached any more: no waiting for the sake of calm. */
  readonly isUnreachable: boolean;
  readonly excluded: readonly string[];
}

function troubleOf(facts: FailoverFacts): Trouble | undefined {
  const { record, views, isLeased, times } = facts;
  const { masterId } = record;
  if (masterId === '-') return { cause: 'no-master', isUnreachable: true, excluded: [] };
  const master = views.find(({ nodeId }) => nodeId === masterId);
  if (master === undefined || master.isSuspect) return { cause: 'no-reply', isUnreachable: true, excluded: [masterId] };
  const { reply } = master;
  if (reply === undefined) return undefined;
  const sick = (cause: string): Trouble => ({ cause, isUnreachable: false, excluded: [masterId] });
  if (isLeased && reply.processId !== record.processId)
    return { cause: 'process-changed', isUnreachable: true, excluded: [] };
  if (reply.health === 'write-failed' || reply.health === 'disk-stalled') return sick(reply.health);
  if (reply.loopStalledMs > times.stallLimitMs) return sick('loop-stalled');
  return isLeased ? leaseTrouble(facts, master) : undefined;
}

/** A master that answers and is well, but does not or will never hold the lease of its epoch. */
function leaseTrouble({ record, withheldThrough }: FailoverFacts, master: NodeView): Trouble | undefined {
  if (record.epoch <= withheldThrough) return { cause: 'epoch-withheld', isUnreachable: true, excluded: [] };
  if (master.reply?.epoch === record.epoch && master.reply.role !== 'master')
    return { cause: 'not-acting', isUnreachable: false, excluded: [] };
  // It is granted leases, yet none runs: whatever is wrong is bound to this epoch of this process.
  if (master.lapsedForMs > 2 * record.leaseMs) return { cause: 'lease-not-taken', isUnreachable: true, excluded: [] };
  return undefined;
}

export interface ElectionRequest {
  readonly kind: 'failover' | 'switchover';
  readonly cause: string;
  readonly excluded: readonly string[];
  readonly preferredId?: string | undefined;
}

/** Elects and makes the record of the next epoch; for an operator's failover, a switchover's commit, and the plan. */
export function electFor(facts: FailoverFacts, request: ElectionRequest): FailoverDecision {
  const { record } = facts;
  const election: Election = {
    views: facts.views.map((view) => asCandidate(view, facts)),
    excluded: request.excluded,
    isr: record.isr,
    replication: facts.replication,
    preferredId: request.preferredId,
  };
  const elected = elect(election);
  if (elected.kind === 'nobody')
    return { kind: 'wait', cause: request.cause, reason: elected.reason, untilWallMs: undefined };
  const { candidate, mayLoseWrites } = elected;
  const next = takeEpoch(record, {
    kind: request.kind,
    cause: mayLoseWrites ? `${request.cause}; acknowledged writes may be lost` : request.cause,
    masterId: candidate.nodeId,
    processId: candidate.processId,
    isr: nextIsr(candidate, election),
    leaseMs: facts.times.leaseMs,
    wallMs: facts.wallMs,
  });
  return { kind: 'take-epoch', record: next, mayLoseWrites };
}

/** The recorded master counts as attached to itself, as long as its log is still the one it was recorded with. */
function asCandidate(view: NodeView, { record, isLeased }: FailoverFacts): NodeView {
  if (view.nodeId !== record.masterId) return view;
  if (!isLeased) return { ...view, wasAttached: true };
  const logId = record.isr.find(({ nodeId }) => nodeId === view.nodeId)?.logId;
  return { ...view, wasAttached: view.reply?.logId === logId };
}
