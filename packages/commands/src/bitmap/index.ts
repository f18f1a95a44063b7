import { Bitmaps, type DataTypes } from '@holdfast/engine';
import type { CommandDefinition } from '../command.ts';
import { bitCommands } from './bit.ts';
import { bitCountCommands } from './count.ts';
import { bitFieldCommands } from './field.ts';
import { bitOpCommands } from './op.ts';

/** All commands on bits: of bitmaps, and of strings. */
export function bitmapCommands(types: DataTypes): CommandDefinition[] {
  const bitmaps = new Bitmaps(types.records);
  return [...bitCommands(bitmaps), ...bitCountCommands(bitmaps), ...bitFieldCommands(bitmaps), ...bitOpCommands(types)];
}
