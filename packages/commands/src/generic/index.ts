import type { DataTypes } from '@holdfast/engine';
import type { CommandDefinition } from '../command.ts';
import { dumpCommands } from './dump.ts';
import { expireCommands } from './expire.ts';
import { keyCommands } from './keys.ts';
import { metadataCommand } from './metadata.ts';
import { moveCommand } from './move.ts';
import { objectCommand } from './object.ts';
import { scanCommands } from './scan.ts';
import { sortCommands } from './sort.ts';

/** All commands on keys of any type. */
export function genericCommands(types: DataTypes): CommandDefinition[] {
  return [
    ...keyCommands(types),
    ...expireCommands(types),
    ...scanCommands(types),
    ...sortCommands(types),
    ...dumpCommands(types),
    moveCommand(types),
    metadataCommand(types),
    objectCommand(types),
  ];
}
