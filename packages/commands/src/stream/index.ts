import type { DataTypes } from '@holdfast/engine';
import type { CommandDefinition } from '../command.ts';

/** All commands on streams. */
export function streamCommands(_types: DataTypes): CommandDefinition[] {
  return [];
}
