/**
 * Where the processes of a cluster are: all on the loopback interface of this machine, as `holdfast up` has them, or each
 * on a host of its own, as drills in network namespaces have them. A place is named like the process that runs there.
 */
import { join } from 'node:path';

export interface Placement {
  /** Every place is a host of its own, and all use the same ports; else they share one, and ports follow each other. */
  readonly hasOwnHosts: boolean;
  /** The address a process of this place listens on, and nothing else. */
  hostOf(place: string): string;
  /** What stands before the command of a process of this place, and becomes it without a change of pid. */
  launchOf(place: string): readonly string[];
  /** Absolute: where a node keeps its data and its configuration, in a cluster that lives below `directory`. */
  dataOf(place: string, directory: string): string;
}

export const loopbackHost = '127.0.0.1';

/** Every process on 127.0.0.1. */
export const onLoopback: Placement = {
  hasOwnHosts: false,
  hostOf: () => loopbackHost,
  launchOf: () => [],
  dataOf: (place, directory) => join(directory, place),
};
