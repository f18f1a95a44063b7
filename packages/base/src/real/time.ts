import { randomBytes, randomFillSync } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { Clock, Timer, Timers } from '../clock.ts';
import type { Random } from '../random.ts';
import { leaseClockMs } from './os.ts';

export const realClock: Clock = {
  leaseMs: leaseClockMs,
  wallMs: () => Date.now(),
  durationMs: () => performance.now(),
};

export const realTimers: Timers = {
  after(delayMs: number, run: () => void): Timer {
    const handle = setTimeout(run, delayMs);
    return { cancel: (): void => clearTimeout(handle) };
  },
  every(periodMs: number, run: () => void): Timer {
    const handle = setInterval(run, periodMs);
    return { cancel: (): void => clearInterval(handle) };
  },
  soon(run: () => void): void {
    setImmediate(run);
  },
};

const word = new Uint32Array(1);

/** The operating system's generator; good for secrets. */
export const realRandom: Random = {
  u32: (): number => randomFillSync(word)[0] ?? 0,
  bytes: (length: number): Uint8Array => randomBytes(length),
};
