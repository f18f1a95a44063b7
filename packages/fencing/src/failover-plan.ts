/**
 * Does this shard need another master or another epoch? Asked after every reply, suspicion and timer; answers from the
 * stored record and the observations alone, so that any controller that reads them answers the same.
 *
 * A master is dead when a majority of the controllers does not hear it; what one of them alone does not hear goes on
 * living by the leases of the others. One that is heard but ill gives its role up (a switchover, `RESIGN`) if somebody
 * near can take it: that is over in round trips instead of a lease, and falls back to waiting by itself.
 *
 * Reasons to act, in this order: there is no master; the master does not answer; it answers as another process (its
 * lease died with the old one); it says it cannot write, or its main loop stands still; its epoch was withheld, so it
 * will never get a lease again; it does not act, or its lease does not run, although nothing is in its way.
 */
import { assert } from '@holdfast/base';
import { elect, nextIsr, reaches, type Elected, type Election, type NodeView } from './candidate.ts';
import { nextControllers } from './controllers.ts';
import { takeEpoch, type ShardRecord } from './shard-record.ts';
import { nearSequences } from './switchover-plan.ts';
import type { FenceTimes } from './times.ts';

/** What the controllers say of one node. */
export interface Suspicion {
  /** How many do not hear it, this one included. */
  readonly suspectedBy: number;
  /** How many there are, alive or not. */
  readonly controllerCount: number;
}

export interface FailoverFacts {
  readonly record: ShardRecord;
  readonly views: readonly NodeView[];
  /** Without the lease fence nodes are not armed: process and epoch in replies mean nothing. */
  readonly isLeased: boolean;
  readonly replication: 'async' | 'sync';
  readonly withheldThrough: number;
  /** By node id. A node that is missing, or without it all: this controller is the only one, its own word counts. */
  readonly suspicions?: ReadonlyMap<string, Suspicion> | undefined;
  /** Ids of the controllers whose leases are to count from the next epoch on; absent: as before. */
  readonly controllers?: readonly string[] | undefined;
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
  const planned = trouble.isIll ? planHealthSwitchover(facts, trouble.cause) : undefined;
  return planned ?? electFor(facts, { kind: 'failover', cause: trouble.cause, excluded: trouble.excluded });
}

/**
 * The master is ill but can still say goodbye. `undefined` when nobody near can take over: then it is a failover.
 * Nothing is held first: an ill master commits nothing that a candidate would have to be waited for.
 */
export function planHealthSwitchover(facts: FailoverFacts, cause: string): FailoverDecision | undefined {
  const { record, views, isLeased } = facts;
  const master = views.find(({ nodeId }) => nodeId === record.masterId)?.reply;
  if (!isLeased || master === undefined) return undefined;
  const request = { kind: 'switchover', cause, excluded: [record.masterId] } as const;
  const elected = electWith(facts, request).elected;
  if (elected.kind === 'nobody' || elected.mayLoseWrites) return undefined;
  const candidate = views.find(({ nodeId }) => nodeId === elected.candidate.nodeId)?.reply;
  const isNear = candidate !== undefined && reaches(candidate, master.sequence - nearSequences, master);
  return isNear && candidate.masterLinkStatus === 'up' ? electFor(facts, request) : undefined;
}

interface Trouble {
  readonly cause: string;
  /** The process that held the role cannot be reached any more: no waiting for the sake of calm. */
  readonly isUnreachable: boolean;
  readonly excluded: readonly string[];
  /** It answers, and says itself that it cannot do its work. */
  readonly isIll: boolean;
}

function troubleOf(facts: FailoverFacts): Trouble | undefined {
  const { record, views, isLeased, times } = facts;
  const { masterId } = record;
  if (masterId === '-') return { cause: 'no-master', isUnreachable: true, excluded: [], isIll: false };
  const master = views.find(({ nodeId }) => nodeId === masterId);
  if (master === undefined || isDead(master, facts))
    return { cause: 'no-reply', isUnreachable: true, excluded: [masterId], isIll: false };
  const { reply } = master;
  // Not heard by this controller alone: what it said before says nothing of now.
  if (reply === undefined || master.isSuspect) return undefined;
  const ill = (cause: string): Trouble => ({ cause, isUnreachable: false, excluded: [masterId], isIll: true });
  if (isLeased && reply.processId !== record.processId)
    return { cause: 'process-changed', isUnreachable: true, excluded: [], isIll: false };
  if (reply.health === 'write-failed' || reply.health === 'disk-stalled') return ill(reply.health);
  if (reply.loopStalledMs > times.stallLimitMs) return ill('loop-stalled');
  return isLeased ? leaseTrouble(facts, master) : undefined;
}

