/**
 * Who becomes master? The best of the nodes that answer.
 *
 * In async mode an acknowledged write may be on one replica only, so the longest log wins, but sequences compare only
 * within one history: a node that was attached to the last master comes before one that was not, however high the
 * latter's numbers are (a former master that was cut off counts on alone). An empty node is never chosen when anything
 * else is known to hold data: it is waiting for its full sync, and promoting it would make the loss final.
 */
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
}

export type Elected =
  | { readonly kind: 'elected'; readonly candidate: Candidate; readonly mayLoseWrites: boolean }
  | { readonly kind: 'nobody'; readonly reason: string };

/** Chooses a master. */
export function elect(election: Election): Elected {
  const { views, excluded, preferredId } = election;
  const answering = views.filter((view) => !excluded.includes(view.nodeId)).filter(canAct);
  const qualified = answering.filter((view) => qualifies(view, election)).sort(byMerit);
  if (preferredId !== undefined) {
    const preferred = qualified.find((view) => view.nodeId === preferredId);
    if (preferred !== undefined) return { kind: 'elected', candidate: candidateOf(preferred), mayLoseWrites: false };
    return { kind: 'nobody', reason: `node ${preferredId} does not qualify: it must answer, be well and hold data` };
  }
  const best = qualified[0];
  if (best !== undefined) return { kind: 'elected', candidate: candidateOf(best), mayLoseWrites: false };
  return longestOfAll(election, answering);
}

/**
 * Nobody qualifies. If everybody is back and merely nobody's log is the recorded one (power loss of everything), the
 * longest is taken and the loss is said; with somebody still missing it is better to wait for them.
 */
function longestOfAll({ views, excluded }: Election, answering: readonly ViewWithReply[]): Elected {
  if (answering.length === 0) return { kind: 'nobody', reason: 'no node of the shard answers and is well' };
  const isEverybodyBack = views.every((view) => view.reply !== undefined && !view.isSuspect);
  const longest = [...answering].sort((a, b) => b.reply.sequence - a.reply.sequence)[0];
  if (!isEverybodyBack || excluded.length > 0 || longest === undefined)
    return { kind: 'nobody', reason: 'no node that answers is known to hold what was acknowledged' };
  return { kind: 'elected', candidate: candidateOf(longest), mayLoseWrites: true };
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

function byMerit(a: ViewWithReply, b: ViewWithReply): number {
  if (a.wasAttached !== b.wasAttached) return a.wasAttached ? -1 : 1;
  return b.reply.sequence - a.reply.sequence;
}

function candidateOf(view: ViewWithReply): Candidate {
  const { processId, logId, sequence } = view.reply;
  return { nodeId: view.nodeId, processId, logId, sequence };
}

/**
 * The ISR of a new epoch: the candidate, and in sync mode the old members that answer now with the log they were
 * recorded with. Never a node that was not a member: it may lack what was acknowledged.
 */
export function nextIsr(candidate: Candidate, election: Election): IsrMember[] {
  const isr: IsrMember[] = [{ nodeId: candidate.nodeId, logId: candidate.logId }];
  if (election.replication === 'async') return isr;
  for (const member of election.isr) {
    if (member.nodeId === candidate.nodeId || election.excluded.includes(member.nodeId)) continue;
    const view = election.views.find(({ nodeId }) => nodeId === member.nodeId);
    if (view !== undefined && canAct(view) && view.reply.logId === member.logId) isr.push(member);
  }
  return isr;
}
