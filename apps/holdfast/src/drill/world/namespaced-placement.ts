/** Places that are hosts of a network of namespaces. */
import { join } from 'node:path';
import type { Placement } from '../../cluster-process/index.ts';
import { addressOf, launchAt, type NetworkPlan } from './network.ts';

/** @param disks file system of each node that has one of its own, by place: its data goes there. */
export function placementIn(plan: NetworkPlan, disks: ReadonlyMap<string, string>): Placement {
  return {
    hasOwnHosts: true,
    hostOf: (place) => addressOf(plan, place),
    launchOf: (place) => launchAt(plan, place),
    dataOf: (place, directory) => disks.get(place) ?? join(directory, place),
  };
}
