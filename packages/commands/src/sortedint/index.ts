import type { DataTypes } from '@holdfast/engine';
import type { CommandDefinition } from '../command.ts';

/** All commands on sorted integers. */
export function sortedIntCommands(_types: DataTypes): CommandDefinition[] {
  return [];
}
