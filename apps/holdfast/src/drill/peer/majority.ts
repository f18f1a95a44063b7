/**
 * A Redis Cluster has no controller that could be asked who is master; there is what each node believes. Here the beliefs
 * of all nodes are added up to what the drills' interface calls a view, and its changes to events.
 *
 * A node is a shard's master when more than half of all nodes of the cluster, counted over those that were heard lately,
 * say that it owns the shard's slots. A woken old master that still believes in itself is outvoted. A shard's slots and
 * its two nodes never change in a drill, only their roles do.
 */
import type { ClusterView, NodeView, ShardView } from '../cluster.ts';
import type { KnownNode } from './cluster-nodes.ts';
import type { NodeWord } from './node-word.ts';

export interface PeerNode {
  readonly id: string;
  readonly address: string;
  /** When it last did not hold itself to be master; -Infinity when it never said so. */
  readonly notMasterMs: number;
}

export interface PeerShard {
  readonly index: number;
  /** First and last. */
  readonly slots: readonly [number, number];
  readonly nodes: readonly PeerNode[];
  readonly masterId: string;
  /** The config epoch of the master. */
  readonly epoch: number;
  /** What the others say of the master. */
  readonly health: KnownNode['health'];
}

/** As `ClusterEvent`, without its number and time. `lb-moved` is when clients that ask are told of another master. */
export interface Change {
  /** Of a promotion: when the new master last did not hold itself to be one. */
  readonly earliestMs?: number;
  readonly kind: 'master-suspected' | 'master-failed' | 'promoted' | 'lb-moved';
  readonly shard: number;
  readonly epoch: number;
  readonly message: string;
}

/**
 * The shards after these words were heard, and what changed.
 * @param words of the nodes that were heard lately.
 * @param clusterSize how many nodes there are.
 */
export function hear(
  shards: readonly PeerShard[],
  words: readonly NodeWord[],
  clusterSize: number,
): { readonly shards: readonly PeerShard[]; readonly changes: readonly Change[] } {
  const heard = shards.map((shard) => hearShard(shard, words, clusterSize));
  return { shards: heard.map(({ shard }) => shard), changes: heard.flatMap(({ changes }) => changes) };
}

function hearShard(
  before: PeerShard,
  words: readonly NodeWord[],
  clusterSize: number,
): { readonly shard: PeerShard; readonly changes: readonly Change[] } {
  const { index } = before;
  const changes: Change[] = [];
  const nodes = before.nodes.map((node) => ({ ...node, notMasterMs: notMasterMsOf(node, before, words) }));
  const say = (kind: Change['kind'], epoch: number, message: string): void =>
    void changes.push({ kind, shard: index, epoch, message });

  const owner = ownerByMajority(before, words, clusterSize);
  const masterId = owner?.id ?? before.masterId;
  const epoch = owner?.epoch ?? before.epoch;
  const isNew = masterId !== before.masterId;
  const health = healthOf(masterId, words);
  const address = addressOf(before, before.masterId);
  const wasThoughtWell = before.health === 'well';
  const now = isNew ? healthOf(before.masterId, words) : health;
  if (now !== 'well' && wasThoughtWell) say('master-suspected', before.epoch, `a node flags ${address} fail?`);
  if (now === 'failed' && before.health !== 'failed')
    say('master-failed', before.epoch, `a majority of masters flags ${address} fail`);
  if (isNew) {
    const message = `most nodes hold ${addressOf(before, masterId)} to be master`;
    const earliestMs = nodes.find(({ id }) => id === masterId)?.notMasterMs ?? -Infinity;
    changes.push({ kind: 'promoted', shard: index, epoch, message, earliestMs });
    say('lb-moved', epoch, `clients that ask for the slots are sent to ${addressOf(before, masterId)}`);
  }
  return { shard: { ...before, nodes, masterId, epoch, health }, changes };
}

function notMasterMsOf({ id, notMasterMs }: PeerNode, shard: PeerShard, words: readonly NodeWord[]): number {
  const own = words.find((word) => word.id === id);
  return own === undefined || ownerIn(own.known, shard)?.id === id ? notMasterMs : Math.max(notMasterMs, own.atMs);
}

/** Undefined when no node has a majority of all. */
function ownerByMajority(
  shard: PeerShard,
  words: readonly NodeWord[],
  clusterSize: number,
): { readonly id: string; readonly epoch: number } | undefined {
  for (const { id } of shard.nodes) {
    const claims = words.map(({ known }) => ownerIn(known, shard)).filter((owner) => owner?.id === id);
    if (claims.length * 2 > clusterSize)
      return { id, epoch: claims.reduce((highest, claim) => Math.max(highest, claim?.configEpoch ?? 0), 0) };
  }
  return undefined;
}

function ownerIn(known: readonly KnownNode[], { slots: [first] }: PeerShard): KnownNode | undefined {
  return known.find(({ slotRanges }) => slotRanges.some(([from, to]) => from <= first && first <= to));
}

/** The worst that a node other than itself says of a node. */
function healthOf(id: string, words: readonly NodeWord[]): KnownNode['health'] {
  let worst: KnownNode['health'] = 'well';
  for (const word of words) {
    if (word.id === id) continue;
    const health = word.known.find((node) => node.id === id)?.health ?? 'well';
    if (health === 'failed') return health;
    if (health === 'suspected') worst = health;
  }
  return worst;
}

function addressOf(shard: PeerShard, id: string): string {
  return shard.nodes.find((node) => node.id === id)?.address ?? id;
}

/**
 * The cluster as drills see it.
 * @param latest the last word of each node, by id.
 * @param isHeard whether a word counts as said now.
 * @param nodeTimeoutMs stands where our clusters have the length of their leases.
 */
export function viewOf(
  shards: readonly PeerShard[],
  latest: ReadonlyMap<string, NodeWord>,
  isHeard: (word: NodeWord) => boolean,
  nodeTimeoutMs: number,
): ClusterView {
  return { leaseMs: nodeTimeoutMs, shards: shards.map((shard) => viewOfShard(shard, latest, isHeard)) };
}

function viewOfShard(
  shard: PeerShard,
  latest: ReadonlyMap<string, NodeWord>,
  isHeard: (word: NodeWord) => boolean,
): ShardView {
  const { index, epoch, slots, masterId } = shard;
  const nodes = shard.nodes.map(({ id, address }): NodeView => {
    const word = latest.get(id);
    const isAlive = word !== undefined && isHeard(word);
    return { id, address, role: id === masterId ? 'master' : 'slave', isAlive, sequence: word?.offset ?? -1 };
  });
  const lbAddress = addressOf(shard, masterId);
  return { index, epoch, phase: phaseOf(shard, latest, isHeard), lbAddress, slotRanges: [slots], nodes };
}

/** `stable` when everybody who is heard agrees, the shard's own nodes first of all. */
function phaseOf(
  shard: PeerShard,
  latest: ReadonlyMap<string, NodeWord>,
  isHeard: (word: NodeWord) => boolean,
): 'stable' | 'master suspected' | 'master failed' | 'settling' {
  if (shard.health !== 'well') return shard.health === 'failed' ? 'master failed' : 'master suspected';
  for (const { id } of shard.nodes) {
    const word = latest.get(id);
    if (word === undefined || !isHeard(word)) return 'settling';
    if ((word.role === 'master') !== (id === shard.masterId) || word.offset < 0) return 'settling';
  }
  const agree = [...latest.values()].filter(isHeard).every(({ known }) => ownerIn(known, shard)?.id === shard.masterId);
  return agree ? 'stable' : 'settling';
}
