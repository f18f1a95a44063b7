/** What controllers say to nodes besides heartbeats. */
export type ControlCommand =
  | { readonly kind: 'shard'; readonly args: readonly string[] }
  | { readonly kind: 'setnodes'; readonly payload: string; readonly version: number }
  | { readonly kind: 'hold'; readonly epoch: number; readonly holdMs: number }
  | { readonly kind: 'unhold'; readonly epoch: number }
  | { readonly kind: 'resign'; readonly epoch: number }
  | { readonly kind: 'release'; readonly epoch: number };
