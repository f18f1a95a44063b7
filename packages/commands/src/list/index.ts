import type { DataTypes } from '@holdfast/engine';
import type { CommandDefinition } from '../command.ts';

/** All commands on lists. */
export function listCommands(_types: DataTypes): CommandDefinition[] {
  return [];
}
