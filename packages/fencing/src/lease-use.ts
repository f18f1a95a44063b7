/**
 * What leases are in a cluster, from the fences that are on.
 *
 * F3 without F2 is no mode to run data on: who was replaced goes on to answer reads, and whoever reads there is told what
 * is no longer true. It exists so that a drill can show what each fence alone is worth. Nodes know nothing of it: they
 * are armed, have epochs, an in-sync set and leases as always, only so long that none ends while anybody looks; it is the
 * controller that does not wait for their end.
 */
import type { ReplicationMode } from './heartbeat.ts';
import { leaseMsBounds } from './ids.ts';
import { promisesEndMs, type WithholdAnswer } from './lease-grantor.ts';
import type { ShardRecord } from './shard-record.ts';

/**
 * - `none`: nodes are not armed, a failover is the topology change that plain Kvrocks knows
 * - `unawaited`: nodes are armed, and nobody waits for a lease to end (F3 without F2, for drills only)
 * - `awaited`: nobody is promoted before the leases of the former epochs have ended
 */
export type LeaseUse = 'none' | 'unawaited' | 'awaited';

/** @param fences those of the cluster's record; whether F3 is among them is what `replication` says. */
export function leaseUseOf(fences: readonly string[], replication: ReplicationMode): LeaseUse {
  if (fences.includes('lease')) return 'awaited';
  return replication === 'sync' ? 'unawaited' : 'none';
}

/**
 * The lease that a shard's record grants, ms.
 * @param leaseMs of the cluster, from which all other times follow.
 */
export function grantedLeaseMs(use: LeaseUse, leaseMs: number): number {
  return use === 'unawaited' ? leaseMsBounds.max : leaseMs;
}

export interface FormerEpoch {
  /** Of the epoch that follows it. */
  readonly record: Pick<ShardRecord, 'controllers' | 'transition'>;
  /** What controllers answered when it was withheld. */
  readonly answers: readonly WithholdAnswer[];
  /** The old master's answer to RESIGN; `undefined` until it came or is known not to come. */
  readonly resignation: number | 'failed' | undefined;
}

/**
 * When nobody holds the former epoch's lease any more, lease clock; `undefined` while that is not known. Where leases
 * are not waited for that is at once, except that a switchover's master has been asked to resign first.
 */
export function formerEpochEndMs(use: LeaseUse, { record, answers, resignation }: FormerEpoch): number | undefined {
  if (use === 'awaited') return promisesEndMs(answers, record.controllers);
  return record.transition?.kind === 'switchover' && resignation === undefined ? undefined : 0;
}
