/**
 * The shard record in the metadata store, and what changes it.
 *
 * A mastership change is stored as a *transition* inside the record from the compare-and-set of the new epoch until
 * everything follows it, so any controller finds in the store what is to be done, and in the nodes' replies what has
 * been done. `announced` separates two commits: the first only takes the epoch (nobody may grant the old one any more),
 * the second, written while the old lease runs out, makes topology and bindings follow.
 */
import { assert } from '@holdfast/base';
import { mayFollowControllers } from './controllers.ts';
import type { IsrMember, ShardMessage } from './fence-record.ts';

export interface Transition {
  readonly kind: 'creation' | 'failover' | 'switchover';
  /** For people. */
  readonly cause: string;
  /** Master of the topology until the announcement; `-` when there was none. */
  readonly fromMasterId: string;
  /** Its epoch; 0 for none. */
  readonly fromEpoch: number;
  /**
   * The longest lease of any former epoch that nobody is known to have outlived yet; absent in records of before it was
   * kept. A controller that starts now waits for it: the new epoch's lease may be shorter.
   */
  readonly fromLeaseMs?: number | undefined;
  /** Unix time at which the epoch was taken. */
  readonly startedAtMs: number;
  /** Topology version and bindings of the store already name the new master. */
  readonly announced: boolean;
  /**
   * Of a switchover whose old master the balancer does not reach: nobody there can be told where to go, so what clients
   * have open is reset as soon as the address moves, as in a failover. Absent: no.
   */
  readonly cutsAtOnce?: boolean | undefined;
}

export interface ShardRecord extends ShardMessage {
  readonly transition: Transition | null;
  /** Unix time at which the last change of master was through, the shard's creation not counted; 0 for never. */
  readonly changedAtMs: number;
}

/** The master that topology and bindings name: the old one until the new one is announced. */
export function publishedMasterId(record: ShardRecord): string {
  const { transition } = record;
  return transition !== null && !transition.announced ? transition.fromMasterId : record.masterId;
}

export interface NewEpoch {
  readonly kind: Transition['kind'];
  readonly cause: string;
  readonly masterId: string;
  readonly processId: string;
  readonly isr: readonly IsrMember[];
  /** Ids of the controllers whose leases count (`nextControllers`); absent: as before. */
  readonly controllers?: readonly string[] | undefined;
  readonly leaseMs: number;
  /** Unix time. */
  readonly wallMs: number;
  /** See `Transition`. */
  readonly cutsAtOnce?: boolean | undefined;
}

/** The record that takes the next epoch. Until it is announced, everybody outside goes on with the published master. */
export function takeEpoch(record: ShardRecord, next: NewEpoch): ShardRecord {
  const taken: ShardRecord = {
    epoch: record.epoch + 1,
    isrVersion: 0,
    leaseMs: next.leaseMs,
    masterId: next.masterId,
    processId: next.processId,
    isr: next.isr,
    controllers: next.controllers ?? record.controllers,
    transition: {
      kind: next.kind,
      cause: next.cause,
      fromMasterId: publishedMasterId(record),
      fromEpoch: record.epoch,
      fromLeaseMs: longestLeaseMs(record),
      startedAtMs: next.wallMs,
      announced: false,
      ...(next.cutsAtOnce === true ? { cutsAtOnce: true } : {}),
    },
    changedAtMs: record.changedAtMs,
  };
  checkShardSuccession(record, taken);
  return taken;
}

/**
 * The longest lease that anybody may have granted and that may still run: the epoch's own, and while its transition is
 * under way those of the epochs before (several, when candidates were lost).
 */
export function longestLeaseMs({ leaseMs, transition }: Pick<ShardRecord, 'leaseMs' | 'transition'>): number {
  return Math.max(leaseMs, transition?.fromLeaseMs ?? 0);
}

/** The record whose topology and bindings follow; committed together with them. */
export function announce(record: ShardRecord): ShardRecord {
  const { transition } = record;
  assert(transition !== null, 'only a transition is announced');
  return { ...record, transition: { ...transition, announced: true } };
}

/** True when connections that lead to the old master may finish first: a switchover, and clients can hear of it. */
export function drainsClients({ transition }: Pick<ShardRecord, 'transition'>): boolean {
  return transition?.kind === 'switchover' && transition.cutsAtOnce !== true;
}

/** The record of a transition that is through. */
export function finish(record: ShardRecord, wallMs: number): ShardRecord {
  assert(record.transition?.announced === true, 'a transition is announced before it is finished');
  // Nobody was replaced by a creation: the first change is not the second within a short time.
  const changedAtMs = record.transition.kind === 'creation' ? record.changedAtMs : wallMs;
  return { ...record, transition: null, changedAtMs };
}

/** @throws InvariantError when a record contradicts itself. */
export function checkShardRecord(record: ShardRecord): void {
  assert((record.masterId === '-') === (record.processId === '-'), 'a master has a process, nobody has none');
  assert(record.masterId === '-' || record.epoch > 0, 'a master has an epoch');
  assert(new Set(record.isr.map(({ nodeId }) => nodeId)).size === record.isr.length, 'a node is in the ISR once');
  if (record.transition !== null) assert(record.transition.fromEpoch < record.epoch, 'a transition raises the epoch');
}

/** @throws InvariantError when `after` may not follow `before` in the store. */
export function checkShardSuccession(before: ShardRecord, after: ShardRecord): void {
  checkShardRecord(after);
  assert(after.epoch >= before.epoch, `epoch ${before.epoch} would go back to ${after.epoch}`);
  assert(after.epoch <= before.epoch + 1, `epoch ${before.epoch} would jump to ${after.epoch}`);
  if (after.epoch > before.epoch) {
    const lists = `[${before.controllers.join(' ')}] to [${after.controllers.join(' ')}]`;
    assert(mayFollowControllers(before, after.controllers), `the controllers change by one at a time, not ${lists}`);
    return;
  }
  assert(after.controllers.join() === before.controllers.join(), `epoch ${before.epoch} would change its controllers`);
  assert(after.masterId === before.masterId, `epoch ${before.epoch} would change its master`);
  assert(after.processId === before.processId, `epoch ${before.epoch} would change its process`);
  assert(after.isrVersion >= before.isrVersion, 'the isr-version would go back');
}

/** The part that goes to nodes. */
export function shardMessageOf(record: ShardRecord): ShardMessage {
  const { epoch, isrVersion, leaseMs, masterId, processId, isr, controllers } = record;
  return { epoch, isrVersion, leaseMs, masterId, processId, isr, controllers };
}
