import type { DataTypes } from '@holdfast/engine';
import type { CommandDefinition } from '../command.ts';

/** All commands on Bloom filters. */
export function bloomCommands(_types: DataTypes): CommandDefinition[] {
  return [];
}
