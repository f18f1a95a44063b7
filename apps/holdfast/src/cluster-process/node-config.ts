/**
 * `kvrocks.conf` of one node of a local cluster. `up` owns the directives below and sets them at every start; whatever
 * else stands in the file is the operator's and is kept.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFileDurably } from '@holdfast/base/real';
import type { Replication } from '../option-values.ts';
import type { NodePlace } from './layout.ts';

const heading = '# These directives are set by `holdfast up` at every start; others may be added below.';

/** The text of the file: ours first, then the lines of `existing` that are not ours. */
export function nodeConfig(place: NodePlace, replication: Replication, directory: string, existing: string): string {
  const ours: readonly (readonly [string, string])[] = [
    ['bind', place.host],
    ['port', String(place.port)],
    ['control-port', String(place.controlPort)],
    ['dir', quoted(directory)],
    ['pidfile', quoted(join(directory, 'kvrocks.pid'))],
    ['log-dir', 'stdout'],
    ['cluster-enabled', 'yes'],
    ['use-rsid-psync', 'yes'],
    ['replication-mode', replication],
  ];
  const names = new Set(ours.map(([name]) => name));
  const kept = existing
    .split('\n')
    .filter((line) => line !== heading && !names.has(line.trim().split(/\s+/)[0]?.toLowerCase() ?? ''));
  const rest = kept.join('\n').trim();
  return `${[heading, ...ours.map((pair) => pair.join(' '))].join('\n')}\n${rest === '' ? '' : `\n${rest}\n`}`;
}

/**
 * Brings the file of a node up to date.
 * @param initial what it has beside ours when there is none yet.
 * @returns its path.
 */
export function writeNodeConfig(
  place: NodePlace,
  replication: Replication,
  directory: string,
  initial: string = '',
): string {
  const path = join(directory, 'kvrocks.conf');
  replaceFileDurably(path, nodeConfig(place, replication, directory, readIfThere(path) ?? initial));
  return path;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function quoted(path: string): string {
  return /[\s"'#\\]/.test(path) ? `"${path.replaceAll(/["\\]/g, '\\$&')}"` : path;
}
