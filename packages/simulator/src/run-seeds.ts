/** Runs seeds one after the other and says what came of them. */
import type { Clock } from '@holdfast/base';
import { runSeed } from './scenario.ts';
import { noSwitches, type Switches, type TraceLine } from './world.ts';

export interface SeedsOptions {
  /** For the pace that is shown; a run itself knows virtual time only. */
  readonly clock: Clock;
  readonly first: number;
  readonly count: number;
  readonly switches: Partial<Switches>;
  /** Last lines of the trace that are shown. */
  readonly lines: number;
  readonly isQuiet: boolean;
  /** Show the trace of a clean run too. */
  readonly isTraced: boolean;
}

/** @returns the exit status: 0 clean, 1 a violation. */
export function runSeeds({ clock, first, count, switches, lines, isQuiet, isTraced }: SeedsOptions): 0 | 1 {
  const options = { switches: { ...noSwitches, ...switches }, isTraced: false };
  const beganMs = clock.leaseMs();
  let saidMs = beganMs;
  const sums = { events: 0, acknowledged: 0, epochs: 0, virtualMs: 0 };
  const rate = (done: number): string =>
    `${Math.round((1000 * done) / Math.max(1, clock.leaseMs() - beganMs))} seeds/s`;
  for (let seed = first; seed < first + count; seed++) {
    const result = runSeed({ ...options, seed });
    sums.events += result.events;
    sums.acknowledged += result.acknowledged;
    sums.epochs += result.epochs;
    sums.virtualMs += result.virtualMs;
    if (result.violation !== undefined) {
      const { promise, message } = result.violation;
      // The same run again, this time with its trace.
      show(runSeed({ ...options, seed, isTraced: true }).trace, lines);
      console.log(`${seed - first + 1} seeds, ${rate(seed - first + 1)}`);
      console.log(`seed ${seed}: violation ${promise}: ${message}`);
      return 1;
    }
    if (isQuiet || clock.leaseMs() < saidMs + 5000) continue;
    saidMs = clock.leaseMs();
    console.log(`${seed - first + 1} seeds, ${rate(seed - first + 1)}`);
  }
  if (isTraced) show(runSeed({ ...options, seed: first, isTraced: true }).trace, lines);
  const seconds = (sums.virtualMs / 1000).toFixed(0);
  console.log(
    `${count} seeds clean, ${rate(count)}: ${seconds} s of virtual time, ${sums.events} events, ${sums.acknowledged} writes acknowledged, ${sums.epochs} epochs`,
  );
  return 0;
}

function show(trace: readonly TraceLine[], lines: number): void {
  for (const { atMs, actor, event } of trace.slice(-lines))
    console.log(`${atMs.toFixed(1).padStart(9)} ms  ${actor.padEnd(9)} ${event}`);
}
