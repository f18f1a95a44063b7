/** What the pure plans of fencing look at, gathered from the mirror and from the watched nodes. */
import {
  formerEpochEndMs,
  grantedLeaseMs,
  type FailoverFacts,
  type NodeView,
  type ReplicationMode,
  type TransitionFacts,
} from '@holdfast/fencing';
import type { NodeWatch } from './node-watch.ts';
import type { Replication } from './records.ts';
import { shardRecordOf, type ShardHost } from './shard-host.ts';
import type { ShardProgress } from './shard-progress.ts';

/** Every node of the shard as it was seen last. */
export function nodeViews(host: ShardHost, index: number): NodeView[] {
  const shard = host.mirror().cluster.value.shards[index];
  const { masterId, transition } = shardRecordOf(host, index);
  const lastMaster = host.watch(transition?.fromMasterId ?? masterId);
  const sinceMs = (lastMaster?.heardMs ?? 0) - host.times.leaseMs;
  return (shard?.nodes ?? []).flatMap(({ id }) => {
    const view = host.watch(id)?.view(sinceMs);
    return view === undefined ? [] : [view];
  });
}

/**
 * What an acknowledgement of this shard means now: F3 needs the cluster to ask for it and the nodes to do it. A node that
 * does not say so answers without waiting for anybody; while none of them does, only the longest log is a good one. One
 * node that does is enough to hold on to the ISR: the safe side for writes.
 */
export function replicationOf(wanted: Replication, watches: readonly (NodeWatch | undefined)[]): ReplicationMode {
  if (wanted === 'async') return 'async';
  return watches.some((watch) => watch?.reply?.replicationMode === 'sync') ? 'sync' : 'async';
}

/** `replicationOf` for one shard. */
export function shardReplication(host: Pick<ShardHost, 'mirror' | 'watch'>, index: number): ReplicationMode {
  const cluster = host.mirror().cluster.value;
  const nodes = cluster.shards[index]?.nodes ?? [];
  return replicationOf(
    cluster.replication,
    nodes.map(({ id }) => host.watch(id)),
  );
}

export function failoverFacts(host: ShardHost, index: number): FailoverFacts {
  const views = nodeViews(host, index);
  return {
    record: shardRecordOf(host, index),
    views,
    suspicions: new Map(views.map(({ nodeId }) => [nodeId, host.suspicion(nodeId)])),
    controllers: host.controllerIds,
    isLeased: host.isLeased,
    replication: shardReplication(host, index),
    withheldThrough: host.grants(index).withheldThrough,
    times: { ...host.times, leaseMs: grantedLeaseMs(host.leaseUse, host.times.leaseMs) },
    wallMs: host.clock.wallMs(),
  };
}

export function transitionFacts(host: ShardHost, index: number, progress: ShardProgress): TransitionFacts {
  const record = shardRecordOf(host, index);
  const { resignation, isRefused, balancer, isReleased } = progress;
  return {
    record,
    views: nodeViews(host, index),
    isLeased: host.isLeased,
    version: host.mirror().cluster.value.version,
    promisesEndMs: formerEpochEndMs(host.leaseUse, { record, resignation, answers: host.withholdAnswers(index) }),
    resignation,
    isRefused,
    balancer,
    isReleased,
    times: host.times,
    nowMs: host.clock.leaseMs(),
  };
}
