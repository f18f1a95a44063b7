/**
 * Does a backend answer this balancer? One state per backend, pure: what is to be done with its connection follows from
 * what happened and when. One question at a time on a connection that is kept; when an answer takes too long, or the
 * connection is lost, the next question goes over a new one, since TCP would take seconds to find out that a way is open
 * again.
 *
 * The balancer's own lateness must not look like everybody's silence. Its tick comes every period; what lies between two
 * ticks beyond that is time in which this process did not run, or did not run enough, and may not have read what lay in
 * its sockets. That time is taken off everybody's silence (`forgive`), as the controllers do it for heartbeats.
 */

/** What the connection to the backend is at. */
export type ProbeLink = 'none' | 'opening' | 'idle' | 'asked';

export interface Reach {
  readonly link: ProbeLink;
  /** Of the last answer, or when probing began; later by what was forgiven. */
  readonly heardMs: number;
  /** When the attempt under way began; later by what was forgiven. */
  readonly attemptMs: number;
  /** Of the last answer; undefined before the first. */
  readonly answeredMs: number | undefined;
  /** Attempts without an answer since the last answer. */
  readonly failures: number;
  readonly error: string | null;
}

export type ReachEvent =
  /** A period is over, for which `lateMs` more were needed than it has. */
  | { readonly kind: 'tick'; readonly lateMs: number }
  | { readonly kind: 'connected' }
  /** A line arrived, whatever it says. */
  | { readonly kind: 'answered' }
  /** The connection was refused, reset or ended. */
  | { readonly kind: 'closed'; readonly reason: string };

/** `open`: a new connection, instead of the one there may be. `ask`: the question, on the connection there is. */
export type ReachEffect = 'open' | 'ask';

export interface ReachStep {
  readonly reach: Reach;
  readonly effect: ReachEffect | undefined;
}

/** A backend that is probed from now on. */
export function beginReach(nowMs: number): Reach {
  return { link: 'none', heardMs: nowMs, attemptMs: nowMs, answeredMs: undefined, failures: 0, error: null };
}

/** How long one attempt may take, connection included. */
export function attemptLimitMs(periodMs: number): number {
  return Math.max(100, 2 * periodMs);
}

/** One transition. */
export function stepReach(reach: Reach, event: ReachEvent, now: { nowMs: number; periodMs: number }): ReachStep {
  const { nowMs } = now;
  switch (event.kind) {
    case 'tick':
      return tick(forgive(reach, event.lateMs), now);
    case 'connected':
      if (reach.link !== 'opening') return { reach, effect: undefined };
      return { reach: { ...reach, link: 'asked' }, effect: 'ask' };
    case 'answered':
      if (reach.link !== 'asked') return { reach, effect: undefined };
      return {
        reach: { ...reach, link: 'idle', heardMs: nowMs, answeredMs: nowMs, failures: 0, error: null },
        effect: undefined,
      };
    case 'closed': {
      // A node ends every client's connection when its role changes: that is no failure, the next attempt will tell.
      const isAttempt = reach.link === 'opening' || reach.link === 'asked';
      const failed = isAttempt ? failure(reach, event.reason) : reach;
      return { reach: { ...failed, link: 'none' }, effect: undefined };
    }
    default:
      return event satisfies never;
  }
}

function tick(reach: Reach, { nowMs, periodMs }: { nowMs: number; periodMs: number }): ReachStep {
  switch (reach.link) {
    case 'none':
      return { reach: { ...reach, link: 'opening', attemptMs: nowMs }, effect: 'open' };
    case 'idle':
      return { reach: { ...reach, link: 'asked', attemptMs: nowMs }, effect: 'ask' };
    case 'opening':
    case 'asked': {
      const limitMs = attemptLimitMs(periodMs);
      if (nowMs - reach.attemptMs < limitMs) return { reach, effect: undefined };
      const what = reach.link === 'asked' ? 'no answer' : 'no connection';
      const failed = failure(reach, `${what} within ${limitMs} ms`);
      return { reach: { ...failed, link: 'opening', attemptMs: nowMs }, effect: 'open' };
    }
    default:
      return reach.link satisfies never;
  }
}

function forgive(reach: Reach, lateMs: number): Reach {
  if (lateMs <= 0) return reach;
  return { ...reach, heardMs: reach.heardMs + lateMs, attemptMs: reach.attemptMs + lateMs };
}

function failure(reach: Reach, reason: string): Reach {
  return { ...reach, failures: reach.failures + 1, error: reason };
}

/**
 * Time without an answer in which this process ran on time.
 * @param tickedMs of the last tick: what lies more than a period after it is late already.
 */
export function silentMs(reach: Reach, { nowMs, tickedMs, periodMs }: ReachClock): number {
  return Math.max(0, Math.min(nowMs, tickedMs + periodMs) - reach.heardMs);
}

export interface ReachClock {
  readonly nowMs: number;
  readonly tickedMs: number;
  readonly periodMs: number;
}
