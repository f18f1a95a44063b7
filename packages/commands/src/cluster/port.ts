/** What the cluster commands need of the node. Setters answer with the whole error line, or undefined when done. */
import type { ClientView, NodeId, SlotRange, Slot, Topology, Version } from '@holdfast/topology';
import type { Endpoint } from '@holdfast/base';
import type { ReplyWriter } from '@holdfast/resp';
import type { Session } from '../session.ts';

/** The topology the node holds. A setter that refuses has changed neither it nor nodes.conf. */
export interface TopologyPort {
  readonly topology: Topology;
  setNodeId(id: NodeId): string | undefined;
  setNodes(payload: string, version: Version, force: boolean): string | undefined;
  setSlot(ranges: readonly SlotRange[], id: NodeId, version: Version): string | undefined;
  reset(): string | undefined;
}

/** Keys by slot, expired ones left out. */
export interface SlotKeysPort {
  countKeysInSlot(slot: Slot, nowMs: number): number;
  /** At most `limit` user keys, in the order they are stored. */
  keysInSlot(slot: Slot, limit: number, nowMs: number): readonly Uint8Array[];
}

/** What became of a lease command: done (with a sequence where one is asked for), or refused with an error line. */
export type LeaseReply =
  { readonly kind: 'ok'; readonly sequence?: number } | { readonly kind: 'refused'; readonly error: string };

/** A reply that may come later. A rejection means that the outcome is unknown: the connection is closed. */
export type PendingLeaseReply = LeaseReply | Promise<LeaseReply>;

/** Controllers' commands about leases and masterships (docs/reference: CLUSTERX). */
export interface LeasePort {
  /** @param args what follows HEARTBEAT; writes a text or an error. */
  heartbeat(args: readonly string[], reply: ReplyWriter): void;
  /** @param args what follows SHARD. */
  shard(args: readonly string[]): PendingLeaseReply;
  /**
   * A follower compares its log with this node's before it asks for the stream.
   * @param args what follows ATTACH.
   * @returns the whole reply line, `+COMMON …` or `-ERR …`.
   */
  attach(session: Session, args: readonly string[]): string;
  /** Answers the final sequence once nothing more is executed in `epoch`. */
  resign(epoch: number): PendingLeaseReply;
  /** Admits no client command for at most `holdMs`; answers the sequence at which it stands. */
  hold(epoch: number, holdMs: number): PendingLeaseReply;
  unhold(epoch: number): PendingLeaseReply;
  /** New connections of clients reach `owner` now: held commands are answered MOVED to it. */
  release(epoch: number, owner: Endpoint): PendingLeaseReply;
}

export interface ClusterPort {
  readonly state: TopologyPort;
  readonly keys: SlotKeysPort;
  readonly lease: LeasePort;
  /** `cluster-client-view`, read at each answer. */
  readonly view: ClientView;
  /** Own control port when it is not the node's port + 10000. */
  readonly selfControlPort: number | undefined;
  /** Own latest sequence. */
  replicationOffset(): number;
}
