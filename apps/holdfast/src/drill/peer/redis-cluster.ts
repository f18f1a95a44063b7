/**
 * A Redis Cluster to compare ours with: n masters and n replicas of the redis-server that is installed, at the places of
 * the drill's world, on its own defaults but for `appendonly` and the node timeout. It is met by the same drills, the same
 * clients and the same judge.
 *
 * What ours has and it has not: a balancer (a client knows the nodes, and finds the master by asking), leases (the view
 * shows `cluster-node-timeout` in their place) and a controller (majority.ts adds up what the nodes believe).
 */
import { setTimeout as pause } from 'node:timers/promises';
import { FatalError, OperationError, assert, messageOf } from '@holdfast/base';
import { textOf, type RespClient } from '@holdfast/resp';
import type { SupervisedProcess } from '../../cluster-process/supervised-process.ts';
import {
  masterOf,
  shardOf,
  type ClusterEvent,
  type ClusterView,
  type DrillCluster,
  type HostFaults,
  type ShardView,
} from '../cluster.ts';
import { standStill } from '../stand-still.ts';
import { usedWhileOpen, type DrillSite } from '../world/index.ts';
import { hear, viewOf, type PeerShard } from './majority.ts';
import { ask, connectTo, listenTo, wordOf } from './node-listener.ts';
import type { NodeWord } from './node-word.ts';
import { findRedisServer, freeRedisPorts, redisProcess, type RedisPlace, type RedisProgram } from './redis-process.ts';

export interface RedisClusterSettings {
  /** Masters, each with one replica; at least `leastShards`. */
  readonly shards: number;
  /** `cluster-node-timeout`. */
  readonly nodeTimeoutMs: number;
}

/** Of two masters one that is left is no majority, so no replica would ever be elected. */
export const leastShards = 3;
/** Of every node that has a host of its own. */
const usualPort = 6379;
const slotCount = 16_384;
const readyWithinMs = 30_000;
const graceMs = 3000;
/** Redis' own limit of a manual failover, and a little more. */
const manualFailoverMs = 5200;
/** A node whose last word is older counts as not there. */
const heardWithinMs = 500;
/**
 * Far below what applications set, so that the time without writes is the cluster's and not its clients': with the
 * default of many clients, to wait for ever, they would write again only after the old master woke up.
 */
const clientTimeoutMs = 100;

export interface RedisDrillCluster extends DrillCluster {
  /** Of redis-server. */
  readonly version: string;
}

/** The places such a cluster needs: the masters, then a replica for each. */
export function placesOf({ shards }: RedisClusterSettings): string[] {
  return Array.from({ length: 2 * shards }, (_, i) => `node-${i + 1}`);
}

/**
 * Starts a cluster, uses it, and stops it, whatever happens.
 * @throws what `use` throws, or the reason of the site's signal; FatalError (exit status 3) when redis-server is missing
 *   or the cluster does not come up.
 */
export async function withRedisCluster<T>(
  site: DrillSite,
  settings: RedisClusterSettings,
  use: (cluster: RedisDrillCluster) => Promise<T>,
): Promise<T> {
  return usedWhileOpen(site.signal, startRedisCluster(site, settings), use);
}

/**
 * Starts a cluster and waits until every replica has its master's stream and every node the same view.
 * @throws FatalError (exit status 3) when redis-server is missing or the cluster does not come up; nothing runs then.
 */
export async function startRedisCluster(site: DrillSite, settings: RedisClusterSettings): Promise<RedisDrillCluster> {
  const { placement, directory, signal } = site;
  assert(settings.shards >= leastShards, `${settings.shards} masters can elect`);
  const program = findRedisServer();
  const names = placesOf(settings);
  const base = placement.hasOwnHosts ? usualPort : await freeRedisPorts(names.length);
  const places = names.map((name, i): RedisPlace => ({
    name,
    host: placement.hostOf(name),
    port: placement.hasOwnHosts ? base : base + i,
    launch: placement.launchOf(name),
    data: placement.dataOf(name, directory),
  }));
  const cluster = new RedisCluster(site, places, program, settings.nodeTimeoutMs);
  try {
    await cluster.start(signal);
    return cluster;
  } catch (error) {
    await cluster.close();
    if (signal.aborted || error instanceof FatalError) throw error;
    throw new FatalError(`the Redis cluster did not come up: ${messageOf(error)}`, 3, error);
  }
}

