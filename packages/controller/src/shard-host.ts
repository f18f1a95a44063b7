/** What a shard's driver needs of the cluster it belongs to and of the controller that leads. */
import type { Clock, Logger, Timers } from '@holdfast/base';
import type { FenceTimes, LeaseUse, ReachFacts, ShardRecord, Suspicion, WithholdAnswer } from '@holdfast/fencing';
import type { BindingReconciler } from './binding-reconciler.ts';
import type { EventLog } from './event-log.ts';
import type { NodeWatch } from './node-watch.ts';
import type { BuildChange } from './record-writer.ts';
import type { ShardGrants } from './shard-grants.ts';
import type { ClusterMirror } from './store-mirror.ts';

export interface ShardHost {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly times: FenceTimes;
  readonly leaseUse: LeaseUse;
  /** Nodes are armed: epochs and leases mean something. */
  readonly isLeased: boolean;
  /** `<ns>/<name>`. */
  readonly key: string;
  readonly bindings: BindingReconciler;
  readonly events: EventLog;
  readonly watches: readonly NodeWatch[];
  /** True while nothing announced in the cluster is waiting to become true. */
  readonly isSettled: boolean;
  /** False once the leadership is known to be lost: nothing is begun then that no revision or epoch guards. */
  readonly mayAct: boolean;
  /** False while the shard's announced master is not promoted yet. */
  isShardSettled(index: number): boolean;
  mirror(): ClusterMirror;
  /** False when there was nothing to do any more. */
  commit(build: BuildChange): Promise<boolean>;
  watch(nodeId: string): NodeWatch | undefined;
  grants(index: number): ShardGrants;
  /** Known answers of controllers to "withhold every epoch below the record's". */
  withholdAnswers(index: number): readonly WithholdAnswer[];
  suspicion(nodeId: string): Suspicion;
  /** What balancers hear of the nodes of a shard. */
  reach(index: number): ReachFacts;
  /** True when the balancer says that it does not reach the node; false also where nothing is known. */
  isUnreached(nodeId: string): boolean;
  /** Ids of the controllers whose leases are to count from the next epoch on; empty: those of any single one. */
  readonly controllerIds: readonly string[];
  /** A record of the shard changed: reconcilers and other drivers may have something to do. */
  onChanged(): void;
  /** The process must end: nothing it believes can be relied upon. */
  fatal(error: unknown): void;
}

/** The shard's own record. */
export function shardRecordOf(host: Pick<ShardHost, 'mirror' | 'key'>, index: number): ShardRecord {
  const stored = host.mirror().shards[index];
  if (stored === undefined) throw new RangeError(`no shard ${index} in ${host.key}`);
  return stored.value;
}
