/**
 * The cluster of a drill: the same processes as `holdfast up`, in a temporary directory and on free ports. It leaves
 * nothing behind, unless it is asked to.
 */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { OperationError, randomBelow } from '@holdfast/base';
import { realRandom } from '@holdfast/base/real';
import { LocalCluster, defaultSettings, onFreePorts } from '../cluster-process/index.ts';
import type { Fence } from '../option-values.ts';
import type { ClusterEvent, ClusterView, DrillCluster, ShardView } from './cluster.ts';
import { parseEvents, parseView } from './controller-view.ts';

export interface ThrowAwayOptions {
  readonly fences: readonly Fence[];
  readonly leaseMs: number;
  /** Keep the directory when the cluster is closed, and say where it is. */
  readonly keep: boolean;
  /** Says what the cluster does, one line each. */
  readonly say: (line: string) => void;
  /** Ends a start that is under way. */
  readonly signal: AbortSignal;
}

const eventsPerAnswer = 1000;

/**
 * Starts three shards of two nodes each.
 * @throws FatalError when it cannot be started; nothing is left then but, with `keep`, its directory.
 */
export async function startThrowAwayCluster(options: ThrowAwayOptions): Promise<DrillCluster> {
  const { fences, leaseMs, keep, say, signal } = options;
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-drill-'));
  const clear = (): void => {
    if (keep) say(`kept: ${directory}`);
    else rmSync(directory, { recursive: true, force: true });
  };
  try {
    const settings = { ...defaultSettings, fences, leaseMs };
    const asked = await onFreePorts(settings, (limit) => randomBelow(realRandom, limit));
    return new ThrowAwayCluster(await LocalCluster.start({ directory, asked, say, signal }), clear);
  } catch (error) {
    clear();
    throw error;
  }
}

class ThrowAwayCluster implements DrillCluster {
  readonly #local: LocalCluster;
  readonly #clear: () => void;
  /** Internal address of each node by its id. */
  readonly #addresses = new Map<string, string>();
  #closing: Promise<void> | undefined;

  constructor(local: LocalCluster, clear: () => void) {
    this.#local = local;
    this.#clear = clear;
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

  async leader(): Promise<string | undefined> {
    const { controllers } = await this.#local.client.status();
    if (controllers === undefined) return this.controllers[0];
    const leading = controllers.find(({ leader }) => leader)?.address;
    return this.#local.layout.controllerPlaces.find(({ api }) => api === leading || api === `http://${leading}`)?.name;
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
    const pid = this.#pidAt(place);
    process.kill(pid, 'SIGSTOP');
    // The signal reaches each thread when it next leaves the kernel; until then it may still execute requests.
    while (!threadStates(pid).every((state) => state === 'T')) await pause(1);
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
    this.#clear();
  }

  #pidAt(place: string): number {
    const pid = this.#local.pids().get(place);
    if (pid !== undefined) return pid;
    throw new OperationError('DRILL_NO_PROCESS', `no process runs at ${place}`, { outcome: 'not-applied' });
  }
}

/** One letter per thread, as in proc(5): `T` is stopped by a signal. */
function threadStates(pid: number): string[] {
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks).map((thread) => {
    const stat = readFileSync(join(tasks, thread, 'stat'), 'utf8');
    return stat[stat.lastIndexOf(')') + 2] ?? '?'; // after the name, which may hold anything
  });
}