class RedisCluster implements RedisDrillCluster {
  readonly version: string;
  readonly hosts?: HostFaults;
  readonly controllers: readonly string[] = [];
  readonly clientTimeoutMs: number = clientTimeoutMs;
  /** The masters at the start, then a replica for each. */
  readonly #places: readonly RedisPlace[];
  readonly #nodeTimeoutMs: number;
  readonly #say: (line: string) => void;
  readonly #processes: ReadonlyMap<string, SupervisedProcess>;
  readonly #placeOfId = new Map<string, string>();
  readonly #latest = new Map<string, NodeWord>();
  readonly #events: ClusterEvent[] = [];
  readonly #listening = new AbortController();
  #listeners: readonly Promise<void>[] = [];
  #shards: readonly PeerShard[] = [];
  #closing: Promise<void> | undefined;

  constructor(site: DrillSite, places: readonly RedisPlace[], program: RedisProgram, nodeTimeoutMs: number) {
    this.#places = places;
    this.#nodeTimeoutMs = nodeTimeoutMs;
    this.#say = (line): void => site.progress(line);
    this.version = program.version;
    if (site.hosts !== undefined) this.hosts = site.hosts;
    const settings = { program, directory: site.directory, nodeTimeoutMs, say: this.#say };
    this.#processes = new Map(places.map((place) => [place.name, redisProcess(place, settings)]));
  }

  async start(signal: AbortSignal): Promise<void> {
    const places = this.#places;
    this.#say(`starting ${places.length} nodes of redis-server ${this.version}`);
    for (const process of this.#processes.values()) process.start();
    const until = deadline(signal);
    const clients: RespClient[] = [];
    try {
      for (const place of places) clients.push(await this.#connect(place, until));
      await this.#join(clients, until);
    } finally {
      for (const client of clients) client.close();
    }
    for (const process of this.#processes.values()) process.keepAlive();
    this.#listeners = places.map((place) =>
      listenTo(addressOf(place), (word) => this.#hear(word), this.#listening.signal),
    );
    await until('every node has the same view and every replica its stream', () => this.#isWhole());
    for (const place of places) await until(`${place.name} takes commands`, () => takesCommands(place));
    this.#say(`the cluster is whole: ${places.length / 2} masters with a replica each`);
  }

  async #connect(place: RedisPlace, until: Until): Promise<RespClient> {
    let client: RespClient | undefined;
    await until(`${place.name} answers`, async () => {
      const { endedEarly } = this.#processes.get(place.name) ?? {};
      if (endedEarly !== undefined) throw new FatalError(endedEarly, 3);
      client = await connectTo(addressOf(place)).catch(() => undefined);
      return client !== undefined;
    });
    if (client === undefined) throw new OperationError('PEER_START', place.name, { outcome: 'not-applied' });
    return client;
  }

  /** What `redis-cli --cluster create` does: own epochs, slots, acquaintance, replicas. */
  async #join(clients: readonly RespClient[], until: Until): Promise<void> {
    const places = this.#places;
    const count = places.length / 2;
    const ids: string[] = [];
    for (const [i, client] of clients.entries()) {
      const id = textOf(await ask(client, 'CLUSTER', 'MYID')) ?? '';
      ids.push(id);
      this.#placeOfId.set(id, places[i]?.name ?? '');
      await ask(client, 'CLUSTER', 'SET-CONFIG-EPOCH', String(i + 1));
    }
    this.#shards = Array.from({ length: count }, (_, index): PeerShard => {
      const slots = [firstSlot(index, count), firstSlot(index + 1, count) - 1] as const;
      const nodes = [index, index + count].map((i) => {
        return { id: ids[i] ?? '', address: addressAt(places, i), notMasterMs: -Infinity };
      });
      return { index, slots, nodes, masterId: ids[index] ?? '', epoch: index + 1, health: 'well' };
    });
    for (const { index, slots } of this.#shards) {
      const numbers = Array.from({ length: slots[1] - slots[0] + 1 }, (_, i) => String(slots[0] + i));
      await ask(clientAt(clients, index), 'CLUSTER', 'ADDSLOTS', ...numbers);
    }
    for (const { host: name, port } of places.slice(1))
      await ask(clientAt(clients, 0), 'CLUSTER', 'MEET', name, String(port));
    await until('every node knows every other', async () => {
      const words = await Promise.all(clients.map(wordOf));
      return words.every(({ known }) => ids.every((id) => known.some((node) => node.id === id && !node.isStranger)));
    });
    for (let i = count; i < clients.length; i++)
      await ask(clientAt(clients, i), 'CLUSTER', 'REPLICATE', ids[i - count] ?? '');
  }

  #isWhole(): boolean {
    const { shards } = this.#view();
    return shards.every(({ phase, nodes }) => phase === 'stable' && nodes.every(({ isAlive }) => isAlive));
  }

