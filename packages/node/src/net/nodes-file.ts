/** nodes.conf on disk, and the addresses of this machine's interfaces. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { dirname, join } from 'node:path';
import { replaceFileDurably, syncDirectory } from '@holdfast/base/real';
import type { NodesFile } from '../cluster/cluster-state.ts';

/** `<dir>/nodes.conf`, one character per byte. */
export function nodesFile(dir: string): NodesFile {
  const path = join(dir, 'nodes.conf');
  return {
    path,
    load: (): string | undefined => (existsSync(path) ? readFileSync(path, 'latin1') : undefined),
    save: (text: string): void => replaceFileDurably(path, Buffer.from(text, 'latin1')),
    remove: (): void => {
      rmSync(path, { force: true });
      syncDirectory(dirname(path));
    },
  };
}

/** Textual addresses of all interfaces, loopback included. */
export function interfaceAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address }) => address));
}
