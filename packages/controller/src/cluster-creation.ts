/**
 * A new cluster: the request is checked, every node is asked who it is, and the records are made. What follows (arming,
 * topology, bindings, leases) is the transition `creation`, which the shards' drivers perform from the store like any
 * other, so a controller that dies in between continues it.
 */
import { formatEndpoint, OperationError, randomText, type Random } from '@holdfast/base';
import {
  grantedLeaseMs,
  isNodeId,
  leaseUseOf,
  parseHeartbeatReply,
  publishedMasterId,
  type FenceTimes,
  type HeartbeatReply,
  type ShardRecord,
} from '@holdfast/fencing';
import { ReplyError } from '@holdfast/resp';
import { controlPortOffset, parseEndpoint, splitSlots } from '@holdfast/topology';
import { apiError } from './api-error.ts';
import { desiredBindings, endpointOf } from './cluster-layout.ts';
import { NodeLink, type NodeLinkOptions } from './node-link.ts';
import type {
  BindingRecord,
  ClusterNodeRecord,
  ClusterRecord,
  ClusterShardRecord,
  Fence,
  Replication,
} from './records.ts';

export interface NewCluster {
  readonly name: string;
  /** `host:port`; the first of each group of `replicas` is its shard's master. */
  readonly nodes: readonly string[];
  /** Nodes per shard, master included. */
  readonly replicas: number;
  readonly password: string;
  readonly masterLbs: readonly string[];
  readonly replicaLbs: readonly string[];
}

export interface CreationContext {
  readonly namespace: string;
  readonly fences: readonly Fence[];
  readonly replication: Replication;
  /** Ids of the controllers whose leases count in the first epoch; empty: any single one's. */
  readonly controllers: readonly string[];
  readonly times: FenceTimes;
  readonly random: Random;
  /** Unix time. */
  readonly wallMs: number;
  readonly link: Pick<NodeLinkOptions, 'connector' | 'timers'>;
}

export interface CreatedRecords {
  readonly cluster: ClusterRecord;
  readonly shards: readonly ShardRecord[];
  readonly bindings: readonly BindingRecord[];
}

/** @throws ApiError 400 or 409 naming what is wrong with the request. */
export function checkNewCluster(request: NewCluster, usedAddresses: ReadonlySet<string>): void {
  const { nodes, replicas, masterLbs, replicaLbs } = request;
  if (nodes.length === 0) throw apiError(400, 'cluster nodes should NOT be empty');
  if (nodes.length % replicas !== 0) throw apiError(400, 'cluster nodes should be divisible by replicas');
  const all = [...nodes, ...masterLbs, ...replicaLbs];
  for (const address of all)
    if (parseEndpoint(address) === undefined) throw apiError(400, `'${address}' is no address: give host:port`);
  const twice = all.find((address, index) => all.indexOf(address) !== index);
  if (twice !== undefined) throw apiError(400, `the address ${twice} is given twice`);
  const taken = all.filter((address) => usedAddresses.has(address));
  if (taken.length > 0) throw apiError(409, `node: already exists: [${taken.join(' ')}]`);
  const shards = nodes.length / replicas;
  for (const [what, list] of [
    ['masters', masterLbs],
    ['replicas', replicaLbs],
  ] as const)
    if (list.length > 0 && list.length !== shards)
      throw apiError(400, `load_balancers.${what} has ${list.length} addresses for ${shards} shards`);
}

/**
 * Asks the nodes and makes the records.
 * @throws ApiError 409 when a node is armed already (another controller's, or this one's lost store), 500 when a node
 *   does not answer.
 */
export async function makeCluster(request: NewCluster, context: CreationContext): Promise<CreatedRecords> {
  const { wallMs, times, fences } = context;
  const asked = await Promise.all(request.nodes.map((addr) => askNode(addr, request.password, context)));
  const seen = new Set<string>();
  const nodes = asked.map(({ addr, controlAddr, reply }): ClusterNodeRecord => {
    const isOwn = isNodeId(reply.nodeId) && !seen.has(reply.nodeId);
    const id = isOwn ? reply.nodeId : randomText(context.random, 40, '0123456789abcdef');
    seen.add(id);
    return { id, addr, controlAddr, createdAtMs: wallMs };
  });
  const count = request.nodes.length / request.replicas;
  const shards = splitSlots(count).map((range, index): ClusterShardRecord => {
    const own = nodes.slice(index * request.replicas, (index + 1) * request.replicas);
    return {
      slotRanges: [range],
      masterLb: request.masterLbs[index] ?? null,
      replicaLb: request.replicaLbs[index] ?? null,
      nodes: own,
    };
  });
  const version = Math.max(0, ...asked.map(({ reply }) => reply.version)) + 1;
  const cluster: ClusterRecord = {
    namespace: context.namespace,
    name: request.name,
    version,
    createdAtMs: wallMs,
    password: request.password,
    leaseMs: times.leaseMs,
    fences,
    replication: context.replication,
    shards,
  };
  const records = shards.map((shard, index) => firstRecord(shard, asked[index * request.replicas]?.reply, context));
  const wellIds = new Set(nodes.map(({ id }) => id));
  const masterIds = records.map(publishedMasterId);
  const bindings = desiredBindings({ cluster, masterIds, wellIds, current: [], drainMs: 0 });
  return { cluster, shards: records, bindings };
}

interface AskedNode {
  readonly addr: string;
  readonly controlAddr: string;
  readonly reply: HeartbeatReply;
}

async function askNode(addr: string, password: string, context: CreationContext): Promise<AskedNode> {
  const { times, link } = context;
  const controlAddr = controlAddressOf(addr);
  const connectTimeoutMs = times.leaseMs;
  const node = new NodeLink({ ...link, endpoint: endpointOf(controlAddr), password, connectTimeoutMs });
  try {
    const text = await node.call(['CLUSTERX', 'HEARTBEAT', '-', String(times.leaseMs), '0'], times.leaseMs);
    if (text instanceof ReplyError) throw apiError(500, `node ${addr} answered HEARTBEAT with: ${text.message}`);
    const reply = parseHeartbeatReply(text);
    if (reply === undefined) throw apiError(500, `node ${addr} answered HEARTBEAT with something else`);
    if (reply.armed)
      throw apiError(
        409,
        `node ${addr} is armed in epoch ${reply.epoch}: it belongs to a cluster this store does not know`,
      );
    return { addr, controlAddr, reply };
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    throw apiError(500, `node ${addr} does not answer on its control port ${controlAddr}: ${error.message}`);
  } finally {
    node.close();
  }
}

/** The default control port; a port that has none answers on itself. */
export function controlAddressOf(addr: string): string {
  const { host, port } = endpointOf(addr);
  const controlPort = port + controlPortOffset;
  return formatEndpoint({ host, port: controlPort > 65_535 ? port : controlPort });
}

function firstRecord(
  shard: ClusterShardRecord,
  reply: HeartbeatReply | undefined,
  context: CreationContext,
): ShardRecord {
  const masterId = shard.nodes[0]?.id ?? '-';
  return {
    epoch: 1,
    isrVersion: 0,
    leaseMs: grantedLeaseMs(leaseUseOf(context.fences, context.replication), context.times.leaseMs),
    masterId,
    processId: reply?.processId ?? '-',
    isr: reply === undefined || reply.logId === '' ? [] : [{ nodeId: masterId, logId: reply.logId }],
    controllers: context.controllers,
    transition: {
      kind: 'creation',
      cause: 'created',
      fromMasterId: '-',
      fromEpoch: 0,
      startedAtMs: context.wallMs,
      announced: true,
    },
    changedAtMs: 0,
  };
}
