/**
 * What a node or controller knows of the cluster: nodes, who owns which slot, the version that orders topologies, and
 * which of the nodes it is itself. A value that never changes: every accepted change makes a new one, so whoever holds
 * one can go on reading it, and a refused change has nothing to undo.
 *
 * Invariants: a slot's owner is a master of this topology; a topology with a negative version has no nodes. Slots that a
 * new topology does not name have no owner (stock Kvrocks leaves them with the old one, who may be gone).
 */
import { assert, type Endpoint } from '@holdfast/base';
import {
  noVersion,
  type ClusterNode,
  type MasterNode,
  type NodeId,
  type ReplicaNode,
  type Version,
} from './cluster-node.ts';
import { canonicalHost } from './host.ts';
import { formatNodeLine, nodeErrors, type ParsedNodes } from './node-lines.ts';
import { TopologyRefusal } from './refusal.ts';
import { rangesWhere, type SlotRange } from './slot-range.ts';
import { slotCount, type Slot } from './slot.ts';

interface Parts {
  readonly version: Version;
  readonly selfId: NodeId | undefined;
  readonly nodes: readonly ClusterNode[];
  readonly owners: Int32Array;
}

const noReplicas: readonly ReplicaNode[] = [];

export class Topology {
  readonly version: Version;
  /** Own id, set by CLUSTERX SETNODEID or recognised by address; it need not be among the nodes. */
  readonly selfId: NodeId | undefined;
  /** In the order of the payload. */
  readonly nodes: readonly ClusterNode[];
  /** Own entry; undefined when there is none. */
  readonly self: ClusterNode | undefined;
  /** Slots that have an owner. */
  readonly assignedSlotCount: number;
  /** Masters that own a slot. */
  readonly size: number;
  readonly #owners: Int32Array;
  readonly #byId: ReadonlyMap<NodeId, ClusterNode>;
  readonly #replicas: ReadonlyMap<NodeId, readonly ReplicaNode[]>;

