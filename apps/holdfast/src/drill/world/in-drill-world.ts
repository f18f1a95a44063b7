/**
 * The world of a drill, made for it and removed after it, however it ends: a directory, and in namespaces a network with a
 * host for each place. What nobody could remove, because the process was killed, the next run does.
 */
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FatalError, OperationError } from '@holdfast/base';
import { onLoopback } from '../../cluster-process/index.ts';
import { clearHosts, keptPrefix, removeLeftovers } from './leftovers.ts';
import type { InsidePlan } from './messages.ts';
import { makeNetwork } from './network.ts';
import { mountDisk } from './own-disks.ts';
import { raiseOpenFiles } from './open-files.ts';
import { callInside } from './relay.ts';
import { formatRunName, newRunName, type RunName } from './run-name.ts';
import type { DrillHost, DrillTask, Network } from './site.ts';
import { findCommand } from './system-command.ts';

export interface WorldPlan {
  readonly network: Network;
  /** Every place but `clients`, which is always there. */
  readonly places: readonly string[];
  /** Places whose data goes on a file system of its own that can be filled. Needs namespaces. */
  readonly disks: readonly string[];
  /** Keep the directory when it is over, and say where it is. */
  readonly keep: boolean;
}

/**
 * Makes a world, does the task in it, and removes the world.
 * @param task is done in this process on loopback, and in one at the place `clients` in namespaces.
 * @throws what the task throws; FatalError (exit status 3) when there can be no such world here, and what to do.
 */
export async function inDrillWorld<Input, Output>(
  plan: WorldPlan,
  task: DrillTask<Input, Output>,
  input: Input,
  host: DrillHost,
): Promise<Output> {
  if (plan.network === 'namespaces') requireNamespaces();
  const { removed, failures } = removeLeftovers();
  for (const name of removed) host.progress(`removed what ${name} had left behind`);
  for (const failure of failures) host.progress(failure);
  const openFiles = raiseOpenFiles();
  if (openFiles !== undefined)
    host.progress(`only ${openFiles} files may be open, too few for thousands of clients; ulimit -Hn raises it`);
  const world = new World(plan, host);
  // Also when somebody else ends this process.
  const clear = (): void => world.clear();
  process.once('exit', clear);
  try {
    if (plan.network === 'loopback') {
      const { directory } = world;
      const { progress, signal } = host;
      return await task.call({ network: 'loopback', directory, placement: onLoopback, progress, signal }, input);
    }
    return await callInside(world.makeHosts(), task, input, host);
  } finally {
    world.clear();
    process.off('exit', clear);
  }
}

class World {
  readonly directory: string;
  readonly #plan: WorldPlan;
  readonly #host: DrillHost;
  readonly #run: RunName;
  #isCleared = false;

  constructor(plan: WorldPlan, host: DrillHost) {
    this.#plan = plan;
    this.#host = host;
    this.#run = newRunName();
    const prefix = plan.keep ? keptPrefix : `${formatRunName(this.#run)}-`;
    this.directory = mkdtempSync(join(tmpdir(), prefix));
  }

  makeHosts(): InsidePlan {
    const network = { run: this.#run, places: [...this.#plan.places, 'clients'] };
    try {
      makeNetwork(network);
      const disks = new Map(this.#plan.disks.map((place) => [place, this.#diskOf(place)]));
      for (const directory of disks.values()) mountDisk(directory);
      return { network, directory: this.directory, disks };
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      throw new FatalError(`no network namespaces can be made here (${error.message}); ${withoutThem}`, 3, error);
    }
  }

  clear(): void {
    if (this.#isCleared) return;
    this.#isCleared = true;
    if (this.#plan.keep) this.#keepDisks();
    if (this.#plan.network === 'namespaces') clearHosts(this.#run, this.directory);
    if (this.#plan.keep) this.#host.progress(`kept: ${this.directory}`);
    else rmSync(this.directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }

  /** What is on a disk of memory goes with it. */
  #keepDisks(): void {
    for (const place of this.#plan.disks) {
      const disk = this.#diskOf(place);
      if (existsSync(disk)) cpSync(disk, join(this.directory, place), { recursive: true });
    }
  }

  #diskOf(place: string): string {
    return join(this.directory, 'disks', place);
  }
}

const withoutThem = '--network loopback runs the drills that need none, all processes on 127.0.0.1';

/** @throws FatalError (exit status 3) when this user or this machine cannot have them, and what to do. */
function requireNamespaces(): void {
  if (process.geteuid?.() !== 0)
    throw new FatalError(
      'a network namespace for each host needs root: run it again as sudo bin/holdfast drill …; ' + withoutThem,
      3,
    );
  const packages = { ip: 'iproute2', nsenter: 'util-linux', mount: 'mount' };
  for (const [program, name] of Object.entries(packages)) {
    if (findCommand(program) !== undefined) continue;
    const install = `apt-get install -y --no-install-recommends ${name}`;
    throw new FatalError(`network namespaces need ${program}: ${install}; ${withoutThem}`, 3);
  }
}
