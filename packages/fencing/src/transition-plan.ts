/**
 * What remains to be done for a shard whose next epoch is in the store: one plan for creation, failover and switchover,
 * since they differ only in how long is waited and how the old master is told.
 *
 * `planTransition` looks at the stored record and at what was observed, never at what it said before: a controller that
 * was killed anywhere, or another one, asks again and gets what is still missing. Every step may be done twice. The
 * caller performs the steps it gets (those it is already performing, it goes on with) and asks again when something
 * changed or `untilMs` has come.
 *
 *     withhold -> [resign] -> wait for the promises -> announce -> promote -> move the balancer -> [release] -> finish
 *
 * The announcement (topology version and bindings in the store) is written a little before the promises end, so that
 * after their end nothing stands between the candidate and its clients but one round trip to it and one to the balancer.
 */
import { assert } from '@holdfast/base';
import { canAct, reaches, type NodeView } from './candidate.ts';
import type { ShardRecord } from './shard-record.ts';
import type { FenceTimes } from './times.ts';

export interface TransitionFacts {
  readonly record: ShardRecord;
  readonly views: readonly NodeView[];
  /** Fence F2; without it there is nothing to wait for and nobody to arm. */
  readonly isLeased: boolean;
  /** Topology version of the store. */
  readonly version: number;
  /** `promisesEndMs` for the epochs below the record's; `undefined` until a majority was asked. */
  readonly promisesEndMs: number | undefined;
  /** Switchover: the old master's answer to RESIGN; `failed` when it will not come. */
  readonly resignation: number | 'failed' | undefined;
  /** The candidate said no to SHARD for good (its log changed). */
  readonly isRefused: boolean;
  /** `failing`: the balancer cannot be asked; its reconciler goes on and promotion does not wait. */
  readonly balancer: 'pending' | 'moved' | 'failing';
  /** Switchover: the old master was told where its held clients belong now, or cannot be told. */
  readonly isReleased: boolean;
  readonly times: FenceTimes;
  /** Lease clock of the controller. */
  readonly nowMs: number;
}

export type TransitionStep =
  /** Ask every controller to withhold the epochs below, for how long its promises run. */
  | { readonly kind: 'withhold'; readonly epoch: number }
  | { readonly kind: 'resign'; readonly nodeId: string; readonly epoch: number }
  /** Commit: announced, topology version + 1, bindings. */
  | { readonly kind: 'announce' }
  /** SHARD, SETNODES and heartbeats to the candidate, back to back. */
  | { readonly kind: 'promote'; readonly nodeId: string }
  | { readonly kind: 'move-balancer' }
  | { readonly kind: 'release'; readonly nodeId: string; readonly epoch: number }
  /**
   * The candidate of this epoch is lost: elect again, into the epoch after this one. Only a node that refused is out of
   * the question; one that was restarted, or whose log was replaced, is judged anew as what it is now.
   */
  | { readonly kind: 'elect-again'; readonly excluded: readonly string[]; readonly reason: string }
  /** Commit: no transition. */
  | { readonly kind: 'finish' };

export type TransitionPlan =
  | { readonly kind: 'steps'; readonly steps: readonly TransitionStep[] }
  /** Lease clock; `undefined`: until an observation changes. */
  | { readonly kind: 'wait'; readonly untilMs: number | undefined }
  | { readonly kind: 'done' };

/** The steps that are to be done now, side by side. */
export function planTransition(facts: TransitionFacts): TransitionPlan {
  const { record } = facts;
  if (record.transition === null) return { kind: 'done' };
  const lost = lostReason(facts);
  if (lost !== undefined) {
    const excluded = lost === refusedReason ? [record.masterId] : [];
    return steps({ kind: 'elect-again', excluded, reason: lost });
  }
  return isPromoted(facts) ? planAfter(facts) : planBefore(facts);
}

/**
 * True once the candidate acts in the record's epoch and has the topology that makes it serve. Also told from replies
 * alone: a leader that starts here finds its predecessor's promotion done.
 */
