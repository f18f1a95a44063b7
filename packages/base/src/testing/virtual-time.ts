import type { Clock, Timer, Timers } from '../clock.ts';

interface Entry {
  dueMs: number;
  readonly order: number;
  readonly periodMs: number;
  readonly run: () => void;
  cancelled: boolean;
}

/** Starts at lease time 1000 ms and a fixed wall time; `advance` runs what falls due, in order. */
export class VirtualTime implements Clock, Timers {
  #nowMs = 1000;
  #wallOffsetMs = 1_700_000_000_000;
  #order = 0;
  #entries: Entry[] = [];

  leaseMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return Math.floor(this.#nowMs + this.#wallOffsetMs);
  }

  /** A step of the wall clock, as NTP or an operator makes it. */
  stepWall(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  after(delayMs: number, run: () => void): Timer {
    return this.#add(delayMs, 0, run);
  }

  every(periodMs: number, run: () => void): Timer {
    return this.#add(periodMs, periodMs, run);
  }

  soon(run: () => void): void {
    this.#add(0, 0, run);
  }

  /** Moves time on by `byMs`, firing every timer that falls due on the way at its own instant. */
  advance(byMs: number): void {
    const untilMs = this.#nowMs + byMs;
    for (let next = this.#nextDue(untilMs); next; next = this.#nextDue(untilMs)) {
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      if (next.periodMs > 0) next.dueMs += next.periodMs;
      else next.cancelled = true;
      next.run();
    }
    this.#nowMs = untilMs;
  }

  #nextDue(untilMs: number): Entry | undefined {
    this.#entries = this.#entries.filter((entry) => !entry.cancelled);
    this.#entries.sort((a, b) => a.dueMs - b.dueMs || a.order - b.order);
    const first = this.#entries[0];
    return first !== undefined && first.dueMs <= untilMs ? first : undefined;
  }

  #add(delayMs: number, periodMs: number, run: () => void): Timer {
    const entry: Entry = { dueMs: this.#nowMs + delayMs, order: this.#order++, periodMs, run, cancelled: false };
    this.#entries.push(entry);
    return { cancel: (): void => void (entry.cancelled = true) };
  }
}
