/** `<dir>/up.json`: the settings a cluster was made with, so that the next start makes the same one. */
import { readFileSync } from 'node:fs';
import { FatalError, messageOf } from '@holdfast/base';
import { replaceFileDurably } from '@holdfast/base/real';
import { defaultSettings, type LayoutSettings } from './layout.ts';

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
};

/**
 * The settings to use: those of the file, when there is one; else what was asked for, and the defaults for the rest.
 * @param asked only what was given explicitly.
 * @throws FatalError: exit status 2 when a flag contradicts the file, 3 when the file is damaged.
 */
export function settleSettings(path: string, asked: Partial<LayoutSettings>): LayoutSettings {
  const stored = readSettings(path);
  if (stored === undefined) {
    const port = asked.port ?? defaultSettings.port;
    return { ...defaultSettings, replicaPort: port + 100, ...asked };
  }
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
  const { shards, replicas, port, replicaPort, nodePort, apiPort, lbControlPort, leaseMs, fences } = settings;
  const content = { shards, replicas, port, replicaPort, nodePort, apiPort, lbControlPort, leaseMs, fences };
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
    const { version, ...fields } = JSON.parse(text) as Record<string, unknown>;
    if (version !== formatVersion) throw new Error(`its version is ${String(version)}, not ${formatVersion}`);
    for (const [name, example] of Object.entries(defaultSettings)) {
      const value = fields[name];
      const fits = Array.isArray(example)
        ? Array.isArray(value) && value.every((fence) => fence === 'lb' || fence === 'lease')
        : Number.isSafeInteger(value);
      if (!fits) throw new Error(`${name} is ${JSON.stringify(value)}`);
    }
    return fields as unknown as LayoutSettings;
  } catch (error) {
    throw new FatalError(`${path} is damaged: ${messageOf(error)}`, 3, error);
  }
}
