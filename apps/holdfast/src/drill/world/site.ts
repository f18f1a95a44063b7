/**
 * Where a drill stands: next to the hosts of its world, as one of them (`clients`). In network namespaces that is another
 * process than the one the user started, so what happens there is a task: a function that this process can name to the
 * other one, with an input and an output that can be sent.
 */
import { messageOf } from '@holdfast/base';
import type { Placement } from '../../cluster-process/index.ts';
import type { HostFaults } from '../cluster.ts';

/** Every place a host of its own, or all on the loopback interface of this machine. */
export type Network = 'namespaces' | 'loopback';

export interface DrillSite {
  readonly network: Network;
  /** For everything that is kept while the drill runs; it goes with the world. */
  readonly directory: string;
  /** Addresses of the places, and how a process is started there. On loopback all are 127.0.0.1, on ports of their own. */
  readonly placement: Placement;
  /** Size of the file system that each node has for its own data; absent when they share one. */
  readonly diskMebibytes?: number;
  /** Absent on loopback. */
  readonly hosts?: HostFaults;
  /** Says how it goes, a line each. */
  progress(line: string): void;
  /** Ends what is under way: somebody pressed Ctrl-C. */
  readonly signal: AbortSignal;
}

export interface DrillTask<Input, Output> {
  /** `import.meta.url` of the module that exports it. */
  readonly module: string;
  /** The name under which that module exports it. */
  readonly name: string;
  /** Input and output are data: what structuredClone copies. */
  call(site: DrillSite, input: Input): Promise<Output>;
}

/** Who started a drill: told how it goes, and able to end it. */
export interface DrillHost {
  progress(line: string): void;
  /** Ends the drill, in order; aborted with a reason that says why. */
  readonly signal: AbortSignal;
}

/** Throws the reason of an abort, as an error. */
export function endedBy(signal: AbortSignal): Error {
  const reason: unknown = signal.reason;
  return reason instanceof Error ? reason : new RangeError(messageOf(reason));
}

/** @returns a promise that rejects as soon as the signal is aborted. */
export function untilAborted(signal: AbortSignal): Promise<never> {
  const aborted = new Promise<never>((_, reject) => {
    const end = (): void => reject(endedBy(signal));
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
  aborted.catch(() => undefined); // It may end when nobody waits any more.
  return aborted;
}

/**
 * Uses what is being started, and closes it, whatever happens: also when the signal ends while it starts.
 * @throws what `starting` or `use` throws, or the reason of the signal.
 */
export async function usedWhileOpen<Open extends { close(): Promise<void> }, T>(
  signal: AbortSignal,
  starting: Promise<Open>,
  use: (open: Open) => Promise<T>,
): Promise<T> {
  const ended = untilAborted(signal);
  try {
    const open = await Promise.race([starting, ended]);
    return await Promise.race([use(open), ended]);
  } finally {
    const started = await starting.catch(() => undefined);
    await started?.close();
  }
}
