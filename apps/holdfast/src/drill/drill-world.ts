/** The world a drill runs in: sockets, time, and somebody to tell how it goes. */
import type { Connector, Timers } from '@holdfast/base';
import type { RunClock } from './recorder.ts';

export interface DrillWorld {
  readonly connector: Connector;
  readonly timers: Timers;
  readonly clock: RunClock;
  /** One line about how the run stands, about every second. */
  progress(line: string): void;
}
