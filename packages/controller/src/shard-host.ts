/** What a shard's driver needs of the cluster it belongs to. */
import type { Clock, Logger, Timers } from '@holdfast/base';
import type { FenceTimes, ShardRecord } from '@holdfast/fencing';
import type { BindingReconciler } from './binding-reconciler.ts';
import type { EventLog } from './event-log.ts';
import type { NodeWatch } from './node-watch.ts';
import type { ClusterChange, ClusterMirror } from './record-store.ts';
import type { BindingsRecord } from './records.ts';

export interface ShardHost {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly times: FenceTimes;
  /** Fence F2 is on: nodes are armed, epochs and leases mean something. */
  readonly isLeased: boolean;
  /** `<ns>/<name>`. */
  readonly key: string;
  readonly bindings: BindingReconciler;
  readonly events: EventLog;
  mirror(): ClusterMirror;
  commit(build: (mirror: ClusterMirror, bindings: BindingsRecord) => ClusterChange | undefined): Promise<void>;
  watch(nodeId: string): NodeWatch | undefined;
  /** A record of the shard changed: reconcilers and other drivers may have something to do. */
  onChanged(): void;
  /** The process must end: nothing it believes can be relied upon. */
  fatal(error: unknown): void;
}

/** The shard's own record. */
export function shardRecordOf(host: ShardHost, index: number): ShardRecord {
  const stored = host.mirror().shards[index];
  if (stored === undefined) throw new RangeError(`no shard ${index} in ${host.key}`);
  return stored.value;
}