export function isPromoted({ record, views, isLeased, version }: TransitionFacts): boolean {
  const reply = views.find(({ nodeId }) => nodeId === record.masterId)?.reply;
  if (reply === undefined || record.transition?.announced !== true || reply.version < version) return false;
  if (!isLeased) return reply.role === 'master';
  return reply.processId === record.processId && reply.epoch === record.epoch && reply.role === 'master';
}

const refusedReason = 'the candidate refused the shard record';

function lostReason({ record, views, isLeased, isRefused }: TransitionFacts): string | undefined {
  const view = views.find(({ nodeId }) => nodeId === record.masterId);
  if (view === undefined || view.isSuspect) return 'the candidate does not answer';
  const { reply } = view;
  if (isLeased && reply !== undefined) {
    if (reply.processId !== record.processId) return 'the candidate was restarted';
    const logId = record.isr.find(({ nodeId }) => nodeId === record.masterId)?.logId;
    if (logId !== undefined && reply.logId !== logId) return "the candidate's log was replaced";
  }
  if (isRefused) return refusedReason;
  if (reply !== undefined && !canAct(view)) return `the candidate is not well: ${reply.health}`;
  return undefined;
}

function planBefore(facts: TransitionFacts): TransitionPlan {
  const { record, nowMs, times } = facts;
  const { transition } = record;
  assert(transition !== null, 'planned with a transition');
  const clearMs = clearedAtMs(facts);
  const announceMs = transition.kind === 'failover' ? (clearMs ?? Infinity) - times.announceLeadMs : 0;
  const isClear = clearMs !== undefined && nowMs >= clearMs;
  const due = fenceSteps(facts);
  if (!transition.announced && nowMs >= announceMs) due.push({ kind: 'announce' });
  if (isClear && transition.announced) due.push({ kind: 'promote', nodeId: record.masterId });
  if (due.length > 0) return steps(...due);
  if (clearMs === undefined) return { kind: 'wait', untilMs: undefined };
  return { kind: 'wait', untilMs: transition.announced ? clearMs : announceMs };
}

/** What ends the former epoch; nothing where there was none, or where leases are not used. */
function fenceSteps({ record, isLeased, promisesEndMs, resignation }: TransitionFacts): TransitionStep[] {
  const { transition } = record;
  if (!isLeased || transition === null || transition.fromEpoch === 0) return [];
  const due: TransitionStep[] = [];
  if (promisesEndMs === undefined) due.push({ kind: 'withhold', epoch: record.epoch - 1 });
  if (transition.kind === 'switchover' && resignation === undefined)
    due.push({ kind: 'resign', nodeId: transition.fromMasterId, epoch: transition.fromEpoch });
  return due;
}

/**
 * When nobody but the candidate can be believed any more: at once without leases or without a former epoch; when the
 * candidate has all that the resigned master had; else when the promises have ended.
 */
export function clearedAtMs(facts: TransitionFacts): number | undefined {
  const { record, isLeased, resignation, promisesEndMs } = facts;
  if (!isLeased || record.transition?.fromEpoch === 0) return 0;
  if (typeof resignation === 'number') {
    const replyOf = (id: string | undefined) => facts.views.find(({ nodeId }) => nodeId === id)?.reply;
    const candidate = replyOf(record.masterId);
    const resigned = replyOf(record.transition?.fromMasterId);
    if (candidate !== undefined && reaches(candidate, resignation, resigned)) return 0;
  }
  return promisesEndMs;
}

function planAfter(facts: TransitionFacts): TransitionPlan {
  const { record, isLeased } = facts;
  const { transition } = record;
  assert(transition !== null, 'planned with a transition');
  if (facts.balancer === 'pending') return steps({ kind: 'move-balancer' });
  if (isLeased && transition.kind === 'switchover' && !facts.isReleased)
    return steps({ kind: 'release', nodeId: transition.fromMasterId, epoch: transition.fromEpoch });
  return steps({ kind: 'finish' });
}

function steps(...due: TransitionStep[]): TransitionPlan {
  return { kind: 'steps', steps: due };
}
