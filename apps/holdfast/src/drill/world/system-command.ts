/** Runs `ip`, `mount` and the like, which are where ordinary users have no path to them. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { OperationError } from '@holdfast/base';

const places = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/bin', '/bin'];
const paths = new Map<string, string | undefined>();

/** Where a program is; undefined when it is not installed. */
export function findCommand(name: string): string | undefined {
  if (!paths.has(name)) paths.set(name, places.map((place) => join(place, name)).find(isExecutable));
  return paths.get(name);
}

/**
 * Runs a command to its end; this process waits.
 * @param input for its standard input.
 * @returns what it printed.
 * @throws OperationError DRILL_SYSTEM with its own words when it fails.
 */
export function runCommand(name: string, args: readonly string[], input = ''): string {
  const path = findCommand(name) ?? name;
  const { status, stdout, stderr, error } = spawnSync(path, args, { input, encoding: 'utf8' });
  if (error === undefined && status === 0) return stdout;
  const reason = error?.message ?? (stderr.trim() || `status ${String(status)}`);
  const message = `${[name, ...args].join(' ')}: ${reason.replaceAll(/\s*\n\s*/g, '; ')}`;
  throw new OperationError('DRILL_SYSTEM', message, { outcome: 'unknown', cause: error });
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
