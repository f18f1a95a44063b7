import type { DataTypes } from '@holdfast/engine';
import type { CommandDefinition } from '../command.ts';

/** All commands on geographic positions, which are sorted sets. */
export function geoCommands(_types: DataTypes): CommandDefinition[] {
  return [];
}