  #hear(word: NodeWord): void {
    this.#latest.set(word.id, word);
    const words = [...this.#latest.values()].filter(isHeard);
    const { shards, changes } = hear(this.#shards, words, this.#places.length);
    this.#shards = shards;
    const wallMs = Date.now();
    for (const { earliestMs = Infinity, ...change } of changes) {
      const earliest = earliestMs === Infinity ? {} : { earliestWallMs: wallMs - (performance.now() - earliestMs) };
      this.#events.push({ ...change, ...earliest, id: this.#events.length + 1, wallMs });
    }
  }

  #view(): ClusterView {
    return viewOf(this.#shards, this.#latest, isHeard, this.#nodeTimeoutMs);
  }

  view(): Promise<ClusterView> {
    return Promise.resolve(this.#view());
  }

  events(after: number): Promise<readonly ClusterEvent[]> {
    return Promise.resolve(this.#events.filter(({ id }) => id > after));
  }

  leader(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  placeOf(nodeId: string): string {
    const place = this.#placeOfId.get(nodeId);
    if (place !== undefined) return place;
    throw new OperationError('DRILL_NO_NODE', `node ${nodeId} is not of this cluster`, { outcome: 'not-applied' });
  }

  entryOf(shard: ShardView): string {
    return shard.lbAddress;
  }

  async suspend(place: string): Promise<void> {
    await standStill(this.#pidAt(place));
  }

  resume(place: string): void {
    process.kill(this.#pidAt(place), 'SIGCONT');
  }

  kill(place: string): boolean {
    const pid = this.#processes.get(place)?.pid;
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
    return pid !== undefined;
  }

  /**
   * CLUSTER FAILOVER, asked of the replica; done when most nodes hold it to be master. Its word to the master can be lost,
   * which costs Redis the five seconds after which it gives a manual failover up; then it is asked again.
   */
  async switchOver(index: number): Promise<void> {
    const { nodes } = shardOf(this.#view(), index);
    const replica = nodes.find(({ role, isAlive }) => role === 'slave' && isAlive);
    if (replica === undefined)
      throw new OperationError('PEER_NO_REPLICA', `shard ${index} has no living replica`, { outcome: 'not-applied' });
    const client = await connectTo(replica.address);
    try {
      const until = deadline(this.#listening.signal);
      let askedMs = -Infinity;
      await until(`${replica.address} is master`, async () => {
        if (masterOf(shardOf(this.#view(), index))?.id === replica.id) return true;
        if (performance.now() - askedMs < manualFailoverMs) return false;
        askedMs = performance.now();
        await ask(client, 'CLUSTER', 'FAILOVER');
        return false;
      });
    } finally {
      client.close();
    }
  }

  async cutClients(address: string): Promise<number> {
    const client = await connectTo(address);
    try {
      return Number(await ask(client, 'CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'));
    } finally {
      client.close();
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#listening.abort();
    await Promise.all(this.#listeners);
    const processes = [...this.#processes.values()];
    // One that stands still could not end in an orderly way.
    for (const { pid } of processes) if (pid !== undefined) process.kill(pid, 'SIGCONT');
    await Promise.all(processes.map((process) => process.stop(graceMs)));
  }

  #pidAt(place: string): number {
    const pid = this.#processes.get(place)?.pid;
    if (pid !== undefined) return pid;
    throw new OperationError('DRILL_NO_PROCESS', `no process runs at ${place}`, { outcome: 'not-applied' });
  }
}

/** A node refuses commands for a while after it met the others. */
async function takesCommands(place: RedisPlace): Promise<boolean> {
  const client = await connectTo(addressOf(place));
  try {
    return /^cluster_state:ok\r?$/m.test(textOf(await ask(client, 'CLUSTER', 'INFO')) ?? '');
  } finally {
    client.close();
  }
}

function isHeard({ atMs }: NodeWord): boolean {
  return performance.now() - atMs < heardWithinMs;
}

function addressOf({ host: name, port }: RedisPlace): string {
  return `${name}:${port}`;
}

function addressAt(places: readonly RedisPlace[], index: number): string {
  const place = places[index];
  if (place === undefined) throw new RangeError(`no place ${index}`);
  return addressOf(place);
}

function clientAt(clients: readonly RespClient[], index: number): RespClient {
  const client = clients[index];
  if (client === undefined) throw new RangeError(`no client ${index}`);
  return client;
}

function firstSlot(index: number, count: number): number {
  return Math.round((index * slotCount) / count);
}

type Until = (what: string, holds: () => boolean | Promise<boolean>) => Promise<void>;

/** Waits for one condition after the other, in one common time. */
function deadline(signal: AbortSignal): Until {
  const untilMs = performance.now() + readyWithinMs;
  return async (what, holds) => {
    while (!(await holds())) {
      if (signal.aborted) throw new FatalError('the start was ended', 3);
      if (performance.now() > untilMs) throw new FatalError(`waited ${readyWithinMs} ms, and not yet: ${what}`, 3);
      await pause(20);
    }
  };
}
