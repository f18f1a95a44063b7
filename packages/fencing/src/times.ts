/**
 * The time table of a shard (design: fencing, "Failover, switchover"). All durations in milliseconds; all of them follow
 * from the lease, so that nobody can set two that contradict each other; the relations are checked at start.
 */
import { leaseMsBounds } from './ids.ts';

export interface FenceTimes {
  readonly leaseMs: number;
  /** Between two heartbeats to one node. */
  readonly heartbeatMs: number;
  /** Without a reply for so long a node is suspected: early enough to withhold and commit inside the lease's rest. */
  readonly suspectMs: number;
  /**
   * A master that the balancer has not reached for so long gives its role up: at most the lease may pass until clients are
   * served again, and a question, its report and the switchover (three heartbeats together) come on top.
   */
  readonly unreachedMs: number;
  /** A node whose main loop stands still longer gets no lease. */
  readonly stallLimitMs: number;
  /** Added to a promise for clocks that run at different speed: one hundredth. */
  readonly marginMs: number;
  /** So long before the promise's end the new topology and bindings are written, so that no disk stands in the way. */
  readonly announceLeadMs: number;
  /** One shard is not failed over twice within this time unless its process is unreachable. */
  readonly repeatAfterMs: number;
}

export interface TimeSettings {
  readonly leaseMs: number;
  /** Default: a tenth of the lease. */
  readonly heartbeatMs?: number;
  /** Default: the larger of 5000 and five leases. */
  readonly stallLimitMs?: number;
  /** Default 10,000. */
  readonly repeatAfterMs?: number;
}

/** The table for these settings. Whether it holds together is `checkTimes`' to say. */
export function fenceTimes(settings: TimeSettings): FenceTimes {
  const { leaseMs } = settings;
  const heartbeatMs = settings.heartbeatMs ?? leaseMs / 10;
  return {
    leaseMs,
    heartbeatMs,
    suspectMs: leaseMs - 2 * heartbeatMs,
    unreachedMs: 0.65 * leaseMs,
    stallLimitMs: settings.stallLimitMs ?? Math.max(5000, 5 * leaseMs),
    marginMs: leaseMs / 100,
    announceLeadMs: 1.5 * heartbeatMs,
    repeatAfterMs: settings.repeatAfterMs ?? 10_000,
  };
}

/** One sentence per broken rule; empty when the table holds together. */
export function checkTimes(times: FenceTimes): string[] {
  const { leaseMs, heartbeatMs, suspectMs, stallLimitMs } = times;
  const errors: string[] = [];
  if (!Number.isInteger(leaseMs) || leaseMs < leaseMsBounds.min || leaseMs > leaseMsBounds.max)
    errors.push(`lease-ms ${leaseMs} is not a whole number in ${leaseMsBounds.min}..${leaseMsBounds.max}`);
  if (!(heartbeatMs > 0 && heartbeatMs <= leaseMs / 10))
    errors.push(`heartbeat-ms ${heartbeatMs} is above a tenth of lease-ms ${leaseMs}: lower it`);
  if (suspectMs !== leaseMs - 2 * heartbeatMs)
    errors.push(`suspect-ms ${suspectMs} is not lease-ms minus two heartbeats (${leaseMs - 2 * heartbeatMs})`);
  if (!(stallLimitMs > leaseMs))
    errors.push(`stall-limit-ms ${stallLimitMs} is not above lease-ms ${leaseMs}: raise it`);
  return errors;
}
