/**
 * What runs that were killed left behind, and its removal by the next run: processes in their namespaces, the namespaces,
 * mounts, and directories. A run that ends by itself removes its own in the same way.
 */
import { readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { OperationError, messageOf } from '@holdfast/base';
import { processesIn, removeNetwork, runsWithNetworks } from './network.ts';
import { mountPoints, unmountBelow } from './own-disks.ts';
import { formatRunName, isRunning, parseRunName, type RunName } from './run-name.ts';

/** A killed process is gone as soon as the kernel has cleared up after it. */
const killedWithinMs = 10_000;

/** A directory that is kept has another name than what may be removed. */
export const keptPrefix = 'holdfast-kept-';

/**
 * Ends every process in the namespaces of a run with SIGKILL, and removes its namespaces, and its mounts below a directory.
 * This process waits for it.
 * @throws OperationError DRILL_SYSTEM when something could not be removed.
 */
export function clearHosts(run: RunName, directory: string | undefined): void {
  killAll(run);
  removeNetwork(run);
  if (directory !== undefined) unmountBelow(directory);
}

/** What became of what dead runs left behind: a line each, for people. */
export interface Removal {
  /** Names of runs. */
  readonly removed: readonly string[];
  /** What could not be removed, say what root left when somebody else looks, and why. */
  readonly failures: readonly string[];
}

/** Removes what runs left behind that do not run any more, here and in the directory for temporary files. Never throws. */
export function removeLeftovers(): Removal {
  const removed = new Set<string>();
  const failures: string[] = [];
  const remove = (run: RunName, work: () => void): void => {
    try {
      work();
      removed.add(formatRunName(run));
    } catch (error) {
      failures.push(`what ${formatRunName(run)} left behind cannot be removed: ${messageOf(error)}`);
    }
  };
  for (const run of runsWithNetworks().filter((each) => !isRunning(each)))
    remove(run, () => clearHosts(run, undefined));
  for (const { run, directory } of directoriesLeft()) {
    remove(run, () => {
      unmountBelow(directory);
      // Its files may still be written by a process that is just ending with its parent.
      rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    });
  }
  return { removed: [...removed], failures };
}

/** Those in the directory for temporary files, and those that something is still mounted below. */
function directoriesLeft(): readonly { readonly run: RunName; readonly directory: string }[] {
  const here = readdirSync(tmpdir()).map((name) => join(tmpdir(), name));
  const mounted = mountPoints().flatMap((point) => /^.*\/holdfast-drill-[0-9-]+[^/]*(?=\/)/.exec(point) ?? []);
  return [...new Set([...here, ...mounted])].flatMap((directory) => {
    const run = parseRunName(basename(directory));
    return run === undefined || isRunning(run) ? [] : [{ run, directory }];
  });
}

function killAll(run: RunName): void {
  const untilMs = performance.now() + killedWithinMs;
  for (let pids = processesIn(run); pids.length > 0; pids = processesIn(run)) {
    if (performance.now() > untilMs) {
      const message = `processes of ${formatRunName(run)} do not end: ${pids.join(', ')}`;
      throw new OperationError('DRILL_SYSTEM', message, { outcome: 'unknown' });
    }
    for (const pid of pids) kill(pid);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
