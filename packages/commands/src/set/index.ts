import { Sets, type DataTypes } from '@holdfast/engine';
import type { CommandDefinition } from '../command.ts';
import { setAlgebraCommands } from './algebra.ts';
import { setRandomCommands } from './random.ts';
import { setReadCommands } from './read.ts';
import { setWriteCommands } from './write.ts';

/** All commands on sets. */
export function setCommands(types: DataTypes): CommandDefinition[] {
  const sets = new Sets(types.records);
  return [
    ...setWriteCommands(types, sets),
    ...setReadCommands(types, sets),
    ...setRandomCommands(types, sets),
    ...setAlgebraCommands(types),
  ];
}
