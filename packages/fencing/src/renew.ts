/**
 * What a heartbeat does to the node's lease.
 *
 * Each controller has a deadline of its own, `max(deadline, token ms + lease-ms)`; the lease runs while a majority of
 * the controllers that count have theirs ahead. Nothing is counted from arrival on an armed node. What renews nothing is
 * no error: the reply is an observation that the controller needs in any case.
 *
 * A node that is not armed keeps upstream's meaning (Kvrocks PR #3397): a rising election version, counted from arrival
 * when no token is given. That is unsafe for a stopped process, which is why arming exists.
 */
import type { FenceRecord, OwnIdentity } from './fence-record.ts';
import type { Heartbeat } from './heartbeat.ts';
import { parseToken } from './lease-token.ts';

/** Deadlines (lease clock, ms) by controller id, all of one epoch. */
export interface LeaseState {
  readonly epoch: number;
  readonly deadlines: ReadonlyMap<string, number>;
}

export const noLease: LeaseState = { epoch: 0, deadlines: new Map() };

export interface RenewFacts {
  readonly record: Pick<FenceRecord, 'epoch' | 'leaseMs' | 'masterId' | 'processId' | 'resignedEpoch' | 'controllers'>;
  readonly own: OwnIdentity;
  /** Lease clock. */
  readonly nowMs: number;
  /** How long the main loop has shown no progress. */
  readonly loopStalledMs: number;
  readonly stallLimitMs: number;
}

/** Why a heartbeat renewed nothing; for the log and for tests. */
export type NotRenewed =
  | 'other-master'
  | 'other-epoch'
  | 'resigned'
  | 'not-master-process'
  | 'no-token'
  | 'token-of-other-process'
  | 'token-from-future'
  | 'unknown-controller'
  | 'loop-stalled';

export type Renewal =
  | { readonly kind: 'renewed'; readonly state: LeaseState; readonly deadlineMs: number }
  | { readonly kind: 'unchanged'; readonly reason: NotRenewed };

/**
 * Judges a heartbeat on an armed node.
 * @returns the new deadlines and the lease's end by majority, which the caller puts into the shared word of that epoch.
 */
export function renew(state: LeaseState, heartbeat: Heartbeat, facts: RenewFacts): Renewal {
  const { record, own, nowMs } = facts;
  const reason = refusal(heartbeat, facts);
  if (reason !== undefined) return { kind: 'unchanged', reason };
  const token = parseToken(heartbeat.token);
  if (token === undefined) return { kind: 'unchanged', reason: 'no-token' };
  if (token.processId !== own.processId) return { kind: 'unchanged', reason: 'token-of-other-process' };
  if (token.clockMs > nowMs) return { kind: 'unchanged', reason: 'token-from-future' };
  const deadlines = new Map(state.epoch === record.epoch ? state.deadlines : []);
  const controller = record.controllers.length === 0 ? '' : heartbeat.controllerId;
  // The record bounds the lease: a controller with another setting may not stretch what the others will wait for.
  const end = token.clockMs + Math.min(heartbeat.leaseMs, record.leaseMs);
  deadlines.set(controller, Math.max(deadlines.get(controller) ?? 0, end));
  return {
    kind: 'renewed',
    state: { epoch: record.epoch, deadlines },
    deadlineMs: majorityDeadlineMs(deadlines, record.controllers),
  };
}

function refusal(heartbeat: Heartbeat, facts: RenewFacts): NotRenewed | undefined {
  const { record, own } = facts;
  if (heartbeat.masterId !== own.nodeId) return 'other-master';
  if (heartbeat.epoch !== record.epoch) return 'other-epoch';
  if (heartbeat.epoch <= record.resignedEpoch) return 'resigned';
  if (record.masterId !== own.nodeId || record.processId !== own.processId) return 'not-master-process';
  if (facts.loopStalledMs > facts.stallLimitMs) return 'loop-stalled';
  if (record.controllers.length > 0 && !record.controllers.includes(heartbeat.controllerId))
    return 'unknown-controller';
  return undefined;
}

/**
 * The instant until which a majority of `controllers` granted; 0 while no majority did. Without a list there is one
 * controller, kept under the empty id.
 */
export function majorityDeadlineMs(deadlines: ReadonlyMap<string, number>, controllers: readonly string[]): number {
  const counted = controllers.length === 0 ? [''] : controllers;
  const latestFirst = counted.map((id) => deadlines.get(id) ?? 0).sort((a, b) => b - a);
  return latestFirst[Math.floor(counted.length / 2)] ?? 0;
}

/** The lease of a node that is not armed: upstream's remembered election version and one deadline, 0 for never. */
export interface UnarmedLease {
  readonly electionVersion: number;
  readonly deadlineMs: number;
}

export const noUnarmedLease: UnarmedLease = { electionVersion: 0, deadlineMs: 0 };

export type UnarmedRenewal =
  | { readonly kind: 'renewed'; readonly lease: UnarmedLease }
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'refused'; readonly error: string };

/**
 * Judges a heartbeat on a node that is not armed. Becoming a replica resets the lease (`noUnarmedLease`); nothing is
 * kept over a restart. A token, when given, is honoured: it only ever ends the lease earlier.
 */
export function renewUnarmed(
  lease: UnarmedLease,
  heartbeat: Heartbeat,
  facts: { readonly own: OwnIdentity; readonly nowMs: number },
): UnarmedRenewal {
  if (heartbeat.masterId !== facts.own.nodeId) return { kind: 'unchanged' };
  if (heartbeat.epoch < lease.electionVersion) {
    return {
      kind: 'refused',
      error: `ERR election version mismatch: ${heartbeat.epoch} is below ${lease.electionVersion}`,
    };
  }
  let fromMs = facts.nowMs;
  if (heartbeat.token !== '') {
    const token = parseToken(heartbeat.token);
    if (token?.processId !== facts.own.processId || token.clockMs > facts.nowMs) return { kind: 'unchanged' };
    fromMs = token.clockMs;
  }
  const deadlineMs = Math.max(lease.deadlineMs, fromMs + heartbeat.leaseMs);
  return { kind: 'renewed', lease: { electionVersion: heartbeat.epoch, deadlineMs } };
}
