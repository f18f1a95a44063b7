/**
 * The clock as commands need it: how long each took, and what time of day it is. Reading a clock costs some 40 ns, and a
 * pipeline of reads was read three of them per command.
 *
 * A command that follows another at once began when that ended: within what one connection hands over in a piece, each
 * command reads the clock once. What lies between two commands (decoding and routing the second) counts as the second's.
 * Whatever else happens between them breaks the chain: another connection's turn, and the end of a tick.
 *
 * Within such a chain the time of day is read anew when the last reading is a millisecond old, as exact as it is. A command
 * that does not follow another reads it: it may have been sent since, and no client is to see an instant before that.
 */
import type { Clock } from '@holdfast/base';

/** For how long a reading of the time of day serves. */
const wallAgeMs = 1;

export class CommandClock {
  readonly #clock: Clock;
  readonly #tick: { readonly number: number };
  readonly #durationMs: () => number;
  /** When the last command ended; NaN when something else has happened since. */
  #endedMs = NaN;
  #endedInTick = 0;
  #wallMs = 0;
  /** When `#wallMs` was read. */
  #wallReadMs = -Infinity;

  /** @param tick number of the open tick. */
  constructor(clock: Clock, tick: { readonly number: number }) {
    this.#clock = clock;
    this.#tick = tick;
    this.#durationMs = clock.durationMs ?? ((): number => clock.leaseMs());
  }

  /** What runs next does not follow what ran last. */
  breakChain(): void {
    this.#endedMs = NaN;
  }

  /** When a client's command begins that is about to run, in ms from anywhere. */
  begins(): number {
    const endedMs = this.#endedMs;
    if (endedMs === endedMs && this.#endedInTick === this.#tick.number) return endedMs;
    this.#wallReadMs = -Infinity;
    return this.#durationMs();
  }

  /** The same for a command within another. */
  beginsWithin(): number {
    return this.#durationMs();
  }

  /** When the command that ran has ended. */
  ends(): number {
    this.#endedInTick = this.#tick.number;
    return (this.#endedMs = this.#durationMs());
  }

  /** Unix time in ms at `atMs`, which was read just now. */
  wallMs(atMs: number): number {
    if (this.#clock.durationMs === undefined) return this.#clock.wallMs();
    if (atMs - this.#wallReadMs < wallAgeMs) return this.#wallMs;
    this.#wallReadMs = atMs;
    return (this.#wallMs = this.#clock.wallMs());
  }
}
