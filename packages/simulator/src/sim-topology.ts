/**
 * Topologies as nodes get them: the shipped payload text, parsed by the shipped parser. Parsing fills an array of all
 * slots, so a run keeps what it has parsed.
 *
 * Slots come in three groups, so that a part of a shard's slots can be handed over: 0 and 1 begin in the first shard, 2
 * in the second (with one shard it owns all of them).
 */
import { assert } from '@holdfast/base';
import {
  formatNodeLine,
  parseNodes,
  slotOf,
  Topology,
  TopologyRefusal,
  type NodeId,
  type Slot,
  type Version,
} from '@holdfast/topology';

const groupEnds = [4095, 8191, 16383] as const;
export const groupCount: number = groupEnds.length;

export function groupOfSlot(slot: number): number {
  return groupEnds.findIndex((end) => slot <= end);
}

/** Names of keys by group, `perGroup` each. */
export function keysByGroup(perGroup: number): string[][] {
  const groups: string[][] = groupEnds.map(() => []);
  for (let i = 0; groups.some((keys) => keys.length < perGroup); i++) {
    const key = `k${i}`;
    const group = groups[groupOfSlot(slotOf(Buffer.from(key)))];
    if (group !== undefined && group.length < perGroup) group.push(key);
  }
  return groups;
}

export interface TopologyNode {
  readonly id: string;
  readonly host: number;
  readonly shard: number;
}

/** @param masterIds by shard; @param owners shard by group. */
export function topologyPayload(
  nodes: readonly TopologyNode[],
  masterIds: readonly string[],
  owners: readonly number[],
): string {
  return nodes
    .map(({ id, host, shard }) => {
      const masterId = masterIds[shard] as NodeId;
      const facts = { id: id as NodeId, internal: { host: `10.0.0.${host + 1}`, port: 6666 }, lb: undefined };
      if (id !== masterId) return formatNodeLine({ ...facts, role: 'replica', masterId, failed: false }, []);
      return formatNodeLine({ ...facts, role: 'master' }, rangesOf(shard, owners));
    })
    .join('\n');
}

function rangesOf(shard: number, owners: readonly number[]): { start: Slot; stop: Slot }[] {
  return groupEnds.flatMap((stop, group) => {
    const start = group === 0 ? 0 : (groupEnds[group - 1] as number) + 1;
    return owners[group] === shard ? [{ start: start as Slot, stop: stop as Slot }] : [];
  });
}

export function versionOf(version: number): Version {
  return BigInt(version) as Version;
}

const parsed = new Map<string, Topology>();

/** The topology of a payload; versions are judged by `judgeVersion` where it is set. */
export function topologyOf({ payload, version }: { readonly payload: string; readonly version: number }): Topology {
  const key = `${version} ${payload}`;
  const known = parsed.get(key);
  if (known !== undefined) return known;
  const nodes = parseNodes(payload);
  assert(!(nodes instanceof TopologyRefusal), 'a topology of ours is accepted');
  const topology = Topology.of(nodes, versionOf(version));
  // Runs share most of their topologies; the bound only keeps a long series of seeds from growing.
  if (parsed.size > 400) parsed.clear();
  parsed.set(key, topology);
  return topology;
}
