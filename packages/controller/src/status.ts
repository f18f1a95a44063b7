/** What people are shown: the status of a cluster, and its description in the Kvrocks controller's shape. */
import type { ObservedBindings, ProbedBackend } from '@holdfast/balancer';
import { publishedMasterId, type HeartbeatReply } from '@holdfast/fencing';
import { formatSlotRange, type Slot } from '@holdfast/topology';
import { topologyMasterId } from './cluster-layout.ts';
import type { ApiHost } from './api.ts';
import type { ClusterRuntime } from './cluster-runtime.ts';
import type { BindingRecord, ClusterNodeRecord, ClusterShardRecord } from './records.ts';
import { shardReplication } from './shard-facts.ts';
import type { ClusterMirror } from './store-mirror.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** Body of `GET …/clusters/:c/status`. Durations in ms, sequences as numbers. */
export function clusterStatus(host: ApiHost, runtime: ClusterRuntime, observed: ObservedBindings | undefined): Json {
  const { cluster } = runtime.mirror();
  const { name, version, leaseMs, fences, replication } = cluster.value;
  const bindings = host.mirror.bindings.value.clusters[runtime.key] ?? [];
  const { term } = host;
  const reachOf: ReachOf = (addr) =>
    term === undefined ? observed?.probes?.find(({ backend }) => backend === addr) : term.balancer.heard(addr);
  return {
    cluster: name,
    version,
    lease_ms: leaseMs,
    fences: [...fences, ...(replication === 'sync' ? ['sync'] : [])],
    replication,
    controllers: controllersJson(host),
    shards: cluster.value.shards.map((shard, index) => shardStatus(runtime, { shard, index, reachOf })),
    bindings: bindings.map((binding) => bindingStatus(binding, observed)),
  };
}

/** Every controller that was ever let in and not removed; the only one where the store is its own. */
export function controllersJson({ self, mirror, term }: ApiHost): Json[] {
  if (!self.isShared) return [{ id: self.id, address: self.address, leader: term !== undefined, alive: true }];
  const { leaderId } = mirror;
  return mirror.controllers.map(({ id, address }) => {
    const alive = id === self.id || mirror.isAlive(id);
    return { id, address, leader: id === self.id ? term !== undefined : alive && id === leaderId, alive };
  });
}

/** How the node at an address answers the balancer, if that is known. */
type ReachOf = (addr: string) => ProbedBackend | undefined;

interface ShardToShow {
  readonly shard: ClusterShardRecord;
  readonly index: number;
  readonly reachOf: ReachOf;
}

function shardStatus(runtime: ClusterRuntime, { shard, index, reachOf }: ShardToShow): Json {
  const record = runtime.record(index);
  const masterId = publishedMasterId(record);
  const master = runtime.watch(masterId);
  const sequence = master?.reply?.sequence ?? null;
  const members = new Set(record.isr.map(({ nodeId }) => nodeId));
  return {
    index,
    epoch: record.epoch,
    slot_ranges: slotTexts(shard),
    phase: phaseOf(runtime, index),
    step: runtime.lead?.drivers[index]?.step ?? null,
    lb_address: shard.masterLb,
    replica_lb_address: shard.replicaLb,
    lease_valid_for_ms: leaseValidForMs(runtime, masterId),
    replication: shardReplication(runtime, index),
    isr: [...members],
    isr_version: record.isrVersion,
    controllers: [...record.controllers],
    nodes: shard.nodes.map((node) =>
      nodeStatus(runtime, node, { shard, masterId, masterSequence: sequence, members, reachOf }),
    ),
  };
}

function phaseOf(runtime: ClusterRuntime, index: number): string {
  const record = runtime.record(index);
  if (record.masterId === '-') return 'no-master';
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
  /** Ids of the recorded ISR. */
  readonly members: ReadonlySet<string>;
  readonly reachOf: ReachOf;
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
    balancer: reachStatus(context.reachOf(node.addr)),
    in_isr: context.members.has(node.id),
    lb_address: isMaster ? shard.masterLb : shard.replicaLb,
  };
}

function reachStatus(heard: ProbedBackend | undefined): Json {
  if (heard === undefined) return null;
  const { reachable, lastAnswerMsAgo, failures, error } = heard;
  return { reachable, last_answer_ms_ago: lastAnswerMsAgo, failures, error };
}

const noReplyStatus: Readonly<Record<string, Json>> = {
  sequence: null,
  lag: null,
  last_epoch: null,
  version: null,
  epoch: null,
  armed: null,
  replication_mode: null,
  health: null,
  process_id: null,
  log_id: null,
};

function replyStatus(reply: HeartbeatReply | undefined, masterSequence: number | null): Readonly<Record<string, Json>> {
  if (reply === undefined) return noReplyStatus;
  const { sequence, lastEpoch, version, epoch, armed, replicationMode, health, processId, logId } = reply;
  return {
    sequence,
    lag: masterSequence === null ? null : Math.max(0, masterSequence - sequence),
    last_epoch: lastEpoch,
    version,
    epoch,
    armed,
    replication_mode: replicationMode,
    health,
    process_id: processId,
    log_id: logId,
  };
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
