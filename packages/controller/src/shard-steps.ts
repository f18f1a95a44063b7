/**
 * Performs the steps of a transition (`planTransition` of fencing). Every step may be performed again after it
 * succeeded, failed or was cut off anywhere; none decides what comes next.
 */
import { OperationError } from '@holdfast/base';
import {
  announce,
  drainsClients,
  finish,
  formatShardArguments,
  publishedMasterId,
  shardMessageOf,
  type ShardRecord,
} from '@holdfast/fencing';
import { ReplyError } from '@holdfast/resp';
import { desiredBindings, topologyText } from './cluster-layout.ts';
import type { NodeWatch } from './node-watch.ts';
import type { ClusterChange } from './record-writer.ts';
import type { BindingRecord, BindingsRecord } from './records.ts';
import { shardRecordOf, type ShardHost } from './shard-host.ts';
import type { ShardProgress } from './shard-progress.ts';
import type { ClusterMirror } from './store-mirror.ts';

/** Connections to the old backend that are still open so long after a planned move are reset. */
const switchoverDrainMs = 500;

export interface StepContext {
  readonly host: ShardHost;
  readonly index: number;
  readonly progress: ShardProgress;
}

/** RESIGN: the old master's final sequence, or that it will not say. */
export async function performResign({ host, progress }: StepContext, nodeId: string, epoch: number): Promise<void> {
  const watch = host.watch(nodeId);
  try {
    const reply = await watch?.command(['CLUSTERX', 'RESIGN', String(epoch)]);
    const isSequence = typeof reply === 'string' && /^[0-9]+$/.test(reply);
    progress.resignation = isSequence ? Number(reply) : 'failed';
    if (reply instanceof ReplyError)
      host.logger.warn('the old master did not resign; its lease is waited for', {
        node: nodeId,
        error: reply.message,
      });
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    progress.resignation = 'failed';
    host.logger.warn('the old master did not resign; its lease is waited for', { node: nodeId, error: error.message });
  }
}

/** Writes announcement, topology version and bindings in one transaction. */
export async function performAnnounce({ host, index, progress }: StepContext): Promise<void> {
  await host.commit((mirror, bindings) => {
    const record = mirror.shards[index]?.value;
    if (record === undefined || record.epoch !== progress.epoch || record.transition?.announced !== false)
      return undefined;
    return announcement(host, mirror, bindings, index);
  });
}

function announcement(host: ShardHost, mirror: ClusterMirror, bindings: BindingsRecord, index: number): ClusterChange {
  const cluster = { ...mirror.cluster.value, version: mirror.cluster.value.version + 1 };
  const record = announce(shardRecordOf(host, index));
  const shards = new Map([[index, record]]);
  // Whoever is promoted first has the bindings applied, all of them: beside another change this one waits for its turn.
  const isAlone = mirror.shards.every(({ value }, at) => at === index || value.transition === null);
  if (!isAlone) return { cluster, shards };
  const masterIds = mirror.shards.map(({ value }, at) => publishedMasterId(at === index ? record : value));
  const wanted = bindingsFor(host, { mirror, bindings, record, masterIds });
  return { cluster, shards, bindings: { clusters: { ...bindings.clusters, [host.key]: wanted } } };
}

interface BindingsContext {
  readonly mirror: ClusterMirror;
  readonly bindings: BindingsRecord;
  /** Of the shard whose change this is. */
  readonly record: ShardRecord;
  readonly masterIds: readonly string[];
}

function bindingsFor(host: ShardHost, { mirror, bindings, record, masterIds }: BindingsContext): BindingRecord[] {
  const { transition } = record;
  const isDrained = drainsClients(record);
  const wellIds = followingIds(host, mirror);
  // The old master of a switchover is about to follow; new readers may wait for it rather than find nobody.
  if (isDrained && transition !== null) wellIds.add(transition.fromMasterId);
  return desiredBindings({
    cluster: mirror.cluster.value,
    masterIds,
    wellIds,
    current: bindings.clusters[host.key] ?? [],
    drainMs: isDrained ? switchoverDrainMs : 0,
  });
}

