import type { DataTypes } from '@holdfast/engine';
import type { CommandDefinition } from '../command.ts';
import { hashCountCommands } from './count.ts';
import { hashRandomCommands } from './random.ts';
import { hashReadCommands } from './read.ts';
import { hashWalkCommands } from './walk.ts';
import { hashWriteCommands } from './write.ts';

/** All commands on hashes. */
export function hashCommands(types: DataTypes): CommandDefinition[] {
  return [
    ...hashReadCommands(types),
    ...hashWriteCommands(types),
    ...hashCountCommands(types),
    ...hashWalkCommands(types),
    ...hashRandomCommands(types),
  ];
}
