/**
 * What Linux counts about a process and about the machine, read from /proc's text.
 *
 * CPU is counted in ticks of 10 ms (USER_HZ is 100 on x86-64 and arm64), summed over all threads; children that have
 * ended and were waited for (redis-server's rewrite of its log) are included. `write_bytes` is what the process caused to
 * be sent to a block device: nothing on tmpfs, and once per page that was made dirty, however often it was written.
 */

const ticksPerSecond = 100;

/** Of one process since its start. */
export interface ProcessUsage {
  readonly cpuSeconds: number;
  /** Undefined where the kernel does not say (/proc/PID/io belongs to the process' user). */
  readonly writtenBytes: number | undefined;
  readonly residentBytes: number;
  readonly peakBytes: number;
}

/** The texts of /proc/PID/stat, /proc/PID/io (undefined: not readable) and /proc/PID/status. */
export interface ProcessTexts {
  readonly stat: string;
  readonly io: string | undefined;
  readonly status: string;
}

export function readUsage({ stat, io, status }: ProcessTexts): ProcessUsage {
  // The name in brackets may hold anything, so fields are counted from behind it; the first there is the third of proc(5).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  let ticks = 0;
  for (const field of [14, 15, 16, 17]) ticks += Number(fields[field - 3]);
  const written = /^write_bytes: (\d+)$/m.exec(io ?? '')?.[1];
  return {
    cpuSeconds: ticks / ticksPerSecond,
    writtenBytes: written === undefined ? undefined : Number(written),
    residentBytes: kibibytes(status, 'VmRSS'),
    peakBytes: kibibytes(status, 'VmHWM'),
  };
}

function kibibytes(status: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0) * 1024;
}

/** Of all processors together since the machine's start, in seconds. */
export interface MachineTimes {
  readonly busySeconds: number;
  readonly idleSeconds: number;
  /** Time in which this machine wanted to run and its host ran others. */
  readonly stolenSeconds: number;
}

/** @param stat text of /proc/stat. */
export function readMachineTimes(stat: string): MachineTimes {
  const fields = (/^cpu +(.*)$/m.exec(stat)?.[1] ?? '').split(' ').map((field) => Number(field) / ticksPerSecond);
  // user nice system idle iowait irq softirq steal; guest time is in user already.
  const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = fields;
  return { busySeconds: user + nice + system + irq + softirq, idleSeconds: idle + iowait, stolenSeconds: steal };
}
