/**
 * Makes client programs ready: looks for their toolchains, fetches and builds what they need into a cache folder at first
 * use. A client that cannot be made ready is skipped with the reason; the others are drilled all the same.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, delimiter, join } from 'node:path';
import type { Program, Step } from './client-list.ts';

export type Prepared =
  | { readonly kind: 'ready'; readonly command: readonly [string, ...string[]]; readonly cache: string | null }
  | { readonly kind: 'skipped'; readonly reason: string };

export interface PreparationWorld {
  /** Folder with one folder for each program. */
  readonly cacheRoot: string;
  /** The value of PATH. */
  readonly path: string;
  progress(line: string): void;
  readonly signal: AbortSignal;
}

const keptOutput = 2000;

/** Makes a program ready. Never rejects; what is wrong is the reason why it is skipped. */
export async function prepare(program: Program, world: PreparationWorld): Promise<Prepared> {
  const tool = program.tools.find((name) => !isOnPath(name, world.path));
  if (tool !== undefined) return { kind: 'skipped', reason: `${tool} is not on the path` };
  const missing = program.packages.find((name) => !isInstalled(name));
  if (missing !== undefined) return { kind: 'skipped', reason: `the npm package ${missing} is not installed` };
  if (program.pins.length === 0) return { kind: 'ready', command: program.command(''), cache: null };
  const cache = join(world.cacheRoot, program.name);
  const stampPath = join(cache, 'ready');
  try {
    const stamp = stampOf(program);
    if (contentOf(stampPath) !== stamp) {
      world.progress(`${program.name}: fetching and building what it needs into ${cache}`);
      mkdirSync(cache, { recursive: true });
      for (const file of program.copies) copyFileSync(file, join(cache, basename(file)));
      for (const step of program.steps(cache)) await runStep(step, world.signal);
      writeFileSync(stampPath, stamp);
    }
    return { kind: 'ready', command: program.command(cache), cache };
  } catch (error) {
    return { kind: 'skipped', reason: error instanceof Error ? error.message : String(error) };
  }
}

function isOnPath(tool: string, path: string): boolean {
  return path.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function isInstalled(name: string): boolean {
  try {
    createRequire(import.meta.url).resolve(name);
    return true;
  } catch {
    return false;
  }
}

function stampOf({ pins }: Program): string {
  const hash = createHash('sha256');
  for (const file of pins) hash.update(readFileSync(file)).update('\0');
  return hash.digest('hex');
}

function contentOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function runStep({ command, folder }: Step, signal: AbortSignal): Promise<void> {
  const [program, ...args] = command;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], signal });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-keptOutput)));
    child.once('error', reject);
    child.once('close', (status) => {
      if (status === 0) return resolve();
      const last = output.trim().split('\n').slice(-3).join(' ');
      reject(new Error(`${basename(program)} ended with status ${String(status)}: ${last}`));
    });
  });
}
