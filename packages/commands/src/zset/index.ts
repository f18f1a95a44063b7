import type { DataTypes } from '@holdfast/engine';
import type { CommandDefinition } from '../command.ts';

/** All commands on sorted sets. */
export function zsetCommands(_types: DataTypes): CommandDefinition[] {
  return [];
}
