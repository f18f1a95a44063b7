/** Plays one drill from its options to its report: makes a world for it, a cluster in that, runs the case, and clears up. */
import { leaseClockMs, realRandom, realTimers, tcpConnector } from '@holdfast/base/real';
import type { Operation } from '@holdfast/history';
import type { Fence } from '../option-values.ts';
import { caseNamed } from './cases/index.ts';
import type { DrillCluster } from './cluster.ts';
import type { AnyReport } from './drill-report.ts';
import type { DrillOptions } from './options.ts';
import { placesOf, withCluster, type ThrowAwaySettings } from './throw-away-cluster.ts';
import { inDrillWorld, type DrillHost, type DrillSite, type DrillTask } from './world/index.ts';

/** Exit statuses of a drill. */
export const drillStatus = { clean: 0, violated: 1, usage: 2, couldNotRun: 3 } as const;

export interface PlayedDrill {
  readonly report: AnyReport;
  /** 0 nothing violated, 1 violated, 3 nothing is known about some keys. */
  readonly status: number;
  /** Unix time in milliseconds: when the clock of the operations was 0. */
  readonly startedWallMs: number;
  /** Everything the clients did; empty unless the options name a file for the history. */
  readonly operations: readonly Operation[];
}

/** What of the options decides how a drill goes. */
export type PlayOptions = Pick<
  DrillOptions,
  'drill' | 'network' | 'shards' | 'shard' | 'clients' | 'seconds' | 'fences' | 'leaseMs' | 'seed' | 'history' | 'keep'
>;

/** A node that was killed often waits up to 5 s for its restart. */
const settleMs = 15_000;

/**
 * Plays the drill that `options` names. Nothing of it is left when this returns or throws, unless `keep` is asked for.
 * @throws FatalError (exit status 3) when it cannot be run here; RangeError or the reason of `host.signal` when it was
 *   ended; OperationError when something around it failed.
 */
export async function playDrill(options: PlayOptions, host: DrillHost): Promise<PlayedDrill> {
  const { drill, network, shards, fences, leaseMs, keep } = options;
  const { controllers, needs } = caseNamed(drill);
  const cluster = { shards, controllers, hasEtcd: needs.includes('etcd'), fences, leaseMs };
  const places = placesOf(cluster);
  const disks = needs.includes('own-disk') ? places.filter((place) => place.startsWith('node-')) : [];
  const seed = options.seed ?? realRandom.u32() >>> 1;
  const played = await inDrillWorld({ network, places, disks, keep }, playTask, { ...options, seed, cluster }, host);
  return { ...played, status: statusOf(played.report) };
}

/** @returns the exit status that a report stands for. */
export function statusOf({ violations, unjudgedKeys }: AnyReport): number {
  if (violations.length > 0) return drillStatus.violated;
  return unjudgedKeys.length > 0 ? drillStatus.couldNotRun : drillStatus.clean;
}

interface PlayInput extends PlayOptions {
  readonly seed: number;
  readonly cluster: ThrowAwaySettings;
}

/** The part of it that is played at the place `clients`. */
export const playTask: DrillTask<PlayInput, PlayedCluster> = {
  module: import.meta.url,
  name: 'playTask',
  call: (site, input) => withCluster(site, input.cluster, (cluster) => playCase(cluster, site, input, input.fences)),
};

/** What is sent from there. */
export type PlayedCluster = Omit<PlayedDrill, 'status'>;

/**
 * Runs a case on a cluster that stands, whole and idle, at this site.
 * @param fences those that are on, for the report.
 */
export async function playCase(
  cluster: DrillCluster,
  site: DrillSite,
  input: PlayOptions & { readonly seed: number },
  fences: readonly Fence[],
): Promise<PlayedCluster> {
  const { drill, shard, clients, seconds, seed, history } = input;
  const startedMs = leaseClockMs();
  const clock = { nowMs: () => leaseClockMs() - startedMs, startedWallMs: Date.now() };
  const progress = (line: string): void => site.progress(line);
  const world = { connector: tcpConnector, timers: realTimers, clock, progress };
  const plan = { shard, clients, loadMs: seconds * 1000, settleMs, seed };
  const { report, recorder } = await caseNamed(drill).run(cluster, plan, world, fences);
  const operations = history === undefined ? [] : recorder.operations;
  return { report, startedWallMs: clock.startedWallMs, operations };
}
