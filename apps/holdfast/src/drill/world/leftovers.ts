/**
 * What runs that were killed left behind, and its removal by the next run: processes in their namespaces, the namespaces,
 * mounts, and directories. A run that ends by itself removes its own in the same way.
 */
import { readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { OperationError } from '@holdfast/base';
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

/**
 * Removes what runs left behind that do not run any more, here and in the directory for temporary files.
 * @returns the names of those runs.
 * @throws OperationError DRILL_SYSTEM when something could not be removed.
 */
export function removeLeftovers(): readonly string[] {
  const removed = new Set<string>();
  const dead = (run: RunName | undefined): run is RunName => run !== undefined && !isRunning(run);
  for (const run of runsWithNetworks().filter(dead)) {
    clearHosts(run, undefined);
    removed.add(formatRunName(run));
  }
  for (const directory of directoriesLeft(dead)) {
    unmountBelow(directory);
    // Its files may still be written by a process that is just ending with its parent.
    rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    removed.add(formatRunName(parseRunName(basename(directory)) as RunName));
  }
  return [...removed];
}

/** Those in the directory for temporary files, and those that something is still mounted below. */
function directoriesLeft(wanted: (run: RunName | undefined) => boolean): readonly string[] {
  const here = readdirSync(tmpdir()).map((name) => join(tmpdir(), name));
  const mounted = mountPoints().flatMap((point) => /^.*\/holdfast-drill-[0-9-]+[^/]*(?=\/)/.exec(point) ?? []);
  return [...new Set([...here, ...mounted])].filter((directory) => wanted(parseRunName(basename(directory))));
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
