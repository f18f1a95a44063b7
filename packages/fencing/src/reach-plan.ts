/**
 * Can clients reach the master? They come through the balancer, so a master that only the balancer does not reach serves
 * nobody, although it is well and has its lease. It gives its role up to a replica that the balancer does reach: a
 * switchover with the master's own help (HOLD, RESIGN), which waits for no lease and loses nothing.
 *
 * The balancer tells of the way to a node, and its word alone decides nothing. What it does not hear may be the node's
 * own trouble (a stalled loop, replies that wait for a replica, a lapsed lease, too many clients), and that is for
 * heartbeats and failovers to judge; so the controller asks the master the same question on the same port, and acts only
 * when *it* is answered. Nor does it act when the balancer reaches no other node either, since then it is the balancer
 * that is cut off; nor while controllers do not agree that both nodes live, since then more than one way is broken.
 */
import { assert } from '@holdfast/base';
import { canAct, elect } from './candidate.ts';
import { asCandidate, type FailoverFacts } from './failover-plan.ts';
import type { FenceTimes } from './times.ts';

/** What one balancer says. */
export interface BalancerView {
  /** For how long each node has not answered it, ms, by node id; nodes that it does not ask are missing. */
  readonly silentMs: ReadonlyMap<string, number>;
}

export interface ReachFacts {
  /** Every balancer that clients come through; undefined: one that has said nothing of late. */
  readonly balancers: readonly (BalancerView | undefined)[];
  /**
   * For how long the master has answered this controller what the balancers ask it, one answer at most three heartbeats
   * after the other and the last one just now, ms; 0: it does not, or is not asked.
   */
  readonly masterAnswersForMs: number;
}

export type ReachDecision =
  | { readonly kind: 'none' }
  /** The master is not reached, and nothing is to be done about it yet. */
  | { readonly kind: 'wait'; readonly cause: string; readonly reason: string }
  /** Clients of the balancer cannot be answered by the old master: what they have open is cut when the address moves. */
  | { readonly kind: 'switch-over'; readonly cause: string; readonly candidateId: string };

/** Cause of the switchover. */
export const unreachedCause = 'lb-unreached';

/** Decides for a shard without a transition that `decideFailover` finds nothing wrong with. */
export function decideReach(facts: FailoverFacts, reach: ReachFacts): ReachDecision {
  const { record, views, times } = facts;
  assert(record.transition === null, 'a shard in transition is its plan to continue');
  const { masterId } = record;
  if (masterId === '-' || !isUnreached(masterId, reach.balancers, times)) return { kind: 'none' };
  const wait = (reason: string): ReachDecision => ({ kind: 'wait', cause: unreachedCause, reason });
  const master = views.find(({ nodeId }) => nodeId === masterId);
  // Whatever is the matter with it, heartbeats tell, and what is done about it does not need the balancer's word.
  if (master === undefined || !canAct(master) || master.reply.role !== 'master') return { kind: 'none' };
  if (reach.masterAnswersForMs < confirmMs(times)) return { kind: 'none' };
  const doubted = views.filter(({ nodeId }) => (facts.suspicions?.get(nodeId)?.suspectedBy ?? 0) > 0);
  const doubtedIds = new Set(doubted.map(({ nodeId }) => nodeId));
  if (doubtedIds.has(masterId)) return wait('controllers do not agree that the master answers');
  const excluded = views
    .map(({ nodeId }) => nodeId)
    .filter((id) => id === masterId || doubtedIds.has(id) || !isReached(id, reach.balancers, times));
  if (excluded.length === views.length) return wait('the balancer reaches no other node of the shard that answers');
  const elected = elect({
    views: views.map((view) => asCandidate(view, facts)),
    excluded,
    isr: record.isr,
    replication: facts.replication,
  });
  if (elected.kind === 'nobody')
    return wait(`of the nodes that the balancer reaches none may follow: ${elected.reason}`);
  if (elected.mayLoseWrites) return wait('no node that the balancer reaches is known to hold what was acknowledged');
  if (record.changedAtMs > 0 && facts.wallMs < record.changedAtMs + times.repeatAfterMs)
    return wait(`the shard changed its master less than ${times.repeatAfterMs} ms ago`);
  return { kind: 'switch-over', cause: unreachedCause, candidateId: elected.candidate.nodeId };
}

/** True when a majority of the balancers has not been answered by the node for `unreachedMs`. */
export function isUnreached(nodeId: string, balancers: ReachFacts['balancers'], times: FenceTimes): boolean {
  return isMajority(balancers, (view) => (view.silentMs.get(nodeId) ?? 0) >= times.unreachedMs);
}

/** True when a majority of the balancers was answered by the node a moment ago. */
function isReached(nodeId: string, balancers: ReachFacts['balancers'], times: FenceTimes): boolean {
  return isMajority(balancers, (view) => (view.silentMs.get(nodeId) ?? Infinity) <= 3 * times.heartbeatMs);
}

function isMajority(balancers: ReachFacts['balancers'], holds: (view: BalancerView) => boolean): boolean {
  return balancers.filter((view) => view !== undefined && holds(view)).length > balancers.length / 2;
}

/**
 * The master answers the controller for at least so long before its word counts. A node that comes out of a stall answers
 * everybody at once, and the balancer's news of it is older than the controller's own.
 */
function confirmMs({ heartbeatMs }: FenceTimes): number {
  return 2 * heartbeatMs;
}
