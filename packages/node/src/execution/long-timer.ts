/** Timers for any time: those of the event loop hold 2^31 - 1 ms (24 days), and fire at once for more. */
import type { Timer, Timers } from '@holdfast/base';

const stepMs = 2 ** 30;

/** As `timers.after`, for a delay of any length. */
export function afterLong(timers: Timers, delayMs: number, run: () => void): Timer {
  if (delayMs <= stepMs) return timers.after(delayMs, run);
  let timer = timers.after(stepMs, () => (timer = afterLong(timers, delayMs - stepMs, run)));
  return { cancel: () => timer.cancel() };
}
