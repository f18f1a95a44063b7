/**
 * The cluster of a drill: the same processes as `holdfast up`, at the places of the drill's world and below its directory.
 */
import { OperationError, randomBelow } from '@holdfast/base';
import { realRandom } from '@holdfast/base/real';
import {
  LocalCluster,
  clusterNames,
  completeSettings,
  onFreePorts,
  planLayout,
  type LayoutSettings,
} from '../cluster-process/index.ts';
import { ControllerClient } from '../controller-client.ts';
import type { Fence } from '../option-values.ts';
import type { ClusterEvent, ClusterView, DrillCluster, HostFaults, ShardView } from './cluster.ts';
import { parseEvents, parseView } from './controller-view.ts';
import { standStill } from './stand-still.ts';
import { usedWhileOpen, type DrillSite } from './world/index.ts';

export interface ThrowAwaySettings {
  /** Each of a master and a replica. */
  readonly shards: number;
  readonly controllers: number;
  /** Controllers keep their store in an etcd of the cluster's own; several always do. */
  readonly hasEtcd: boolean;
  readonly fences: readonly Fence[];
  readonly leaseMs: number;
}

const eventsPerAnswer = 1000;
/** A controller that stands still says nothing about who leads. */
const leaderAnswersWithinMs = 500;

/** The places such a cluster needs, for the plan of its world. */
export function placesOf(settings: ThrowAwaySettings): readonly string[] {
  const { nodes, controllerPlaces, hasOwnEtcd } = planLayout(layoutSettings(settings));
  // Nodes first: the last part of a node's address is its number.
  return [
    ...nodes.map(({ name }) => name),
    'lb',
    ...controllerPlaces.map(({ name }) => name),
    ...(hasOwnEtcd ? ['etcd'] : []),
  ];
}

/**
 * Starts a cluster, uses it, and stops it, whatever happens.
 * @throws what `use` throws, or the reason of the site's signal; FatalError when the cluster cannot be started.
 */
export async function withCluster<T>(
  site: DrillSite,
  settings: ThrowAwaySettings,
  use: (cluster: DrillCluster) => Promise<T>,
): Promise<T> {
  return usedWhileOpen(site.signal, start(site, settings), use);
}

async function start(site: DrillSite, settings: ThrowAwaySettings): Promise<DrillCluster> {
  const { directory, placement, signal, hosts, diskMebibytes } = site;
  const wanted = layoutSettings(settings);
  const asked = placement.hasOwnHosts ? wanted : await onFreePorts(wanted, (limit) => randomBelow(realRandom, limit));
  const say = (line: string): void => site.progress(line);
  // A small disk must not count as nearly full from the start.
  const nodeDirectives = diskMebibytes === undefined ? [] : [`min-free-mb ${Math.floor(diskMebibytes / 8)}`];
  const options = { directory, asked, say, signal, placement, nodeDirectives, isForDrills: true };
  return new ThrowAwayCluster(await LocalCluster.start(options), hosts);
}

function layoutSettings({ shards, controllers, hasEtcd, fences, leaseMs }: ThrowAwaySettings): LayoutSettings {
  return completeSettings({ shards, controllers, fences, leaseMs, ...(hasEtcd ? { store: 'etcd' } : {}) });
}

class ThrowAwayCluster implements DrillCluster {
  readonly hosts?: HostFaults;
  readonly #local: LocalCluster;
  /** Internal address of each node by its id. */
  readonly #addresses = new Map<string, string>();
  #closing: Promise<void> | undefined;

  constructor(local: LocalCluster, hosts: HostFaults | undefined) {
    this.#local = local;
    if (hosts !== undefined) this.hosts = hosts;
  }

  async view(): Promise<ClusterView> {
    const view = parseView(await this.#local.client.status());
    for (const shard of view.shards) for (const { id, address } of shard.nodes) this.#addresses.set(id, address);
    return view;
  }

  async events(after: number): Promise<readonly ClusterEvent[]> {
    return parseEvents({ events: await this.#local.client.events(after, eventsPerAnswer) });
  }

  get controllers(): readonly string[] {
    return this.#local.layout.controllerPlaces.map(({ name }) => name);
  }

  /** The one that most of those name who answer: one that was cut off and does not know it yet is outvoted. */
  async leader(): Promise<string | undefined> {
    const places = this.#local.layout.controllerPlaces;
    const named = await Promise.all(places.map(({ api }) => leaderAccordingTo(api)));
    const votes = places.map(({ name, api }) => ({ name, count: named.filter((leading) => leading === api).length }));
    votes.sort((a, b) => b.count - a.count);
    return votes[0]?.count === 0 ? undefined : votes[0]?.name;
  }

  entryOf({ lbAddress }: ShardView): string {
    return lbAddress;
  }

  placeOf(nodeId: string): string {
    const address = this.#addresses.get(nodeId);
    const place = this.#local.layout.nodes.find((node) => node.address === address);
    if (place !== undefined) return place.name;
    const message = `node ${nodeId} at ${address ?? 'an unknown address'} is not of this cluster`;
    throw new OperationError('DRILL_NO_NODE', message, { outcome: 'not-applied' });
  }

  async suspend(place: string): Promise<void> {
    await standStill(this.#pidAt(place));
  }

  resume(place: string): void {
    process.kill(this.#pidAt(place), 'SIGCONT');
  }

  kill(place: string): boolean {
    const pid = this.#local.pids().get(place);
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
    return pid !== undefined;
  }

  async switchOver(shard: number): Promise<void> {
    await this.#local.client.switchover(shard, undefined);
  }

  async cutClients(lbAddress: string): Promise<number> {
    return this.#local.cutClients(lbAddress);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    // One that stands still could not end in an orderly way.
    for (const pid of this.#local.pids().values()) process.kill(pid, 'SIGCONT');
    await this.#local.stop();
  }

  #pidAt(place: string): number {
    const pid = this.#local.pids().get(place);
    if (pid !== undefined) return pid;
    throw new OperationError('DRILL_NO_PROCESS', `no process runs at ${place}`, { outcome: 'not-applied' });
  }
}

/** URL of the leader's API by the word of one controller; undefined when it knows none or does not answer. */
async function leaderAccordingTo(api: string): Promise<string | undefined> {
  const client = new ControllerClient({ apis: [api], ...clusterNames, timeoutMs: leaderAnswersWithinMs });
  try {
    return (await client.controllers()).find(({ leader }) => leader)?.address;
  } catch (error) {
    if (error instanceof OperationError) return undefined;
    throw error;
  }
}
