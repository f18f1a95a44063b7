/** `<dir>/up.json`: the settings a cluster was made with, so that the next start makes the same one. */
import { readFileSync } from 'node:fs';
import { FatalError, messageOf } from '@holdfast/base';
import { replaceFileDurably } from '@holdfast/base/real';
import { allFences, type Fence } from '../option-values.ts';
import { completeSettings, defaultSettings, type LayoutSettings } from './layout.ts';

const formatVersion = 1;

const flags: Readonly<Record<keyof LayoutSettings, string>> = {
  shards: '--shards',
  replicas: '--replicas',
  port: '--port',
  replicaPort: '--replica-port',
  nodePort: '--node-port',
  apiPort: '--api-port',
  lbControlPort: '--lb-control-port',
  leaseMs: '--lease-ms',
  fences: '--fences',
  controllers: '--controllers',
  store: '--store',
  etcdEndpoints: '--etcd-endpoints',
  etcdPort: '--etcd-port',
};

/** Settings that files of earlier versions do not have: they had one controller with a store of its own. */
const addedLater: Pick<LayoutSettings, 'controllers' | 'store' | 'etcdEndpoints' | 'etcdPort'> = defaultSettings;

/**
 * The settings to use: those of the file, when there is one; else what was asked for, and the defaults for the rest.
 * @param asked only what was given explicitly.
 * @throws FatalError: exit status 2 when a flag contradicts the file, 3 when the file is damaged.
 */
export function settleSettings(path: string, asked: Partial<LayoutSettings>): LayoutSettings {
  const stored = readSettings(path);
  if (stored === undefined) return completeSettings(asked);
  for (const name of Object.keys(flags) as (keyof LayoutSettings)[]) {
    const wanted = asked[name];
    if (wanted === undefined || String(wanted) === String(stored[name])) continue;
    const show = (value: LayoutSettings[keyof LayoutSettings]): string => String(value) || 'none';
    throw new FatalError(
      `${flags[name]} ${show(wanted)} contradicts ${path}, which says ${show(stored[name])}; leave the flag out or use another --dir`,
      2,
    );
  }
  return stored;
}

/** Makes the settings durable. */
export function writeSettings(path: string, settings: LayoutSettings): void {
  const content = Object.fromEntries(
    (Object.keys(flags) as (keyof LayoutSettings)[]).map((name) => [name, settings[name]]),
  );
  replaceFileDurably(path, `${JSON.stringify({ version: formatVersion, ...content }, null, 2)}\n`);
}

function readSettings(path: string): LayoutSettings | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new FatalError(`cannot read ${path}: ${messageOf(error)}`, 3, error);
  }
  try {
    const { version, ...stored } = JSON.parse(text) as Record<string, unknown>;
    if (version !== formatVersion) throw new Error(`its version is ${String(version)}, not ${formatVersion}`);
    const { controllers, store, etcdEndpoints, etcdPort } = addedLater;
    const fields: Record<string, unknown> = { controllers, store, etcdEndpoints, etcdPort, ...stored };
    for (const [name, example] of Object.entries(defaultSettings)) {
      if (!fits(name, fields[name], example)) throw new Error(`${name} is ${JSON.stringify(fields[name])}`);
    }
    return fields as unknown as LayoutSettings;
  } catch (error) {
    throw new FatalError(`${path} is damaged: ${messageOf(error)}`, 3, error);
  }
}

function fits(name: string, value: unknown, example: unknown): boolean {
  if (name === 'fences') return Array.isArray(value) && value.every((fence) => allFences.includes(fence as Fence));
  if (name === 'store') return value === 'embedded' || value === 'etcd';
  if (Array.isArray(example)) return Array.isArray(value) && value.every((each) => typeof each === 'string');
  return Number.isSafeInteger(value);
}
