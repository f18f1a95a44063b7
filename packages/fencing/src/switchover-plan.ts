/**
 * The part of a switchover before its compare-and-set: hold the clients of the old master, wait until the candidate has
 * what it had, then take the epoch. Nothing is stored yet, so a controller that dies here leaves a master whose hold
 * ends by itself; after the commit there is no way back and `planTransition` continues.
 */
import type { NodeView } from './candidate.ts';
import { canAct, reaches } from './candidate.ts';
import type { ShardRecord } from './shard-record.ts';
import type { FenceTimes } from './times.ts';

export interface SwitchoverFacts {
  readonly record: ShardRecord;
  readonly views: readonly NodeView[];
  readonly isLeased: boolean;
  readonly candidateId: string;
  /** The old master's sequence when it began to hold; `undefined` before HOLD was answered. */
  readonly heldSequence: number | undefined;
  /** Lease clock at which the hold was asked for. */
  readonly holdBeganMs: number | undefined;
  readonly times: FenceTimes;
  readonly nowMs: number;
}

export type SwitchoverDecision =
  | { readonly kind: 'hold'; readonly nodeId: string; readonly epoch: number; readonly holdMs: number }
  | { readonly kind: 'commit' }
  | { readonly kind: 'wait'; readonly untilMs: number }
  /** Give the clients back (`isHeld`) and say why. */
  | { readonly kind: 'give-up'; readonly isHeld: boolean; readonly reason: string };

/** A candidate further behind than this is not waited for with clients held. */
export const nearSequences = 10_000;

/** Decides before the commit. */
export function decideSwitchover(facts: SwitchoverFacts): SwitchoverDecision {
  const { record, views, heldSequence, nowMs } = facts;
  const isHeld = facts.holdBeganMs !== undefined;
  const giveUp = (reason: string): SwitchoverDecision => ({ kind: 'give-up', isHeld, reason });
  const candidate = views.find(({ nodeId }) => nodeId === facts.candidateId);
  const master = views.find(({ nodeId }) => nodeId === record.masterId);
  if (record.transition !== null) return giveUp(`a ${record.transition.kind} of the shard is under way`);
  if (candidate === undefined || !canAct(candidate)) return giveUp('the candidate does not answer or is not well');
  if (master === undefined || !canAct(master)) return giveUp('the master does not answer or is not well: use failover');
  if (candidate.nodeId === master.nodeId) return giveUp('the candidate is the master already');
  if (!facts.isLeased) return { kind: 'commit' };
  if (heldSequence !== undefined && reaches(candidate.reply, heldSequence, master.reply)) return { kind: 'commit' };
  if (facts.holdBeganMs === undefined) {
    const lag = master.reply.sequence - candidate.reply.sequence;
    if (candidate.reply.masterLinkStatus === 'down') return giveUp("the candidate's link to its master is down");
    if (lag > nearSequences) return giveUp(`the candidate is ${lag} sequences behind, more than ${nearSequences}`);
    return { kind: 'hold', nodeId: master.nodeId, epoch: record.epoch, holdMs: holdMs(facts.times) };
  }
  const untilMs = facts.holdBeganMs + catchUpMs(facts.times);
  if (nowMs >= untilMs) return giveUp('the candidate did not catch up while clients were held');
  return { kind: 'wait', untilMs };
}

/** How long clients may be held in all; the rest after catching up is for the commit and RESIGN. */
function holdMs({ leaseMs }: FenceTimes): number {
  return leaseMs;
}

function catchUpMs({ leaseMs }: FenceTimes): number {
  return leaseMs / 2;
}
