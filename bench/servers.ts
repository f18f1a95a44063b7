/**
 * The servers that are compared, and how each is started: as it is shipped, but for where it keeps its data and what it
 * listens on. Kvrocks is only there where `KVROCKS_BIN` names its binary; `KVROCKS_CONF` may name the configuration file
 * shipped with it, which is taken as it is but for those same lines.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const serverNames = ['holdfast', 'redis', 'kvrocks-1', 'kvrocks-8', 'bare'] as const;
export type ServerName = (typeof serverNames)[number];

/** A line of kvrocks.conf; they hold for Holdfast and for Kvrocks alike. */
export type Directive = readonly [name: string, value: string];

export interface Placement {
  readonly dir: string;
  readonly port: number;
  /** For what has such directives. */
  readonly directives: readonly Directive[];
}

export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
}

export interface ServerKind {
  readonly name: ServerName;
  readonly title: string;
  /** Why it cannot be started here; undefined when it can. */
  missing(): string | undefined;
  version(): string;
  launch(placement: Placement): Launch;
}

const root = join(import.meta.dirname, '..');
export const holdfastServer: string = join(root, 'bin', 'holdfast-server');
export const holdfast: string = join(root, 'bin', 'holdfast');

const kvrocksBinary = (): string => process.env['KVROCKS_BIN'] ?? '';

/** First line that a program prints about its version. */
function versionOf(command: string, args: readonly string[]): string {
  const { stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', timeout: 10_000 });
  return `${stdout}${stderr}`.trim().split('\n')[0] ?? '';
}

/** Whether a program is there and says its version. */
export function isInstalled(command: string, args: readonly string[] = ['--version']): boolean {
  return spawnSync(command, args, { timeout: 10_000 }).status === 0;
}

export function holdfastVersion(): string {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  return manifest.version;
}

const holdfastKind: ServerKind = {
  name: 'holdfast',
  title: 'Holdfast',
  missing: () => undefined,
  version: holdfastVersion,
  launch({ dir, port, directives }) {
    const file = join(dir, 'kvrocks.conf');
    writeFileSync(file, lines([['bind', '127.0.0.1'], ['port', String(port)], ['dir', dir], ...directives]));
    return { command: holdfastServer, args: ['-c', file] };
  },
};

const redisKind: ServerKind = {
  name: 'redis',
  title: 'Redis, AOF everysec',
  missing: () => (isInstalled('redis-server') ? undefined : 'redis-server is not installed'),
  version: () => /v=([\d.]+)/.exec(versionOf('redis-server', ['--version']))?.[1] ?? '?',
  launch({ dir, port }) {
    const args = ['--bind', '127.0.0.1', '--port', String(port), '--dir', dir];
    args.push('--save', '', '--appendonly', 'yes', '--appendfsync', 'everysec');
    return { command: 'redis-server', args };
  },
};

function kvrocksKind(workers: 1 | 8): ServerKind {
  return {
    name: `kvrocks-${workers}`,
    title: `Kvrocks, ${workers} ${workers === 1 ? 'worker' : 'workers'}`,
    missing() {
      if (kvrocksBinary() === '') return 'KVROCKS_BIN is not set';
      return isInstalled(kvrocksBinary(), ['-v']) ? undefined : `${kvrocksBinary()} -v (KVROCKS_BIN) fails`;
    },
    version: () => /[\d.]+\d(\S*)?/.exec(versionOf(kvrocksBinary(), ['-v']))?.[0] ?? '?',
    launch({ dir, port, directives }) {
      const own: Directive[] = [
        ['bind', '127.0.0.1'],
        ['port', String(port)],
        ['dir', dir],
        ['log-dir', dir],
      ];
      own.push(['workers', String(workers)], ['daemonize', 'no'], ['pidfile', join(dir, 'kvrocks.pid')], ...directives);
      const file = join(dir, 'kvrocks.conf');
      writeFileSync(file, withDirectives(shippedConfiguration(), own));
      return { command: kvrocksBinary(), args: ['-c', file] };
    },
  };
}

const bareKind: ServerKind = {
  name: 'bare',
  title: 'bare Node',
  missing: () => undefined,
  version: () => process.version,
  launch: ({ port }) => ({
    command: join(root, 'tools', 'run.sh'),
    args: ['bench/bare-node.ts', String(port), String(process.pid)],
  }),
};

export const serverKinds: readonly ServerKind[] = [holdfastKind, redisKind, kvrocksKind(1), kvrocksKind(8), bareKind];

export function serverKind(name: ServerName): ServerKind {
  return serverKinds.find((kind) => kind.name === name) as ServerKind;
}

function shippedConfiguration(): string {
  const file = process.env['KVROCKS_CONF'];
  return file === undefined ? '' : readFileSync(file, 'utf8');
}

function lines(directives: readonly Directive[]): string {
  return directives.map(([name, value]) => `${name} ${value}\n`).join('');
}

/** @returns a kvrocks.conf in which these directives stand once, whatever it said of them. */
export function withDirectives(text: string, directives: readonly Directive[]): string {
  const names = new Set(directives.map(([name]) => name));
  const kept = text.split('\n').filter((line) => !names.has(line.trim().split(/\s+/)[0] ?? ''));
  return `${kept.join('\n').trim()}\n${lines(directives)}`;
}
