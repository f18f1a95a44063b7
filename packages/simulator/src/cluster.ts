/** What the parts of one world know of each other: nodes, store, balancer, and the settings of the run. */
import { fenceTimes, type FenceTimes } from '@holdfast/fencing';
import type { InSyncSettings } from '@holdfast/node/decisions';
import type { Balancer } from './balancer.ts';
import type { Entry } from './node-disk.ts';
import type { SimNode } from './sim-node.ts';
import type { Store } from './store.ts';

export const stories = ['fade', 'split', 'hang', 'flap', 'shorten', 'switch', 'diverge'] as const;
export type Story = (typeof stories)[number];

export interface ClusterSettings {
  readonly controllers: 1 | 3;
  readonly shards: 1 | 2;
  readonly nodesPerShard: 2 | 3;
  readonly replication: 'sync' | 'async';
  readonly confirmsReads: boolean;
  readonly minIsr: 1 | 2;
  readonly hasHotCache: boolean;
  /**
   * Lease clocks do not count the time a machine stood still. Then only what the in-sync set guarantees is promised: S1's
   * history and S2, and S3 where reads are confirmed.
   */
  readonly clocksFreeze: boolean;
  /** nodes.conf survives a restart (`persist-cluster-nodes-enabled`). */
  readonly keepsTopology: boolean;
  /** One misfortune of the classic kind, in place of many at random. */
  readonly story: Story | undefined;
  /** Few writes: what a deposed master may still say is then mostly reads, which wait for nobody. */
  readonly isReadMostly: boolean;
  /** After so long without progress of its main loop a node's control thread renews nothing. */
  readonly stallLimitMs: number;
}

export interface Cluster {
  readonly options: ClusterSettings;
  readonly times: FenceTimes;
  readonly replication: 'sync' | 'async';
  readonly hasHotCache: boolean;
  readonly settings: InSyncSettings;
  readonly nodes: SimNode[];
  readonly store: Store;
  readonly balancer: Balancer;
  /** Every topology any node ever took. */
  readonly topologies: { readonly payload: string; readonly version: number }[];
  /** What the source of a slot handover sends to its destination, by job. */
  readonly copies: Map<number, readonly Entry[]>;
  nodeById(id: string): SimNode | undefined;
}

/** A lease of a second, so that heartbeats are as frequent as in the real cluster; other waits are shortened. */
export const leaseMs = 1000;

export function simTimes(stallLimitMs: number): FenceTimes {
  return fenceTimes({ leaseMs, stallLimitMs, repeatAfterMs: 800 });
}
