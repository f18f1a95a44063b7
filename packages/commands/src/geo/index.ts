import type { DataTypes } from '@holdfast/engine';
import type { CommandDefinition } from '../command.ts';
import { sortedSets } from '../zset/sorted-sets.ts';
import { geoPositionCommands } from './positions.ts';
import { geoSearchCommands } from './search.ts';

/** All commands on geographic positions, which are sorted sets. */
export function geoCommands(types: DataTypes): CommandDefinition[] {
  const of = sortedSets(types);
  return [...geoPositionCommands(of), ...geoSearchCommands(of)];
}
