/**
 * Time as something handed in. Cores take `nowMs` as an argument; shells take a Clock and a Timers, so that the
 * simulator can run a year of faults in a second.
 */

export interface Clock {
  /**
   * The lease clock, in milliseconds with a fraction, from an arbitrary start: CLOCK_MONOTONIC_RAW plus the time the
   * machine was suspended. Not slewed by NTP, counts suspend, never goes back within a boot.
   */
  leaseMs(): number;
  /** Unix time in milliseconds, whole. For expiry of keys and for people; it may jump. */
  wallMs(): number;
  /**
   * For durations shown to people, where each command pays for the reading: half the price of `leaseMs`, and nothing may
   * be decided by it. Absent where `leaseMs` costs nothing.
   */
  durationMs?(): number;
}

export interface Timer {
  /** Stops the timer; safe to call twice and after it fired. */
  cancel(): void;
}

export interface Timers {
  /** Calls `run` once, not before `delayMs` have passed. */
  after(delayMs: number, run: () => void): Timer;
  /** Calls `run` every `periodMs`. A period that was missed is not made up for. */
  every(periodMs: number, run: () => void): Timer;
  /** Calls `run` after the I/O events that are ready now (the end of the poll phase). */
  soon(run: () => void): void;
}
