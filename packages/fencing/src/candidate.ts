/**
 * Who becomes master? The best of the nodes that answer.
 *
 * In sync mode every member of the ISR, as long as it has the log it was recorded with, holds everything acknowledged;
 * the one with the longest log, by (epoch of the last entry, sequence), makes the others rewind least. Outside the ISR
 * only an operator who accepts the loss may choose, and one case decides itself: all members are back and the log of
 * each was replaced or may have lost its end (power loss of everything), so that waiting would bring nothing.
 *
 * In async mode an acknowledged write may be on one replica only, so the longest log wins, but sequences compare only
 * within one history: a node that was attached to the last master comes before one that was not, however high the
 * latter's numbers are (a former master that was cut off counts on alone). An empty node is never chosen when anything
 * else is known to hold data: it is waiting for its full sync, and promoting it would make the loss final.
 */
import { compareLogEnds, type LogEnd } from './epoch-history.ts';
import type { IsrMember } from './fence-record.ts';
import type { HeartbeatReply } from './heartbeat.ts';

/** What a controller knows of one node of the shard. */
export interface NodeView {
  readonly nodeId: string;
  readonly isSuspect: boolean;
  /** The last one; `undefined` before the first. */
  readonly reply: HeartbeatReply | undefined;
  /**
   * True when it was last seen as a replica with its link up under the shard's last acting master, or is that master.
   * Link state after the master's death says nothing (everybody's link is down), so the caller keeps the one before.
   */
  readonly wasAttached: boolean;
  /** For how long it has answered as master and said that its lease does not run, ms. */
  readonly lapsedForMs: number;
}

/** A node that could act now. */
export interface Candidate {
  readonly nodeId: string;
  readonly processId: string;
  readonly logId: string;
  readonly sequence: number;
}

export interface Election {
  readonly views: readonly NodeView[];
  /** Nodes that are out of the question. */
  readonly excluded: readonly string[];
  /** Members with the log they had; only they qualify in sync mode, where they hold everything acknowledged. */
  readonly isr: readonly IsrMember[];
  readonly replication: 'async' | 'sync';
  /** A node the operator asked for; must qualify as any other. */
  readonly preferredId?: string | undefined;
  /** The operator's explicit word: if nobody qualifies, the longest log that answers, or the preferred node, is taken. */
  readonly acceptDataLoss?: boolean | undefined;
}

export type Elected =
  | { readonly kind: 'elected'; readonly candidate: Candidate; readonly mayLoseWrites: boolean }
  | { readonly kind: 'nobody'; readonly reason: string };

/** Chooses a master. */
export function elect(election: Election): Elected {
  const { views, excluded, preferredId } = election;
  const isWanted = ({ nodeId }: NodeView): boolean => preferredId === undefined || nodeId === preferredId;
  const answering = views.filter(({ nodeId }) => !excluded.includes(nodeId)).filter(canAct);
  const qualified = answering.filter((view) => qualifies(view, election)).sort(byMerit(election.replication));
  const best = qualified.find(isWanted);
  if (best !== undefined) return { kind: 'elected', candidate: candidateOf(best), mayLoseWrites: false };
  const longest = answering.filter(isWanted).sort(byLogEnd)[0];
  if (election.acceptDataLoss === true && longest !== undefined)
    return { kind: 'elected', candidate: candidateOf(longest), mayLoseWrites: true };
  if (preferredId !== undefined)
    return { kind: 'nobody', reason: `node ${preferredId} does not qualify: it must answer, be well and hold data` };
  if (longest === undefined) return { kind: 'nobody', reason: 'no node of the shard answers and is well' };
  if (isWaitingVain(election)) return { kind: 'elected', candidate: candidateOf(longest), mayLoseWrites: true };
  return { kind: 'nobody', reason: 'no node that answers is known to hold what was acknowledged' };
}

/**
 * Nobody qualifies. Is there nobody whose return could change that? With somebody still missing, or ill but holding the
 * recorded log, it is better to wait. Also for one who is no member any more: a master that stood still is taken out of
 * the ISR by the failover to a node that then loses its log, and has everything when it wakes up.
 */
function isWaitingVain({ views, excluded, isr, replication }: Election): boolean {
  const isEverybodyBack = views.every((view) => view.reply !== undefined && !view.isSuspect);
  if (replication === 'async' || isr.length === 0) return excluded.length === 0 && isEverybodyBack;
  if (!isEverybodyBack) return false;
  return isr.every(({ nodeId, logId }) => {
    const view = views.find((each) => each.nodeId === nodeId);
    return view !== undefined && canAct(view) && view.reply.logId !== logId;
  });
}

interface ViewWithReply extends NodeView {
  readonly reply: HeartbeatReply;
}

/** Answers, and could serve this instant. */
export function canAct(view: NodeView): view is ViewWithReply {
  return !view.isSuspect && view.reply?.health === 'ok' && view.reply.processId !== '';
}

function qualifies(view: ViewWithReply, { views, isr, replication }: Election): boolean {
  if (replication === 'sync')
    return isr.some(({ nodeId, logId }) => nodeId === view.nodeId && logId === view.reply.logId);
  const isDataKnown = views.some((other) => (other.reply?.sequence ?? 0) > 0);
  return view.reply.sequence > 0 || !isDataKnown;
}

type Order = (a: ViewWithReply, b: ViewWithReply) => number;

/** Best first. In async mode numbers compare among those that followed the last master, whoever else counted on alone. */
function byMerit(replication: 'async' | 'sync'): Order {
  if (replication === 'sync') return byLogEnd;
  return (a, b) => (a.wasAttached === b.wasAttached ? byLogEnd(a, b) : a.wasAttached ? -1 : 1);
}

function byLogEnd(a: ViewWithReply, b: ViewWithReply): number {
  return compareLogEnds(endOf(b.reply), endOf(a.reply));
}

function endOf({ lastEpoch, sequence }: HeartbeatReply): LogEnd {
  return { epoch: lastEpoch, sequence };
}

function candidateOf(view: ViewWithReply): Candidate {
  const { processId, logId, sequence } = view.reply;
  return { nodeId: view.nodeId, processId, logId, sequence };
}

/**
 * The ISR of a new epoch: the candidate, and in sync mode the old members that answer now with the log they were
 * recorded with. Never a node that was not a member, as it may lack what was acknowledged; and if the candidate itself
 * was none, nobody: what the others hold is measured by a log that is given up.
 */
export function nextIsr(candidate: Candidate, election: Election): IsrMember[] {
  const isr: IsrMember[] = [{ nodeId: candidate.nodeId, logId: candidate.logId }];
  const isMember = election.isr.some(({ nodeId, logId }) => nodeId === candidate.nodeId && logId === candidate.logId);
  if (election.replication === 'async' || !isMember) return isr;
  for (const member of election.isr) {
    if (member.nodeId === candidate.nodeId || election.excluded.includes(member.nodeId)) continue;
    const view = election.views.find(({ nodeId }) => nodeId === member.nodeId);
    if (view !== undefined && canAct(view) && view.reply.logId === member.logId) isr.push(member);
  }
  return isr;
}

/** True when the node's log reaches `sequence` of what `master` wrote, not just that number in some older epoch. */
export function reaches(reply: HeartbeatReply, sequence: number, master: HeartbeatReply | undefined): boolean {
  return reply.sequence >= sequence && reply.lastEpoch >= (master?.lastEpoch ?? 0);
}
