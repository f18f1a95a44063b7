import type { DataTypes } from '@holdfast/engine';
import type { CommandDefinition } from '../command.ts';
import { zsetAddCommands } from './add.ts';
import { zsetCombineCommands } from './combine.ts';
import { zsetPopCommands } from './pop.ts';
import { zsetWalkCommands } from './walk.ts';
import { zsetRangeCommands } from './range-read.ts';
import { zsetRangeWriteCommands } from './range-write.ts';
import { zsetReadCommands } from './read.ts';
import { sortedSets } from './sorted-sets.ts';

/** All commands on sorted sets. */
export function zsetCommands(types: DataTypes): CommandDefinition[] {
  const of = sortedSets(types);
  return [
    ...zsetReadCommands(of),
    ...zsetAddCommands(of),
    ...zsetRangeCommands(of),
    ...zsetRangeWriteCommands(of),
    ...zsetPopCommands(of),
    ...zsetCombineCommands(of),
    ...zsetWalkCommands(of),
  ];
}