/** A majority of the controllers does not hear it. */
function isDead(view: NodeView, { suspicions }: FailoverFacts): boolean {
  const suspicion = suspicions?.get(view.nodeId);
  return suspicion === undefined ? view.isSuspect : suspicion.suspectedBy > suspicion.controllerCount / 2;
}

/** A master that answers and is well, but does not or will never hold the lease of its epoch. */
function leaseTrouble({ record, withheldThrough }: FailoverFacts, master: NodeView): Trouble | undefined {
  if (record.epoch <= withheldThrough)
    return { cause: 'epoch-withheld', isUnreachable: true, excluded: [], isIll: false };
  if (master.reply?.epoch === record.epoch && master.reply.role !== 'master')
    return { cause: 'not-acting', isUnreachable: false, excluded: [], isIll: false };
  // It is granted leases, yet none runs: whatever is wrong is bound to this epoch of this process.
  if (master.lapsedForMs > 2 * record.leaseMs)
    return { cause: 'lease-not-taken', isUnreachable: true, excluded: [], isIll: false };
  return undefined;
}

export interface ElectionRequest {
  readonly kind: 'failover' | 'switchover';
  readonly cause: string;
  readonly excluded: readonly string[];
  readonly preferredId?: string | undefined;
  /** `ctl failover --accept-data-loss`: recorded in the cause. */
  readonly acceptDataLoss?: boolean | undefined;
  /** See `Transition`. */
  readonly cutsAtOnce?: boolean | undefined;
}

/** Elects and makes the record of the next epoch; for an operator's failover, a switchover's commit, and the plan. */
export function electFor(facts: FailoverFacts, request: ElectionRequest): FailoverDecision {
  const { record } = facts;
  const { election, elected } = electWith(facts, request);
  if (elected.kind === 'nobody')
    return { kind: 'wait', cause: request.cause, reason: elected.reason, untilWallMs: undefined };
  const { candidate, mayLoseWrites } = elected;
  const next = takeEpoch(record, {
    kind: request.kind,
    cause: mayLoseWrites ? lossCause(request) : request.cause,
    masterId: candidate.nodeId,
    processId: candidate.processId,
    isr: nextIsr(candidate, { ...election, excluded: [...request.excluded, record.masterId] }),
    controllers: nextControllers(record, facts.controllers),
    leaseMs: facts.times.leaseMs,
    wallMs: facts.wallMs,
    cutsAtOnce: request.cutsAtOnce,
  });
  return { kind: 'take-epoch', record: next, mayLoseWrites };
}

function lossCause({ cause, acceptDataLoss }: ElectionRequest): string {
  const accepted = acceptDataLoss === true ? '; the operator accepted the loss of data' : '';
  return `${cause}${accepted}; acknowledged writes may be lost`;
}

function electWith(facts: FailoverFacts, request: ElectionRequest): { election: Election; elected: Elected } {
  const election: Election = {
    views: facts.views.map((view) => asCandidate(view, facts)),
    excluded: request.excluded,
    isr: facts.record.isr,
    replication: facts.replication,
    preferredId: request.preferredId,
    acceptDataLoss: request.acceptDataLoss,
  };
  return { election, elected: elect(election) };
}

/** The recorded master counts as attached to itself, as long as its log is still the one it was recorded with. */
export function asCandidate(view: NodeView, { record, isLeased }: FailoverFacts): NodeView {
  if (view.nodeId !== record.masterId) return view;
  if (!isLeased) return { ...view, wasAttached: true };
  const logId = record.isr.find(({ nodeId }) => nodeId === view.nodeId)?.logId;
  return { ...view, wasAttached: view.reply?.logId === logId };
}
