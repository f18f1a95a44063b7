/**
 * What follows from the records: the topology that nodes are given, and the bindings the balancer is given. Pure; both
 * are functions of what is stored (and, for replica addresses, of who is known to be well), so every controller makes
 * the same of it and one version number never stands for two contents.
 */
import { FatalError, type Endpoint } from '@holdfast/base';
import { publishedMasterId, type ShardRecord } from '@holdfast/fencing';
import { formatNodeLine, parseEndpoint, type ClusterNode, type NodeId, type Slot } from '@holdfast/topology';
import type { BindingRecord, ClusterNodeRecord, ClusterRecord, ClusterShardRecord } from './records.ts';

/** The payload of SETNODES for the cluster's present version: shards in order, in each the nodes in order. */
export function topologyText(cluster: ClusterRecord, shards: readonly ShardRecord[]): string {
  const lines = cluster.shards.flatMap((shard, index) => {
    const masterId = topologyMasterId(shard, shards[index]);
    const slots = shard.slotRanges.map(({ start, stop }) => ({ start: start as Slot, stop: stop as Slot }));
    return shard.nodes.map((node) => {
      const isMaster = node.id === masterId;
      return formatNodeLine(clusterNode(node, shard, masterId), isMaster ? slots : []);
    });
  });
  return lines.join('\n');
}

/** Topologies always name a master: while a shard has none, its slots stay with the first node, which serves nobody. */
export function topologyMasterId(shard: ClusterShardRecord, record: ShardRecord | undefined): string {
  const masterId = record === undefined ? '-' : publishedMasterId(record);
  return masterId === '-' ? (shard.nodes[0]?.id ?? '-') : masterId;
}

function clusterNode(node: ClusterNodeRecord, shard: ClusterShardRecord, masterId: string): ClusterNode {
  const isMaster = node.id === masterId;
  const lbText = isMaster ? shard.masterLb : shard.replicaLb;
  const facts = {
    id: node.id as NodeId,
    internal: endpointOf(node.addr),
    lb: lbText === null ? undefined : endpointOf(lbText),
  };
  if (isMaster) return { ...facts, role: 'master' };
  return { ...facts, role: 'replica', masterId: masterId as NodeId, failed: false };
}

/** @throws FatalError for an address that no record may hold. */
export function endpointOf(address: string): Endpoint {
  const endpoint = parseEndpoint(address);
  if (endpoint === undefined) throw new FatalError(`the metadata store holds '${address}' where an address belongs`, 3);
  return endpoint;
}

export interface BindingFacts {
  readonly cluster: ClusterRecord;
  /** By shard: id of the node that its master's address is to lead to; `-`: to nobody. */
  readonly masterIds: readonly string[];
  /** Ids of nodes that answer; of replicas, that follow their master. */
  readonly wellIds: ReadonlySet<string>;
  /** The bindings so far: a replica that still does keeps its address. */
  readonly current: readonly BindingRecord[];
  /** What happens to connections that lead elsewhere: 0 after a failover, 500 after a switchover. */
  readonly drainMs: number;
}

/**
 * The bindings the cluster wants. A replica address leads to one
 * replica that is well, the one it led to if possible, and to nobody while there is none. Bindings that do not change
 * keep the drain time they were made with; without the lb fence nothing is ever cut.
 */
export function desiredBindings(facts: BindingFacts): BindingRecord[] {
  const { cluster, masterIds, current } = facts;
  const bindings: BindingRecord[] = [];
  const add = (address: string | null, backend: string | null): void => {
    if (address === null) return;
    const before = current.find((binding) => binding.address === address);
    if (before !== undefined && before.backend === backend) bindings.push(before);
    else bindings.push({ address, backend, drainMs: cluster.fences.includes('lb') ? facts.drainMs : null });
  };
  cluster.shards.forEach((shard, index) => {
    const masterId = masterIds[index] ?? '-';
    add(shard.masterLb, shard.nodes.find(({ id }) => id === masterId)?.addr ?? null);
    add(shard.replicaLb, replicaBackend(shard, masterId, facts));
  });
  return bindings;
}

function replicaBackend(shard: ClusterShardRecord, masterId: string, facts: BindingFacts): string | null {
  const well = shard.nodes.filter(({ id }) => id !== masterId && facts.wellIds.has(id)).map(({ addr }) => addr);
  const now = facts.current.find(({ address }) => address === shard.replicaLb)?.backend;
  return well.find((addr) => addr === now) ?? well[0] ?? null;
}

/** Equal in everything the balancer is told. */
export function sameBindingRecords(left: readonly BindingRecord[], right: readonly BindingRecord[]): boolean {
  return (
    left.length === right.length &&
    left.every((binding, index) => {
      const other = right[index];
      return (
        other?.address === binding.address && other.backend === binding.backend && other.drainMs === binding.drainMs
      );
    })
  );
}
