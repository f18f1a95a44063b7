import type { DataTypes } from '@holdfast/engine';
import type { CommandDefinition } from '../command.ts';

/** All commands on sets. */
export function setCommands(_types: DataTypes): CommandDefinition[] {
  return [];
}
