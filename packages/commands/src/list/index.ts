import { Lists, type DataTypes } from '@holdfast/engine';
import type { CommandDefinition } from '../command.ts';
import { listBlockingCommands } from './blocking.ts';
import { listChangeCommands } from './change.ts';
import { listMoveCommands } from './move.ts';
import { listPopCommands } from './pop.ts';
import { listPushCommands } from './push.ts';
import { listReadCommands } from './read.ts';
import type { ListPair } from './sides.ts';

/** All commands on lists. */
export function listCommands({ records }: DataTypes): CommandDefinition[] {
  const lists: ListPair = { list: new Lists(records), other: new Lists(records) };
  return [
    ...listPushCommands(lists),
    ...listPopCommands(lists),
    ...listReadCommands(lists),
    ...listChangeCommands(lists),
    ...listMoveCommands(lists),
    ...listBlockingCommands(lists),
  ];
}
