/**
 * What a run of the drills leaves lying around when it is killed (namespaces, directories, mounts) carries a name that
 * says whose it was: the pid of the run and the time at which that process started, since a pid is used again. So a later
 * run can tell what nobody needs any more from what belongs to a run beside it.
 *
 *   holdfast-drill-<pid>-<start time>-<count>[-<what>]
 */
import { readFileSync } from 'node:fs';

export interface RunName {
  readonly pid: number;
  /** In clock ticks since the machine started, as proc(5) has it. */
  readonly startTime: string;
  /** Tells the worlds of one process apart. */
  readonly count: number;
}

const prefix = 'holdfast-drill';

let worlds = 0;

/** A new name of this process. */
export function newRunName(): RunName {
  const startTime = startTimeOf(process.pid);
  if (startTime === undefined) throw new Error('this process is not in /proc');
  worlds++;
  return { pid: process.pid, startTime, count: worlds };
}

export function formatRunName({ pid, startTime, count }: RunName): string {
  return `${prefix}-${pid}-${startTime}-${count}`;
}

/** The run that something is named after; undefined when the name is none of ours. */
export function parseRunName(name: string): RunName | undefined {
  const match = /^holdfast-drill-([0-9]{1,10})-([0-9]{1,20})-([0-9]{1,10})(?:-.*)?$/.exec(name);
  if (match === null) return undefined;
  const [, pid, startTime = '', count] = match;
  return { pid: Number(pid), startTime, count: Number(count) };
}

/** True while the process of a run has not ended. One that ended and was not asked about (a zombie) has. */
export function isRunning({ pid, startTime }: RunName): boolean {
  return startTimeOf(pid) === startTime;
}

/** When a process started; undefined when it does not run. */
export function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // After the name, which may hold anything: the state is the third field, the start time the 22nd.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[22 - 3];
  } catch {
    return undefined;
  }
}
