import type { DataTypes } from '@holdfast/engine';
import type { CommandDefinition } from '../command.ts';

/** All commands on HyperLogLogs. */
export function hyperLogLogCommands(_types: DataTypes): CommandDefinition[] {
  return [];
}
