/**
 * For how long has a node said that it is master and that its lease does not run? One state per watched node. A lease
 * belongs to its epoch: what lapsed in the one before says nothing of this one, or a shard whose lease is short against
 * the time it takes to get the first one would be elected again at once, without end.
 */
import type { HeartbeatReply } from './heartbeat.ts';

export interface Lapse {
  readonly epoch: number;
  /** Lease clock of the first reply of this epoch that said so. */
  readonly sinceMs: number;
}

/** The state after a reply; `undefined` while nothing has lapsed. */
export function noteLapse(
  lapse: Lapse | undefined,
  { role, leaseRemainingMs, epoch }: Pick<HeartbeatReply, 'role' | 'leaseRemainingMs' | 'epoch'>,
  arrivedMs: number,
): Lapse | undefined {
  if (role !== 'master' || leaseRemainingMs > 0) return undefined;
  return lapse?.epoch === epoch ? lapse : { epoch, sinceMs: arrivedMs };
}
