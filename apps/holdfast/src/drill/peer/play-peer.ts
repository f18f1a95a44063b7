/** Plays a drill on another system than ours: the same case, clients and judge, in a world of the same kind. */
import { playCase, type PlayedCluster, type PlayOptions } from '../play-drill.ts';
import { inDrillWorld, type DrillHost, type DrillTask } from '../world/index.ts';
import type { PeerReport } from './comparison.ts';
import { leastShards, placesOf, withRedisCluster, type RedisClusterSettings } from './redis-cluster.ts';
import { findRedisServer } from './redis-process.ts';

/** Systems that a drill can be played on beside ours. */
export type Peer = PeerReport['system'];

/** Cases that mean the same to a system that has neither a balancer nor controllers. */
export const peerCases: readonly string[] = ['hang', 'kill', 'nic', 'switchover'];

/** @throws FatalError (exit status 3) when it is not installed here, with the line that installs it. */
export function requirePeer(_peer: Peer): void {
  findRedisServer();
}

export interface PlayedPeer extends Omit<PlayedCluster, 'report'> {
  readonly peer: PeerReport;
}

/**
 * Plays the drill that `options` names on a Redis Cluster of at least three masters. Nothing of it is left when this
 * returns or throws, unless `keep` is asked for.
 * @param seed of our own run, for the same choices.
 * @throws as `playDrill`.
 */
export function playOnPeer(
  options: PlayOptions & { readonly peerNodeTimeoutMs: number },
  seed: number,
  host: DrillHost,
): Promise<PlayedPeer> {
  const { network, keep, shards, peerNodeTimeoutMs } = options;
  const cluster = { shards: Math.max(shards, leastShards), nodeTimeoutMs: peerNodeTimeoutMs };
  const world = { network, places: placesOf(cluster), disks: [], keep };
  return inDrillWorld(world, peerTask, { ...options, seed, cluster }, host);
}

interface PeerInput extends PlayOptions {
  readonly seed: number;
  readonly cluster: RedisClusterSettings;
}

/** The part of it that is played at the place `clients`. */
export const peerTask: DrillTask<PeerInput, PlayedPeer> = {
  module: import.meta.url,
  name: 'peerTask',
  call: (site, input) =>
    withRedisCluster(site, input.cluster, async (cluster) => {
      const { report, ...rest } = await playCase(cluster, site, input, []);
      const { nodeTimeoutMs } = input.cluster;
      return { ...rest, peer: { system: 'redis-cluster', version: cluster.version, nodeTimeoutMs, report } };
    }),
};
