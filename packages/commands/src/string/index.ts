import type { DataTypes } from '@holdfast/engine';
import type { CommandDefinition } from '../command.ts';
import { changeCommands } from './change.ts';
import { compareCommands } from './compare.ts';
import { countCommands } from './count.ts';
import { getCommands } from './get.ts';
import { lcsCommands } from './lcs.ts';
import { manyCommands } from './many.ts';
import { setCommands } from './set.ts';

/** All commands on strings. */
export function stringCommands(types: DataTypes): CommandDefinition[] {
  return [
    ...getCommands(types),
    ...setCommands(types),
    ...manyCommands(types),
    ...countCommands(types),
    ...changeCommands(types),
    ...compareCommands(types),
    ...lcsCommands(types),
  ];
}
