/**
 * A Redis Cluster to compare ours with: n masters and n replicas of the redis-server that is installed, in a temporary
 * directory, with the settings its own documentation starts from (appendonly, everysec). It is met by the same drills, the
 * same clients and the same judge.
 *
 * What ours has and it has not: a balancer (a client knows the nodes, and finds the master by asking), leases (the view
 * shows `cluster-node-timeout` in their place) and a controller (majority.ts adds up what the nodes believe).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { FatalError, OperationError, assert, messageOf } from '@holdfast/base';
import { textOf, type RespClient } from '@holdfast/resp';
import { onLoopback, type Placement } from '../../cluster-process/index.ts';
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
import { hear, viewOf, type PeerShard } from './majority.ts';
import { ask, connectTo, listenTo, wordOf } from './node-listener.ts';
import type { NodeWord } from './node-word.ts';
import {
  findRedisServer,
  freeRedisPorts,
  redisProcess,
  standStill,
  type RedisPlace,
  type RedisProgram,
} from './redis-process.ts';

export interface RedisClusterOptions {
  /** Masters, each with one replica; at least `leastShards`. */
  readonly shards: number;
  /** `cluster-node-timeout`. */
  readonly nodeTimeoutMs: number;
  /** Keep the directory when the cluster is closed, and say where it is. */
  readonly keep: boolean;
  /** Says what the cluster does, one line each. */
  readonly say: (line: string) => void;
  /** Ends a start that is under way. */
  readonly signal: AbortSignal;
  /** Where the places `node-1` to `node-<2 * shards>` are; on loopback when absent. */
  readonly placement?: Placement;
  /** What can be done to them as hosts. */
  readonly hosts?: HostFaults;
}

/** Of two masters one that is left is no majority, so no replica would ever be elected. */
export const leastShards = 3;
/** Of every node that has a host of its own. */
const usualPort = 6379;
const slotCount = 16_384;
const readyWithinMs = 30_000;
const graceMs = 3000;
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

/**
 * Starts a cluster and waits until every replica has its master's stream and every node the same view.
 * @throws FatalError (exit status 3) when redis-server is missing or the cluster does not come up; nothing is left then
 *   but, with `keep`, its directory.
 */
export async function startRedisCluster(options: RedisClusterOptions): Promise<RedisDrillCluster> {
  const { shards, signal, placement = onLoopback } = options;
  assert(shards >= leastShards, `a Redis Cluster of ${shards} masters fails over`);
  const program = findRedisServer();
  const base = placement.hasOwnHosts ? usualPort : await freeRedisPorts(2 * shards);
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-drill-peer-'));
  const places = Array.from({ length: 2 * shards }, (_, i): RedisPlace => {
    const name = `node-${i + 1}`;
    return {
      name,
      host: placement.hostOf(name),
      port: placement.hasOwnHosts ? base : base + i,
      launch: placement.launchOf(name),
      data: placement.dataOf(name, directory),
    };
  });
  const cluster = new RedisCluster({ ...options, places, program, directory });
  try {
    await cluster.start(signal);
    return cluster;
  } catch (error) {
    await cluster.close();
    if (error instanceof FatalError) throw error;
    throw new FatalError(`the Redis cluster did not come up: ${messageOf(error)}`, 3, error);
  }
}

interface Settings extends Pick<RedisClusterOptions, 'nodeTimeoutMs' | 'keep' | 'say' | 'hosts'> {
  /** The masters at the start, then a replica for each. */
  readonly places: readonly RedisPlace[];
  readonly program: RedisProgram;
  readonly directory: string;
}

class RedisCluster implements RedisDrillCluster {
  readonly version: string;
  readonly hosts?: HostFaults;
  readonly controllers: readonly string[] = [];
  readonly clientTimeoutMs: number = clientTimeoutMs;
  readonly #settings: Settings;
  readonly #processes: ReadonlyMap<string, SupervisedProcess>;
  readonly #placeOfId = new Map<string, string>();
  readonly #latest = new Map<string, NodeWord>();
  readonly #events: ClusterEvent[] = [];
  readonly #listening = new AbortController();
  #listeners: readonly Promise<void>[] = [];
  #shards: readonly PeerShard[] = [];
  #closing: Promise<void> | undefined;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.version = settings.program.version;
    if (settings.hosts !== undefined) this.hosts = settings.hosts;
    this.#processes = new Map(settings.places.map((place) => [place.name, redisProcess(place, settings)]));
  }

  async start(signal: AbortSignal): Promise<void> {
    const { places, say } = this.#settings;
    say(`starting ${places.length} nodes of redis-server ${this.version}`);
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
    say(`the cluster is whole: ${places.length / 2} masters with a replica each`);
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
    const { places } = this.#settings;
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
      const nodes = [index, index + count].map((i) => ({ id: ids[i] ?? '', address: addressAt(places, i) }));
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
    const { shards, changes } = hear(this.#shards, words, this.#settings.places.length);
    this.#shards = shards;
    for (const change of changes) this.#events.push({ ...change, id: this.#events.length + 1, wallMs: Date.now() });
  }

  #view(): ClusterView {
    return viewOf(this.#shards, this.#latest, isHeard, this.#settings.nodeTimeoutMs);
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

  suspend(place: string): Promise<void> {
    return standStill(this.#pidAt(place));
  }

  resume(place: string): void {
    process.kill(this.#pidAt(place), 'SIGCONT');
  }

  kill(place: string): boolean {
    const pid = this.#processes.get(place)?.pid;
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
    return pid !== undefined;
  }

  /** CLUSTER FAILOVER, asked of the replica; done when most nodes hold it to be master. */
  async switchOver(index: number): Promise<void> {
    const { nodes } = shardOf(this.#view(), index);
    const replica = nodes.find(({ role, isAlive }) => role === 'slave' && isAlive);
    if (replica === undefined)
      throw new OperationError('PEER_NO_REPLICA', `shard ${index} has no living replica`, { outcome: 'not-applied' });
    const client = await connectTo(replica.address);
    try {
      await ask(client, 'CLUSTER', 'FAILOVER');
      const until = deadline(this.#listening.signal);
      await until(`${replica.address} is master`, () => masterOf(shardOf(this.#view(), index))?.id === replica.id);
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
    const { directory, keep, say } = this.#settings;
    this.#listening.abort();
    await Promise.all(this.#listeners);
    const processes = [...this.#processes.values()];
    // One that stands still could not end in an orderly way.
    for (const { pid } of processes) if (pid !== undefined) process.kill(pid, 'SIGCONT');
    await Promise.all(processes.map((process) => process.stop(graceMs)));
    if (keep) say(`kept: ${directory}`);
    else rmSync(directory, { recursive: true, force: true });
  }

  #pidAt(place: string): number {
    const pid = this.#processes.get(place)?.pid;
    if (pid !== undefined) return pid;
    throw new OperationError('DRILL_NO_PROCESS', `no process runs at ${place}`, { outcome: 'not-applied' });
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
