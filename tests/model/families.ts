/** All the model knows. */
import type { Family } from './family.ts';
import type { Choice } from './generator.ts';
import { hashes } from './hashes.ts';
import { json } from './json.ts';
import { keyCommands } from './keys.ts';
import { Keyspace, type Models } from './keyspace.ts';
import { lists } from './lists.ts';
import { Refusal, type Expected } from './reply.ts';
import { blooms, hyperLogLogs, sets, sortedInts } from './sets.ts';
import { streams } from './streams.ts';
import { strings } from './strings.ts';
import { zsets } from './zsets.ts';

export const families: readonly Family[] = [
  strings,
  hashes,
  lists,
  sets,
  sortedInts,
  hyperLogLogs,
  blooms,
  zsets,
  streams,
  json,
  keyCommands,
];

export const choices: readonly (readonly Choice[])[] = families.map((family) => family.choices);

/** Names of keys, a few of which belong to no type's commands alone. */
export const kinds: readonly string[] = [...new Set([...families.map(({ kind }) => kind), 'bitmap', 'lex', 'geo'])];

const models: Models = Object.assign({}, ...families.map((family) => family.models)) as Models;

/** Runs one command on the model. */
export function run(keys: Keyspace, [name = '', ...args]: readonly string[]): Expected {
  const model = models[name];
  if (model === undefined) throw new Error(`the model does not know ${name}`);
  try {
    return model(keys, args);
  } catch (error) {
    if (error instanceof Refusal) return { error: error.message };
    throw error;
  } finally {
    keys.sweep(keys.sinceMs);
  }
}

/** Commands whose replies show everything that is there. */
export function probes(keys: Keyspace, names: readonly string[]): string[][] {
  return names.flatMap((key) => {
    const value = keys.entries.get(key)?.value;
    const all = [
      ['TYPE', key],
      ['PEXPIRETIME', key],
    ];
    if (value === undefined) return all;
    for (const { probes: known } of families) all.push(...(known?.[value.type]?.(key, value) ?? []));
    return all;
  });
}
