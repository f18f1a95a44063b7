import type { DataTypes } from '@holdfast/engine';
import type { CommandDefinition } from '../command.ts';

/** All commands on bits of bitmaps and strings. */
export function bitmapCommands(_types: DataTypes): CommandDefinition[] {
  return [];
}