/**
 * Writes the bindings as they are to be while this shard's new master acts: those of a shard whose announced master does
 * not act yet stay with its old one. Nothing is written where the announcement said it all.
 */
async function settleBindings(host: ShardHost, index: number): Promise<void> {
  await host.commit((mirror, bindings) => {
    const record = mirror.shards[index]?.value;
    if (record?.transition?.announced !== true) return undefined;
    const masterIds = mirror.shards.map(({ value }, at) => {
      const { transition } = value;
      const isActing = at === index || transition === null || transition.fromEpoch === 0 || host.isShardSettled(at);
      return isActing ? publishedMasterId(value) : transition.fromMasterId;
    });
    const wanted = bindingsFor(host, { mirror, bindings, record, masterIds });
    const leadsElsewhere = wanted.some(({ address, backend }) => {
      const isMasters = mirror.cluster.value.shards.some(({ masterLb }) => masterLb === address);
      const now = bindings.clusters[host.key]?.find((binding) => binding.address === address);
      return isMasters && now?.backend !== backend;
    });
    if (!leadsElsewhere) return undefined;
    return { bindings: { clusters: { ...bindings.clusters, [host.key]: wanted } } };
  });
}

/** Ids of replicas that answer, are well, have their link up, and are not known to be out of the balancer's reach. */
export function followingIds(host: Pick<ShardHost, 'watch' | 'isUnreached'>, mirror: ClusterMirror): Set<string> {
  const nodes = mirror.cluster.value.shards.flatMap((shard) => shard.nodes);
  return new Set(
    nodes.filter(({ id }) => host.watch(id)?.isFollowing === true && !host.isUnreached(id)).map(({ id }) => id),
  );
}

/**
 * SHARD, SETNODES and the first heartbeats to the candidate, back to back. The heartbeat after SHARD carries the token
 * of the last reply and so the lease; the one after SETNODES tells that all of it arrived.
 */
export async function performPromote({ host, index, progress }: StepContext): Promise<void> {
  const record = shardRecordOf(host, index);
  const watch = host.watch(record.masterId);
  if (watch === undefined) return;
  progress.isGranting = true;
  const isNamed = watch.reply?.nodeId === record.masterId;
  const { named, shard, topology } = tellTogether(host, watch, {
    name: !isNamed,
    record: host.isLeased ? record : undefined,
    topology: true,
  });
  const [nameReply, shardReply, topologyReply] = await Promise.all([
    named,
    shard?.then((reply) => {
      watch.beatNow();
      return reply;
    }),
    topology,
  ]);
  if (shardReply instanceof ReplyError && shardReply.code !== 'LOADING') {
    progress.isRefused = true;
    host.logger.error('the candidate refused the shard record', { node: record.masterId, error: shardReply.message });
  }
  throwIfError(watch, 'SETNODEID', nameReply);
  throwIfError(watch, 'SHARD', shardReply);
  throwIfError(watch, 'SETNODES', topologyReply);
  watch.beatNow();
}

export interface Told {
  readonly named: Promise<string | ReplyError> | undefined;
  readonly shard: Promise<string | ReplyError> | undefined;
  readonly topology: Promise<string | ReplyError> | undefined;
}

/**
 * Tells a node its id, its shard's record and the store's topology, as far as asked for, in this order and on one
 * connection: a process that does not get the record does not get the topology either.
 */
export function tellTogether(
  host: ShardHost,
  watch: NodeWatch,
  what: { readonly name: boolean; readonly record: ShardRecord | undefined; readonly topology: boolean },
): Told {
  const commands: (readonly string[])[] = [];
  if (what.name) commands.push(['CLUSTERX', 'SETNODEID', watch.node.id]);
  if (what.record !== undefined)
    commands.push(['CLUSTERX', 'SHARD', ...formatShardArguments(shardMessageOf(what.record))]);
  if (what.topology) commands.push(topologyCommand(host));
  const replies = watch.commandsTogether(commands);
  const next = (isAsked: boolean): Promise<string | ReplyError> | undefined => (isAsked ? replies.shift() : undefined);
  return { named: next(what.name), shard: next(what.record !== undefined), topology: next(what.topology) };
}

