/** What controllers say to nodes besides heartbeats. */
export type ControlCommand =
  | { readonly kind: 'shard'; readonly args: readonly string[] }
  /** SHARD, and behind it on the same connection SETNODES: a topology never reaches a node that has no record. */
  | { readonly kind: 'setnodes'; readonly shardArgs: readonly string[]; readonly payload: string; readonly version: number }
  | { readonly kind: 'hold'; readonly epoch: number; readonly holdMs: number }
  | { readonly kind: 'unhold'; readonly epoch: number }
  | { readonly kind: 'resign'; readonly epoch: number }
  | { readonly kind: 'release'; readonly epoch: number };
