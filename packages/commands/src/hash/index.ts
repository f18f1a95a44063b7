import type { DataTypes, HashSettings } from '@holdfast/engine';
import type { CommandDefinition } from '../command.ts';
import { hashCountCommands } from './count.ts';
import { hashExchangeCommands } from './exchange.ts';
import { hashExpiryCommands } from './expiry.ts';
import { hashRandomCommands } from './random.ts';
import { hashReadCommands } from './read.ts';
import { hashWalkCommands } from './walk.ts';
import { hashWriteCommands } from './write.ts';

/** All commands on hashes. Without settings new hashes are of the legacy encoding, as Kvrocks has it by default. */
export function hashCommands(types: DataTypes, settings?: HashSettings): CommandDefinition[] {
  if (settings !== undefined) types.hashes.settings = settings;
  return [
    ...hashReadCommands(types),
    ...hashWriteCommands(types),
    ...hashCountCommands(types),
    ...hashWalkCommands(types),
    ...hashRandomCommands(types),
    ...hashExpiryCommands(types),
    ...hashExchangeCommands(types),
  ];
}
