/** A redis-server of the comparison: which program, how it is configured, on which ports. */
import { execFileSync } from 'node:child_process';
import { accessSync, constants, mkdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FatalError, randomBelow } from '@holdfast/base';
import { realRandom } from '@holdfast/base/real';
import { isFree } from '../../cluster-process/ports.ts';
import { SupervisedProcess } from '../../cluster-process/supervised-process.ts';

/** Redis' own distance between a node's port and that of its cluster bus. */
const busDistance = 10_000;

export interface RedisProgram {
  /** Absolute path. */
  readonly path: string;
  /** As `7.0.15`. */
  readonly version: string;
}

/** @throws FatalError (exit status 3) when it is not installed, with the line that installs it. */
export function findRedisServer(searchPath: string = process.env['PATH'] ?? ''): RedisProgram {
  const path = searchPath
    .split(delimiter)
    .filter((place) => place !== '')
    .map((place) => join(place, 'redis-server'))
    .find(isExecutable);
  if (path === undefined)
    throw new FatalError(
      '--peer redis-cluster needs redis-server, which is not installed: apt-get install -y --no-install-recommends redis-server',
      3,
    );
  const said = execFileSync(path, ['--version'], { encoding: 'utf8' });
  const version = /\bv=([0-9.]+)/.exec(said)?.[1];
  if (version === undefined) throw new FatalError(`${path} --version says ${JSON.stringify(said)}, no version`, 3);
  return { path, version };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export interface RedisPlace {
  /** `node-1`, … */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** What stands before the command, and becomes it. */
  readonly launch: readonly string[];
  /** Where it keeps its data. */
  readonly data: string;
}

export interface RedisSettings {
  readonly program: RedisProgram;
  /** Of the logs. */
  readonly directory: string;
  readonly nodeTimeoutMs: number;
  readonly say: (line: string) => void;
}

/**
 * One node, not yet started. It ends with this process, however this process ends. What is not named here is Redis' own
 * default; `repl-diskless-sync-delay` only makes replicas join at once instead of after 5 s.
 */
export function redisProcess(place: RedisPlace, settings: RedisSettings): SupervisedProcess {
  const { program, directory, nodeTimeoutMs, say } = settings;
  mkdirSync(place.data, { recursive: true });
  const tied = fileURLToPath(new URL('../../cluster-process/tied.ts', import.meta.url));
  return new SupervisedProcess({
    name: place.name,
    command: [
      ...nonEmpty([...place.launch, process.execPath]),
      ...process.execArgv,
      ...[tied, program.path],
      ...['--port', String(place.port), '--bind', place.host, '--protected-mode', 'no', '--dir', place.data],
      ...['--cluster-enabled', 'yes', '--cluster-config-file', 'nodes.conf'],
      ...['--cluster-node-timeout', String(nodeTimeoutMs)],
      ...['--appendonly', 'yes', '--appendfsync', 'everysec', '--save', ''],
      ...['--repl-diskless-sync-delay', '0'],
    ],
    logPath: join(directory, `${place.name}.log`),
    say,
  });
}

function nonEmpty([first = '', ...rest]: readonly string[]): [string, ...string[]] {
  return [first, ...rest];
}

/**
 * The first of `count` ports in a row that were free a moment ago, with those of their cluster bus.
 * @throws FatalError (exit status 3) when none were found.
 */
export async function freeRedisPorts(count: number): Promise<number> {
  const attempts = 50;
  for (let attempt = 0; attempt < attempts; attempt++) {
    // With the bus below the range from which the kernel takes ports of outgoing connections.
    const base = 11_000 + 50 * randomBelow(realRandom, 200);
    const ports = Array.from({ length: count }, (_, i) => base + i);
    const free = await Promise.all([...ports, ...ports.map((port) => port + busDistance)].map(isFree));
    if (free.every(Boolean)) return base;
  }
  throw new FatalError(`no ${count} free ports in a row found in ${attempts} attempts`, 3);
}
