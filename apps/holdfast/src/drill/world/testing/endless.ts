/**
 * A drill that makes its world, leaves a process at `node-1` that nothing ties to it, says so on standard error as a line of
 * JSON, and then waits to be ended; with the argument `deaf` it does not listen. Run by tests, which end it in every way
 * there is.
 */
import { spawn } from 'node:child_process';
import { asDrill } from '../../run.ts';
import { inDrillWorld } from '../in-drill-world.ts';
import { untilAborted, type DrillTask } from '../site.ts';

/** What it says. */
export interface Endless {
  /** The process at the place `clients`. */
  readonly inside: number;
  /** The process at `node-1`. */
  readonly loose: number;
  readonly directory: string;
}

export const endlessTask: DrillTask<boolean, number> = {
  module: import.meta.url,
  name: 'endlessTask',
  async call(site, isDeaf) {
    const [file = '', ...args] = [...site.placement.launchOf('node-1'), 'sleep', '600'];
    const loose = spawn(file, args, { detached: true, stdio: 'ignore' });
    const said: Endless = { inside: process.pid, loose: loose.pid ?? 0, directory: site.directory };
    loose.once('spawn', () => site.progress(JSON.stringify(said)));
    return isDeaf ? new Promise<never>(() => undefined) : untilAborted(site.signal);
  },
};

if (import.meta.main) {
  const plan = { network: 'namespaces', places: ['node-1'], disks: ['node-1'], keep: false } as const;
  const isDeaf = process.argv[2] === 'deaf';
  process.exit(await asDrill((host) => inDrillWorld(plan, endlessTask, isDeaf, host)));
}
