/**
 * How a topology is shown: CLUSTER NODES, SLOTS, SHARDS, REPLICAS and INFO, and the address in MOVED. Clients see the LB
 * address of a node that has one (`lb`), or everywhere the internal one (`internal`, for debugging). The own node
 * follows the same rule: a client must not learn an internal address by the back door.
 *
 * An IPv6 host is printed without brackets, in `MOVED 5 ::1:7000` and `::1:7000@17000` too, as Redis prints it; clients
 * take what follows the last colon as the port.
 *
 * Text is one character per byte (latin1), as ids and hosts came in.
 */
import type { Endpoint } from '@holdfast/base';
import { clientEndpoint, type ClientView, type ClusterNode, type NodeId } from './cluster-node.ts';
import { isIpAddress } from './host.ts';
import { roleToken } from './node-lines.ts';
import { TopologyRefusal } from './refusal.ts';
import { formatSlotRanges, type SlotRange } from './slot-range.ts';
import type { Slot } from './slot.ts';
import { topologyErrors, type Topology } from './topology.ts';

/** Distance of the control port from the node's port when nothing else is known. */
export const controlPortOffset = 10000;

/** What the texts say beyond the topology. */
export interface ViewContext {
  readonly view: ClientView;
  /** Printed as the times of the last ping and pong. */
  readonly nowMs: number;
  /** Own control port when it is not the node's port + 10000; of the others only that default is known. */
  readonly selfControlPort?: number;
}

/** `host:port`, IPv6 unbracketed. */
export function formatClientEndpoint({ host, port }: Endpoint): string {
  return `${host}:${port}`;
}

/** The error line that sends a client to the owner of `slot`. */
export function movedError(slot: Slot, endpoint: Endpoint): string {
  return `MOVED ${slot} ${formatClientEndpoint(endpoint)}`;
}

function nodeText(topology: Topology, node: ClusterNode, context: ViewContext, flags: string): string {
  const { view, nowMs, selfControlPort } = context;
  const ownControlPort = node === topology.self ? selfControlPort : undefined;
  const controlPort = ownControlPort ?? node.internal.port + controlPortOffset;
  const address = `${formatClientEndpoint(clientEndpoint(node, view))}@${controlPort}`;
  const master = node.role === 'master' ? '-' : node.masterId;
  return `${node.id} ${address} ${flags} ${master} ${nowMs - 1} ${nowMs} ${topology.version} connected`;
}

/** CLUSTER NODES: one line per node, each with its newline. */
export function clusterNodesText(topology: Topology, context: ViewContext): string {
  const ranges = topology.rangesByNode();
  let text = '';
  topology.nodes.forEach((node, index) => {
    const slots = ranges[index] ?? [];
    const flags = `${node === topology.self ? 'myself,' : ''}${roleToken(node)}`;
    text += `${nodeText(topology, node, context, flags)}${slots.length > 0 ? ` ${formatSlotRanges(slots)}` : ''}\n`;
  });
  return text;
}

/**
 * CLUSTER REPLICAS: lines as in CLUSTER NODES, without newlines.
 * @returns a refusal when `id` is no node (`Invalid cluster node id`) or no master.
 */
export function replicaTexts(topology: Topology, id: string, context: ViewContext): string[] | TopologyRefusal {
  const node = topology.node(id as NodeId);
  if (node === undefined) return new TopologyRefusal(topologyErrors.unknownId);
  if (node.role !== 'master') return new TopologyRefusal(topologyErrors.notMaster);
  // The own line carries no `myself` here, as in Kvrocks.
  return topology.replicasOf(node.id).map((replica) => nodeText(topology, replica, context, roleToken(replica)));
}

export interface SlotsEntryNode {
  readonly host: string;
  readonly port: number;
  readonly id: NodeId;
}

/** One element of CLUSTER SLOTS: the master first, then its replicas. */
export interface SlotsEntry {
  readonly range: SlotRange;
  readonly nodes: readonly SlotsEntryNode[];
}

/** CLUSTER SLOTS in slot order. Replicas that were found dead are left out: clients would read from them. */
export function clusterSlots(topology: Topology, view: ClientView): SlotsEntry[] {
  const groups = new Map<NodeId, readonly SlotsEntryNode[]>();
  return topology.ownedRanges().map(({ range, owner }) => {
    let nodes = groups.get(owner.id);
    if (nodes === undefined) {
      const alive = topology.replicasOf(owner.id).filter((replica) => !replica.failed);
      nodes = [owner, ...alive].map((node) => ({ ...clientEndpoint(node, view), id: node.id }));
      groups.set(owner.id, nodes);
    }
    return { range, nodes };
  });
}

export interface ShardNode {
  readonly id: NodeId;
  readonly port: number;
  /** As Redis' `ip` and `endpoint`, which are the same here. */
  readonly host: string;
  /** `host` again when it is a name. */
  readonly hostname: string | undefined;
  readonly role: 'master' | 'replica';
  readonly health: 'online' | 'fail';
}

export interface ShardEntry {
  readonly ranges: readonly SlotRange[];
  readonly nodes: readonly ShardNode[];
}

/** CLUSTER SHARDS: one entry per master, with or without slots, its dead replicas marked. */
export function clusterShards(topology: Topology, view: ClientView): ShardEntry[] {
  const ranges = topology.rangesByNode();
  const shards: ShardEntry[] = [];
  topology.nodes.forEach((node, index) => {
    if (node.role !== 'master') return;
    const nodes = [node, ...topology.replicasOf(node.id)].map((member) => shardNode(member, view));
    shards.push({ ranges: ranges[index] ?? [], nodes });
  });
  return shards;
}

function shardNode(node: ClusterNode, view: ClientView): ShardNode {
  const { host, port } = clientEndpoint(node, view);
  const health = node.role === 'replica' && node.failed ? 'fail' : 'online';
  return { id: node.id, port, host, hostname: isIpAddress(host) ? undefined : host, role: node.role, health };
}

/** CLUSTER INFO in the lines of Kvrocks; the state is `ok` even while slots have no owner. */
export function clusterInfoText(topology: Topology): string {
  const assigned = topology.assignedSlotCount;
  const fields: [string, string | number | bigint][] = [
    ['cluster_state', 'ok'],
    ['cluster_slots_assigned', assigned],
    ['cluster_slots_ok', assigned],
    ['cluster_slots_pfail', 0],
    ['cluster_slots_fail', 0],
    ['cluster_known_nodes', topology.nodes.length],
    ['cluster_size', topology.size],
    ['cluster_current_epoch', topology.version],
    ['cluster_my_epoch', topology.version],
  ];
  return fields.map(([field, value]) => `${field}:${value}\r\n`).join('');
}
