/**
 * What a node does with SHARD and RESIGN. Both are decided here and performed by the node in this order: fsync the new
 * record, then (one turn of the event loop) raise the epoch, cut links, void the deadline, take the role, then answer.
 *
 * Epochs only rise. A record is accepted when its (epoch, isr-version) is not below the own one; an equal one is the
 * same record said again, so a controller may repeat itself after any interruption.
 */
import {
  checkFenceRecord,
  fencedRole,
  type FenceRecord,
  type OwnIdentity,
  type Refused,
  type ShardMessage,
} from './fence-record.ts';
import { formatIsr } from './shard-message.ts';

export type ShardEffect = 'become-master' | 'become-replica' | 'keep';

export type AcceptedShard =
  | Refused
  | {
      readonly kind: 'accepted';
      /** To be fsynced before anything else happens. */
      readonly record: FenceRecord;
      readonly effect: ShardEffect;
      /** True at every change of epoch: a lease belongs to one epoch. */
      readonly voidDeadline: boolean;
    };

/**
 * Judges `CLUSTERX SHARD`.
 *
 * The node becomes master only when node id and process id are its own *and* the log the ISR names for it is the one it
 * has: a full sync between the controller's choice and this message replaced the log, and with it the right. The first
 * SHARD arms the node: from then on it is `strict`, whatever the configuration says.
 */
export function acceptShard(record: FenceRecord, message: ShardMessage, own: OwnIdentity): AcceptedShard {
  const conflict = conflictOf(record, message);
  if (conflict !== undefined) return refuse(conflict);
  const isNewEpoch = message.epoch !== record.epoch;
  const ownLog = message.isr.find((member) => member.nodeId === own.nodeId)?.logId;
  const isChosen = message.masterId === own.nodeId && message.processId === own.processId;
  if (isNewEpoch && isChosen && ownLog !== undefined && ownLog !== record.logId)
    return refuse(`stale shard record: it names log ${ownLog} of this node, which now has ${record.logId}`);
  const next: FenceRecord = {
    ...record,
    ...message,
    // Inside an epoch a longer lease may have been granted before this record was written: the largest counts.
    leaseMs: isNewEpoch ? message.leaseMs : Math.max(record.leaseMs, message.leaseMs),
    armed: true,
    mode: 'strict',
  };
  checkFenceRecord(next);
  return { kind: 'accepted', record: next, effect: effectOf(isNewEpoch, next, own), voidDeadline: isNewEpoch };
}

/** An older record, or one that tells another story of the epoch the node is in. */
function conflictOf(record: FenceRecord, message: ShardMessage): string | undefined {
  const { epoch, isrVersion } = record;
  const order = message.epoch - epoch || message.isrVersion - isrVersion;
  if (order < 0)
    return `stale shard record: (${message.epoch}, ${message.isrVersion}) is below (${epoch}, ${isrVersion})`;
  if (message.epoch !== epoch) return undefined;
  if (message.masterId !== record.masterId || message.processId !== record.processId)
    return `conflicting shard record: epoch ${epoch} belongs to ${record.masterId} ${record.processId}`;
  if (message.controllers.join() !== record.controllers.join())
    return `conflicting shard record: epoch ${epoch} has other controllers here`;
  if (order === 0 && formatIsr(message.isr) !== formatIsr(record.isr))
    return `conflicting shard record: (${epoch}, ${isrVersion}) has another ISR here`;
  return undefined;
}

function effectOf(isNewEpoch: boolean, next: FenceRecord, own: OwnIdentity): ShardEffect {
  if (!isNewEpoch) return 'keep';
  return fencedRole(next, own) === 'master' ? 'become-master' : 'become-replica';
}

export type Resigned = Refused | { readonly kind: 'resigned'; readonly record: FenceRecord };

/**
 * Judges `CLUSTERX RESIGN <epoch>`: only the epoch the node is in can be given up. Said twice it is the same promise.
 * The caller voids the deadline, ends what runs, and answers its final sequence after nothing more can run.
 */
export function resign(record: FenceRecord, epoch: number): Resigned {
  if (!record.armed) return refuse('the node is not armed: there is no epoch to resign');
  if (epoch < record.epoch) return refuse(`stale epoch: resign ${epoch}, the node is in ${record.epoch}`);
  if (epoch > record.epoch) return refuse(`unknown epoch: resign ${epoch}, the node is in ${record.epoch}`);
  return { kind: 'resigned', record: { ...record, resignedEpoch: epoch } };
}

/**
 * The record of a master that heard of a higher epoch from anybody: its own is over, as if it had resigned it. The
 * caller voids the deadline at once and fsyncs this before it answers. The new epoch itself is learned by SHARD only.
 * @returns `undefined` when there is nothing to give up.
 */
export function stepDown(record: FenceRecord, seenEpoch: number): FenceRecord | undefined {
  if (!record.armed || seenEpoch <= record.epoch || record.resignedEpoch >= record.epoch) return undefined;
  return { ...record, resignedEpoch: record.epoch };
}

/**
 * Back to the unarmed modes (`ctl` only). The epoch stays: it orders masterships even of unarmed nodes, and a later
 * SHARD must not be older than what this node once obeyed.
 */
export function disarm(record: FenceRecord, mode: FenceRecord['mode']): FenceRecord {
  return { ...record, armed: false, mode };
}

function refuse(reason: string): Refused {
  return { kind: 'refused', error: `ERR ${reason}` };
}
