import { JsonDocuments, nestingLimit, type DataTypes, type JsonSettings } from '@holdfast/engine';
import type { CommandDefinition } from '../command.ts';
import { jsonArrayCommands } from './arrays.ts';
import { jsonReadCommands } from './read.ts';
import { jsonScalarCommands } from './scalars.ts';
import { jsonWriteCommands } from './write.ts';

/** As Kvrocks has them by default. */
export const defaultJsonSettings: JsonSettings = { storageFormat: 'json', nestingMax: Math.min(1024, nestingLimit) };

/** All commands on JSON documents. */
export function jsonCommands(
  { records }: DataTypes,
  settings: JsonSettings = defaultJsonSettings,
): CommandDefinition[] {
  const documents = new JsonDocuments(records, settings);
  return [
    ...jsonWriteCommands(documents),
    ...jsonReadCommands(documents),
    ...jsonArrayCommands(documents),
    ...jsonScalarCommands(documents),
  ];
}
