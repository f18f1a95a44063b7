/**
 * When is a node called suspect? After `suspect-ms` without an answered heartbeat: an answered one, since a TCP connect
 * or a PING also succeeds on a process that is stopped or has no working disk. One state per node; the caller arms one
 * timer for `suspectAtMs` and hands in what happened.
 *
 * A controller that stood still itself has heard nobody, which says nothing about the nodes: when its own clock jumps
 * between two steps, everybody gets that time on top.
 */
import type { FenceTimes } from './times.ts';

export interface Detector {
  /** Lease clock of the last reply, or of when watching began. */
  readonly heardMs: number;
  readonly isSuspect: boolean;
  /** Lease clock of the last step, of whatever kind. */
  readonly steppedMs: number;
}

export type DetectorEvent =
  /** A heartbeat reply arrived. */
  | { readonly kind: 'reply' }
  /** Time passed; comes at least every heartbeat. */
  | { readonly kind: 'tick' };

export type DetectorEffect = 'suspected' | 'recovered';

export interface DetectorStep {
  readonly detector: Detector;
  readonly effect: DetectorEffect | undefined;
}

/** A node that is watched from now on counts as heard of just now. */
export function watchNode(nowMs: number): Detector {
  return { heardMs: nowMs, isSuspect: false, steppedMs: nowMs };
}

/** One transition. */
export function stepDetector(detector: Detector, event: DetectorEvent, now: DetectorNow): DetectorStep {
  const { nowMs, times } = now;
  const stoodStillMs = nowMs - detector.steppedMs;
  const allowanceMs = stoodStillMs > ownStallMs(times) ? stoodStillMs : 0;
  const heardMs = event.kind === 'reply' ? nowMs : detector.heardMs + allowanceMs;
  const isSuspect = nowMs >= heardMs + times.suspectMs;
  const effect = isSuspect === detector.isSuspect ? undefined : isSuspect ? 'suspected' : 'recovered';
  // Suspicion ends with a reply, never with an allowance.
  if (effect === 'recovered' && event.kind !== 'reply')
    return { detector: { ...detector, steppedMs: nowMs }, effect: undefined };
  return { detector: { heardMs, isSuspect, steppedMs: nowMs }, effect };
}

export interface DetectorNow {
  readonly nowMs: number;
  readonly times: FenceTimes;
}

/** Lease clock at which the node becomes suspect if nothing is heard. */
export function suspectAtMs(detector: Detector, times: FenceTimes): number {
  return detector.heardMs + times.suspectMs;
}

/** A gap between two steps of the controller that is no longer explained by its own heartbeat timer. */
function ownStallMs(times: FenceTimes): number {
  return times.suspectMs / 2;
}