function topologyCommand(host: ShardHost): string[] {
  const { cluster, shards } = host.mirror();
  const records = shards.map(({ value }) => value);
  return ['CLUSTERX', 'SETNODES', topologyText(cluster.value, records), String(cluster.value.version)];
}

/** @throws OperationError when the node answered with an error. */
export function throwIfError(watch: NodeWatch, command: string, reply: string | ReplyError | undefined): void {
  if (!(reply instanceof ReplyError)) return;
  const message = `${watch.node.addr} answered ${command} with: ${reply.message}`;
  throw new OperationError('CONTROLLER_NODE_REFUSED', message, { outcome: 'not-applied' });
}

/**
 * Points the shard's addresses at the new master. On an unplanned move, or one away from a master that it does not reach,
 * the balancer has reset the old connections when it answers; what it does not do (a driver that never cuts) is asked for.
 */
export async function performMove({ host, index, progress }: StepContext): Promise<void> {
  const { cluster } = host.mirror();
  const shard = cluster.value.shards[index];
  const record = shardRecordOf(host, index);
  const backend = shard?.nodes.find(({ id }) => id === record.masterId)?.addr;
  if (shard === undefined || backend === undefined || shard.masterLb === null || !host.bindings.hasDriver) {
    progress.balancer = 'moved';
    return;
  }
  const address = shard.masterLb;
  try {
    await settleBindings(host, index);
    const { failed } = await host.bindings.apply();
    const failure = failed.find((each) => each.address === address);
    if (failure !== undefined)
      throw new OperationError('CONTROLLER_LB_ADDRESS', `${address}: ${failure.reason}`, { outcome: 'not-applied' });
    progress.marks.movedMs = host.clock.leaseMs();
    progress.balancer = 'moved';
    // Verified beside everything else: the address is where it belongs, nothing has to wait for the look.
    if (cluster.value.fences.includes('lb') && !drainsClients(record)) verifyCut(host, address, backend);
  } catch (error) {
    const givesUpMs = (progress.marks.promotedMs ?? progress.marks.beganMs) + host.times.leaseMs;
    if (host.clock.leaseMs() >= givesUpMs) progress.balancer = 'failing';
    throw error;
  }
}

function verifyCut(host: ShardHost, address: string, backend: string): void {
  host.bindings.cutOthers(address, backend).then(
    (cut) => {
      if (cut > 0) host.logger.warn('old connections were left and have been cut', { address, cut });
    },
    (error: unknown) =>
      host.logger.warn('the balancer was not asked for old connections', { address, error: String(error) }),
  );
}

/** Tells the old master of a switchover where its held clients belong; it helps itself if this does not reach it. */
export async function performRelease(context: StepContext, nodeId: string, epoch: number): Promise<void> {
  const { host, index, progress } = context;
  const shard = host.mirror().cluster.value.shards[index];
  const { masterId } = shardRecordOf(host, index);
  const address = shard?.masterLb ?? shard?.nodes.find(({ id }) => id === masterId)?.addr;
  try {
    const watch = host.watch(nodeId);
    if (watch !== undefined && address !== undefined) {
      const reply = await watch.command(['CLUSTERX', 'RELEASE', String(epoch), address], host.times.suspectMs);
      throwIfError(watch, 'RELEASE', reply);
    }
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    host.logger.warn('the old master was not released', { node: nodeId, error: error.message });
  }
  progress.isReleased = true;
}

/** Ends the transition in the store; false when it had ended, or another epoch was taken. */
export function performFinish({ host, index, progress }: StepContext): Promise<boolean> {
  return host.commit((mirror) => {
    const record = mirror.shards[index]?.value;
    if (record === undefined || record.epoch !== progress.epoch || record.transition === null) return undefined;
    return { shards: new Map([[index, finish(record, host.clock.wallMs())]]) };
  });
}
