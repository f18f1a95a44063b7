/** What people are shown: the status of a cluster, and its description in the Kvrocks controller's shape. */
import type { ObservedBindings } from '@holdfast/balancer';
import { publishedMasterId, type HeartbeatReply } from '@holdfast/fencing';
import { formatSlotRange, type Slot } from '@holdfast/topology';
import { topologyMasterId } from './cluster-layout.ts';
import type { ClusterRuntime } from './cluster-runtime.ts';
import type { ClusterMirror } from './record-store.ts';
import type { BindingRecord, ClusterNodeRecord, ClusterShardRecord } from './records.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** Body of `GET …/clusters/:c/status`. Durations in ms, sequences as numbers. */
export function clusterStatus(runtime: ClusterRuntime, bindings: readonly BindingRecord[]): Json {
  const { cluster } = runtime.mirror();
  const { name, version, leaseMs, fences } = cluster.value;
  return {
    cluster: name,
    version,
    lease_ms: leaseMs,
    fences: [...fences],
    shards: cluster.value.shards.map((shard, index) => shardStatus(runtime, shard, index)),
    bindings: bindings.map((binding) => bindingStatus(binding, runtime.bindings.observed)),
  };
}

function shardStatus(runtime: ClusterRuntime, shard: ClusterShardRecord, index: number): Json {
  const driver = runtime.drivers[index];
  const record = driver?.record;
  const masterId = record === undefined ? '-' : publishedMasterId(record);
  const master = runtime.watch(masterId);
  const sequence = master?.reply?.sequence ?? null;
  return {
    index,
    epoch: record?.epoch ?? 0,
    slot_ranges: slotTexts(shard),
    phase: phaseOf(runtime, index),
    step: driver?.step ?? null,
    lb_address: shard.masterLb,
    replica_lb_address: shard.replicaLb,
    lease_valid_for_ms: leaseValidForMs(runtime, masterId),
    nodes: shard.nodes.map((node) => nodeStatus(runtime, node, { shard, masterId, masterSequence: sequence })),
  };
}

function phaseOf(runtime: ClusterRuntime, index: number): string {
  const record = runtime.drivers[index]?.record;
  if (record === undefined || record.masterId === '-') return 'no-master';
  if (record.transition === null) return 'stable';
  return record.transition.kind === 'switchover' ? 'switchover' : 'failover';
}

/** What the master said is left of its lease, less the time since; null without leases or a word from it. */
function leaseValidForMs(runtime: ClusterRuntime, masterId: string): number | null {
  const watch = runtime.watch(masterId);
  if (!runtime.isLeased || watch?.reply === undefined || watch.repliedMs === undefined) return null;
  const sinceMs = runtime.clock.leaseMs() - watch.repliedMs;
  return Math.max(0, Math.round(watch.reply.leaseRemainingMs - sinceMs));
}

interface ShardContext {
  readonly shard: ClusterShardRecord;
  readonly masterId: string;
  readonly masterSequence: number | null;
}

function nodeStatus(runtime: ClusterRuntime, node: ClusterNodeRecord, context: ShardContext): Json {
  const { shard, masterId } = context;
  const watch = runtime.watch(node.id);
  const isMaster = node.id === masterId;
  return {
    id: node.id,
    addr: node.addr,
    control_addr: node.controlAddr,
    role: isMaster ? 'master' : 'slave',
    alive: watch?.reply !== undefined && !watch.isSuspect,
    last_reply_ms_ago: watch?.repliedMs === undefined ? null : Math.round(runtime.clock.leaseMs() - watch.repliedMs),
    ...replyStatus(watch?.reply, context.masterSequence),
    lb_address: isMaster ? shard.masterLb : shard.replicaLb,
  };
}

function replyStatus(reply: HeartbeatReply | undefined, masterSequence: number | null): Readonly<Record<string, Json>> {
  if (reply === undefined)
    return { sequence: null, lag: null, version: null, epoch: null, armed: null, process_id: null };
  const { sequence, version, epoch, armed, processId } = reply;
  const lag = masterSequence === null ? null : Math.max(0, masterSequence - sequence);
  return { sequence, lag, version, epoch, armed, process_id: processId };
}

function bindingStatus(binding: BindingRecord, observed: ObservedBindings | undefined): Json {
  const seen = observed?.bindings.find(({ address }) => address === binding.address);
  const connections = (seen?.connections ?? []).reduce((sum, { count }) => sum + count, 0);
  return { address: binding.address, desired: binding.backend, observed: seen?.backend ?? null, connections };
}

/** The cluster as the Kvrocks controller describes it. The password is not given out. */
export function clusterJson({ cluster, shards }: ClusterMirror): Json {
  const { name, version } = cluster.value;
  return {
    name,
    version,
    shards: cluster.value.shards.map((shard, index) => shardJson(shard, topologyMasterId(shard, shards[index]?.value))),
  };
}

/** One shard in that shape. */
export function shardJson(shard: ClusterShardRecord, masterId: string): Json {
  return {
    nodes: nodesJson(shard, masterId),
    slot_ranges: slotTexts(shard),
    target_shard_index: -1,
    migrating_slot: null,
  };
}

export function nodesJson(shard: ClusterShardRecord, masterId: string): Json[] {
  return shard.nodes.map((node) => ({
    id: node.id,
    addr: node.addr,
    role: node.id === masterId ? 'master' : 'slave',
    password: '',
    created_at: Math.floor(node.createdAtMs / 1000),
  }));
}

function slotTexts(shard: ClusterShardRecord): string[] {
  return shard.slotRanges.map(({ start, stop }) => formatSlotRange({ start: start as Slot, stop: stop as Slot }));
}
