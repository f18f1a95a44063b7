/**
 * What a node knows of its shard's mastership: the shard record the controllers agreed on, and the node's own promises
 * (resigned epoch, armed, mode). It is fsynced to fence.conf before it is acted upon, so a node that comes back after
 * any crash is closed before it has heard anyone.
 *
 * Invariants (`checkFenceRecord`): an armed node is strict and has seen an epoch; nobody resigns an epoch it has not
 * seen; an epoch has one master process and never changes it.
 */
import { assert } from '@holdfast/base';

/** `master-lease-mode`: upstream's three names, and `strict`, which the first SHARD sets. */
export type LeaseMode = 'disabled' | 'log-only' | 'block-write' | 'strict';

export const leaseModes: readonly LeaseMode[] = ['disabled', 'log-only', 'block-write', 'strict'];

/** One in-sync replica: the node, and the log it had when it became a member. */
export interface IsrMember {
  readonly nodeId: string;
  readonly logId: string;
}

/** The part of a shard record that goes over the wire (`CLUSTERX SHARD`, design 3 "The shard record"). */
export interface ShardMessage {
  /** Orders masterships, 1 and up; 0 is "never heard of one". */
  readonly epoch: number;
  /** Orders membership changes inside one epoch. */
  readonly isrVersion: number;
  /** The longest lease anyone may grant in this epoch. */
  readonly leaseMs: number;
  /** Node id of the master, `-` while there is none. */
  readonly masterId: string;
  /** Process id of the master, `-` while there is none. */
  readonly processId: string;
  readonly isr: readonly IsrMember[];
  /** Ids of the controllers whose leases count; empty: there is one controller, and any id is that one. */
  readonly controllers: readonly string[];
}

export interface FenceRecord extends ShardMessage {
  /** Highest epoch this node gave up by RESIGN, 0 for none. */
  readonly resignedEpoch: number;
  readonly armed: boolean;
  readonly mode: LeaseMode;
  /** Of the own database's history; compared with the ISR's. */
  readonly logId: string;
  /** Of the machine's run in which the database was last opened. */
  readonly bootId: string;
}

/** Who a node is, now. The process id changes with every start. */
export interface OwnIdentity {
  /** Empty until SETNODEID. */
  readonly nodeId: string;
  readonly processId: string;
}

export interface Refused {
  readonly kind: 'refused';
  /** Whole error reply, `ERR …`. */
  readonly error: string;
}

/** The record of a node that never heard of a shard record. */
export function unarmedRecord(own: { logId: string; bootId: string; mode: LeaseMode }): FenceRecord {
  return {
    epoch: 0,
    isrVersion: 0,
    leaseMs: 0,
    masterId: '-',
    processId: '-',
    isr: [],
    controllers: [],
    resignedEpoch: 0,
    armed: false,
    ...own,
  };
}

/**
 * What an armed node is entitled to be. `master` only for the recorded process itself: a restarted process of the same
 * node is not the one that was promoted, and a resigned one gave the role up.
 */
export function fencedRole(record: FenceRecord, own: OwnIdentity): 'master' | 'replica' {
  const chosen = record.masterId === own.nodeId && record.processId === own.processId;
  return chosen && record.resignedEpoch < record.epoch ? 'master' : 'replica';
}

/**
 * What a node acts as, given what its topology says of it. On an armed node the fence decides: SETNODES alone makes
 * nobody master (`none`: master in its own topology, but not the process that was promoted; it serves no client).
 * @param topologyRole `none` while the node is not in its own topology.
 */
export function actingRole(
  record: FenceRecord,
  own: OwnIdentity,
  topologyRole: 'master' | 'replica' | 'none',
): 'master' | 'replica' | 'none' {
  if (!record.armed) return topologyRole;
  if (fencedRole(record, own) === 'master') return 'master';
  return topologyRole === 'master' ? 'none' : 'replica';
}

/** @throws InvariantError when a record contradicts itself. */
export function checkFenceRecord(record: FenceRecord): void {
  assert(!record.armed || record.mode === 'strict', `an armed node is strict, not ${record.mode}`);
  assert(!record.armed || record.epoch > 0, 'an armed node has seen an epoch');
  assert(record.resignedEpoch <= record.epoch, `resigned epoch ${record.resignedEpoch} above ${record.epoch}`);
  assert((record.masterId === '-') === (record.processId === '-'), 'a master has a process id, nobody has none');
  const nodeIds = record.isr.map((member) => member.nodeId);
  assert(new Set(nodeIds).size === nodeIds.length, 'a node is a member of the ISR once');
}
