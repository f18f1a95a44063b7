/** A process that is stopped from outside: when it really stands still. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/**
 * Stops a process as SIGSTOP does. The signal reaches each thread when it next leaves the kernel; until then it may still
 * execute requests, so this resolves when none of its threads runs any more.
 * @throws the error of kill(2) when there is no such process.
 */
export async function standStill(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  while (!threadStates(pid).every((state) => state === 'T')) await pause(1);
}

/** One letter per thread, as in proc(5): `T` is stopped by a signal. */
function threadStates(pid: number): string[] {
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks).map((thread) => {
    const stat = readFileSync(join(tasks, thread, 'stat'), 'utf8');
    return stat[stat.lastIndexOf(')') + 2] ?? '?'; // after the name, which may hold anything
  });
}
