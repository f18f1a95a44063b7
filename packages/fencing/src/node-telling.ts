/**
 * What a node is to be told of the store: its shard's record, the topology, or nothing yet.
 *
 * A node that is not armed is whatever its topology says it is. One that was armed may be so no more by the time a
 * command arrives: its directory was wiped, its process is another one. So the topology goes only behind the record, on
 * the same connection and in one breath, whatever the node's last reply said; and while a transition's record may not be
 * told yet, neither is the topology. (The simulator found a wiped master that came back in the middle of a failover, was
 * sent the topology that still named it, and served without a lease beside its successor.)
 */
import type { HeartbeatReply } from './heartbeat.ts';
import type { ShardRecord } from './shard-record.ts';

export interface TellingFacts {
  readonly record: ShardRecord;
  /** The node's last reply. */
  readonly reply: Pick<HeartbeatReply, 'epoch' | 'isrVersion' | 'version'>;
  /** Fence F2; without it no node knows a record. */
  readonly isLeased: boolean;
  /** The shard has no transition, or one whose candidate acts. */
  readonly mayTellNodes: boolean;
  /** Topology version of the store. */
  readonly version: number;
  /** Nothing announced is still waiting to become true. */
  readonly isSettled: boolean;
}

export interface Telling {
  readonly wantsShard: boolean;
  /** With the shard record right before it, where there are records. */
  readonly wantsTopology: boolean;
}

/** Asked after every reply of a node that is not just being promoted or holding clients. */
export function tellNode({ record, reply, isLeased, mayTellNodes, version, isSettled }: TellingFacts): Telling {
  const wantsTopology = reply.version < version && isSettled;
  if (!isLeased) return { wantsShard: false, wantsTopology };
  if (!mayTellNodes) return { wantsShard: false, wantsTopology: false };
  const isBehind = reply.epoch < record.epoch || (reply.epoch === record.epoch && reply.isrVersion < record.isrVersion);
  return { wantsShard: isBehind || wantsTopology, wantsTopology };
}
