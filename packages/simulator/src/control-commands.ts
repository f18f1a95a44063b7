/** What controllers say to nodes besides heartbeats. */
export type ControlCommand =
  | { readonly kind: 'shard'; readonly args: readonly string[] }
  /** SHARD, and behind it on the same connection SETNODES: a topology never reaches a node that has no record. */
  | {
      readonly kind: 'setnodes';
      readonly shardArgs: readonly string[];
      readonly payload: string;
      readonly version: number;
    }
  | { readonly kind: 'hold'; readonly epoch: number; readonly holdMs: number }
  | { readonly kind: 'unhold'; readonly epoch: number }
  | { readonly kind: 'resign'; readonly epoch: number }
  | { readonly kind: 'release'; readonly epoch: number }
  /** Slot handover: writes to the group get TRYAGAIN from now on. */
  | { readonly kind: 'seal'; readonly jobId: number; readonly group: number; readonly epoch: number }
  /** Slot handover: take the copy; answered when the in-sync set has it. */
  | { readonly kind: 'import'; readonly jobId: number; readonly group: number; readonly epoch: number }
  /** Slot handover: this job and those before are over. Without its number a late one would open a later seal. */
  | { readonly kind: 'lift'; readonly jobId: number };
