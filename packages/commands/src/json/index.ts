import type { DataTypes } from '@holdfast/engine';
import type { CommandDefinition } from '../command.ts';

/** All commands on JSON documents. */
export function jsonCommands(_types: DataTypes): CommandDefinition[] {
  return [];
}
