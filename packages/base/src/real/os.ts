/** The native half of the real world; see ../../native/os.cc. */
import { readFileSync } from 'node:fs';
import { OperationError, messageOf } from '../index.ts';
import { addon } from './addon.ts';

/** CLOCK_MONOTONIC_RAW plus time suspended, in milliseconds with a fraction. */
export const leaseClockMs: () => number = addon.leaseClockMs;

/**
 * Takes an exclusive lock on a file (created when absent) that lasts until the process ends or the returned
 * descriptor is closed.
 * @throws OperationError OS_LOCKED when another process holds it, OS_LOCK_FAILED when the file cannot be opened.
 */
export function lockFile(path: string): number {
  try {
    return addon.lockFile(path);
  } catch (error) {
    const locked = (error as { code?: string }).code === 'EWOULDBLOCK';
    throw new OperationError(locked ? 'OS_LOCKED' : 'OS_LOCK_FAILED', messageOf(error), {
      outcome: 'not-applied',
      cause: error,
    });
  }
}

/**
 * Ends this process with SIGKILL when its parent dies, however the parent dies. Checks that the parent is still
 * `parentPid`, since a parent that was already gone sends nothing.
 */
export function dieWithParent(parentPid: number): void {
  addon.setParentDeathSignal(9);
  if (process.ppid !== parentPid) process.exit(1);
}

/**
 * Sends bytes and the end of the stream behind them, in one segment where they fit one.
 * @returns how many bytes the kernel took; unless it took all, nothing was ended. -1 when `fd` takes none.
 */
export const sendLast: (fd: number, bytes: Uint8Array) => number = addon.sendLast;

/** Whether everything the peer of a TCP socket sent has been read, and its end has arrived. */
export const peerEnded: (fd: number) => boolean = addon.peerEnded;

/** The kernel's id of this boot: it changes whenever the machine went down. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