  private constructor({ version, selfId, nodes, owners }: Parts) {
    assert(version >= 0n || nodes.length === 0, `a topology of version ${version} has nodes`);
    this.version = version;
    this.selfId = selfId;
    this.nodes = nodes;
    this.#owners = owners;
    this.#byId = new Map(nodes.map((node) => [node.id, node]));
    assert(this.#byId.size === nodes.length, 'two nodes of a topology have the same id');
    this.self = selfId === undefined ? undefined : this.#byId.get(selfId);
    this.#replicas = replicasByMaster(nodes);
    const owning = new Set<number>();
    let assigned = 0;
    for (const index of owners) {
      if (index < 0) continue;
      assigned++;
      owning.add(index);
    }
    for (const index of owning) assert(nodes[index]?.role === 'master', `slot owner ${index} is not a master`);
    this.assignedSlotCount = assigned;
    this.size = owning.size;
  }

  /** No topology was given yet: version -1, no nodes, perhaps an own id. */
  static uninitialized(selfId?: NodeId): Topology {
    return new Topology({ version: noVersion, selfId, nodes: [], owners: new Int32Array(slotCount).fill(-1) });
  }

  /**
   * A topology as parsed from node lines.
   * @param version not negative.
   */
  static of({ nodes, owners }: ParsedNodes, version: Version, selfId?: NodeId): Topology {
    return new Topology({ version, selfId, nodes, owners });
  }

  /** False until the first topology: most answers are then `CLUSTERDOWN The cluster is not initialized`. */
  get initialized(): boolean {
    return this.version >= 0n;
  }

  /** The master that owns `slot`. */
  ownerOf(slot: Slot): MasterNode | undefined {
    // An owner is a master by the constructor's check.
    return this.nodes[this.#owners[slot] as number] as MasterNode | undefined;
  }

  node(id: NodeId): ClusterNode | undefined {
    return this.#byId.get(id);
  }

  /** Replicas that name `masterId` as their master, dead ones too, in the order of the payload. */
  replicasOf(masterId: NodeId): readonly ReplicaNode[] {
    return this.#replicas.get(masterId) ?? noReplicas;
  }

  /** Slots of a master as merged ranges in rising order; none for a replica. */
  rangesOf(id: NodeId): SlotRange[] {
    const index = this.nodes.findIndex((node) => node.id === id);
    return index < 0 ? [] : rangesWhere((slot) => this.#owners[slot] === index);
  }

  /** Slot ranges of all nodes in one pass: element i belongs to `nodes[i]`. */
  rangesByNode(): SlotRange[][] {
    const ranges: SlotRange[][] = this.nodes.map(() => []);
    for (const { range, index } of this.#runs()) ranges[index]?.push(range);
    return ranges;
  }

  /** Ranges in slot order, each with the one master that owns it. Slots without an owner are left out. */
  ownedRanges(): { range: SlotRange; owner: MasterNode }[] {
    return this.#runs().map(({ range, index }) => ({ range, owner: this.nodes[index] as MasterNode }));
  }

  #runs(): { range: SlotRange; index: number }[] {
    const runs: { range: SlotRange; index: number }[] = [];
    for (let start = 0; start < slotCount;) {
      const index = this.#owners[start] as number;
      let stop = start;
      while (stop + 1 < slotCount && this.#owners[stop + 1] === index) stop++;
      if (index >= 0) runs.push({ range: { start: start as Slot, stop: stop as Slot }, index });
      start = stop + 1;
    }
    return runs;
  }

  /** The same cluster as another of its nodes sees it. */
  withSelf(selfId: NodeId): Topology {
    if (selfId === this.selfId) return this;
    return new Topology({ version: this.version, selfId, nodes: this.nodes, owners: this.#owners });
  }

  /**
   * Gives slots to a master, as CLUSTERX SETSLOT does.
   * @param version must be the present one plus 1, and above 0.
   * @returns the new topology; or the refusal with Kvrocks' text, this one being as it was.
   */
  applySetSlot(ranges: readonly SlotRange[], id: NodeId, version: Version): Topology | TopologyRefusal {
    if (version <= 0n || version !== this.version + 1n) return new TopologyRefusal(topologyErrors.version);
    const index = this.nodes.findIndex((node) => node.id === id);
    const node = this.nodes[index];
    if (node === undefined) return new TopologyRefusal(topologyErrors.unknownNode);
    if (node.role !== 'master') return new TopologyRefusal(topologyErrors.notMaster);
    const owners = this.#owners.slice();
    for (const { start, stop } of ranges) owners.fill(index, start, stop + 1);
    return new Topology({ version, selfId: this.selfId, nodes: this.nodes, owners });
  }

  /** Node lines in the order of the payload: the internal view, which SETNODES takes back (CLUSTERX NODES). */
  nodeLines(): string[] {
    const ranges = this.rangesByNode();
    return this.nodes.map((node, index) => formatNodeLine(node, ranges[index] ?? []));
  }
}

/** Texts of Kvrocks. */
export const topologyErrors: {
  readonly version: string;
  readonly unknownNode: string;
  readonly notMaster: string;
  readonly unknownId: string;
  readonly uninitialized: string;
} = {
  version: 'Invalid cluster version',
  unknownNode: 'No this node in the cluster',
  notMaster: "The node isn't a master",
  unknownId: nodeErrors.id,
  uninitialized: 'The cluster is not initialized',
};

function replicasByMaster(nodes: readonly ClusterNode[]): Map<NodeId, ReplicaNode[]> {
  const byMaster = new Map<NodeId, ReplicaNode[]>();
  for (const node of nodes) {
    if (node.role !== 'replica') continue;
    const siblings = byMaster.get(node.masterId);
    if (siblings === undefined) byMaster.set(node.masterId, [node]);
    else siblings.push(node);
  }
  return byMaster;
}

/**
 * What the version of a SETNODES means for a node that has `current` (Kvrocks: a topology is a state, so versions may be
 * skipped; only FORCE goes back).
 */
export function judgeVersion(current: Version, next: Version, force: boolean): 'apply' | 'nothing-new' | 'refuse' {
  if (next < 0n) return 'refuse';
  if (force || next > current) return 'apply';
  return next === current ? 'nothing-new' : 'refuse';
}

/**
 * The node that listens on `port` at one of `hosts`; the first in payload order.
 * @param hosts bound addresses as configured, a wildcard replaced by the addresses of all interfaces. Names are compared
 *   as text, never resolved.
 */
export function findByAddress(
  nodes: readonly ClusterNode[],
  { port, hosts }: { readonly port: number; readonly hosts: readonly string[] },
): ClusterNode | undefined {
  const own = new Set(hosts.map(canonicalHost));
  return nodes.find(
    ({ internal }: { internal: Endpoint }) => internal.port === port && own.has(canonicalHost(internal.host)),
  );
}
