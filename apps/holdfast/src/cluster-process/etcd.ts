/**
 * The etcd of a local cluster with several controllers: one member, from Debian's `etcd-server`. It knows nothing of us,
 * so it is started through a process that ties itself to its parent first (tied.ts).
 */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FatalError } from '@holdfast/base';

/**
 * The command that runs it.
 * @throws FatalError (exit status 3) when it is not installed, with the line that installs it.
 */
export function etcdCommand(directory: string, host: string, port: number): readonly string[] {
  const etcd = findProgram('etcd');
  if (etcd === undefined)
    throw new FatalError(
      'several controllers need etcd: apt-get install -y --no-install-recommends etcd-server, or name one with --etcd-endpoints',
      3,
    );
  const client = `http://${host}:${port}`;
  const peer = `http://${host}:${port + 1}`;
  const tied = fileURLToPath(new URL('./tied.ts', import.meta.url));
  return [
    process.execPath,
    ...process.execArgv,
    tied,
    etcd,
    ...['--name', 'up', '--data-dir', directory],
    ...['--listen-client-urls', client, '--advertise-client-urls', client],
    ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `up=${peer}`],
    ...['--log-level', 'warn'],
  ];
}

function findProgram(name: string): string | undefined {
  const places = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/bin', '/usr/bin'];
  return places.map((place) => join(place, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
