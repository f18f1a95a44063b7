/**
 * What decides in a node, and nothing else: lease, gates, ticks, in-sync set, heartbeat answers. Free of sockets, files,
 * promises and real time (Clock, Timers and narrow hosts are handed in), so that a simulator runs exactly these.
 */
export { TickLoop } from './execution/tick-loop.ts';
export type {
  GateVerdict,
  TickEngine,
  TickFollowers,
  TickGate,
  TickLoopEnvironment,
  TickOutput,
  TickStats,
} from './execution/tick-loop.ts';
export { beatPeriodMs, HeartbeatResponder } from './lease/heartbeat.ts';
export type { HeartbeatEnvironment, NodeReport } from './lease/heartbeat.ts';
export { InSyncKeeper } from './lease/in-sync-keeper.ts';
export type { InSyncEnvironment, InSyncHost, InSyncReport, InSyncSettings } from './lease/in-sync-keeper.ts';
export { LeaseKeeper } from './lease/lease-keeper.ts';
export type { ActingRole, FenceFile, LeaseHost } from './lease/lease-host.ts';
export type { LeaseAnswer, LeaseEnvironment } from './lease/lease-keeper.ts';
export { SharedLease } from './lease/shared-lease.ts';
