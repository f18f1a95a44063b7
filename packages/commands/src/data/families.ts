/** Every family that needs nothing but the engine's data types. */
import type { DataTypes, HashSettings, JsonSettings } from '@holdfast/engine';
import { bitmapCommands } from '../bitmap/index.ts';
import { bloomCommands } from '../bloom/index.ts';
import { genericCommands } from '../generic/index.ts';
import { geoCommands } from '../geo/index.ts';
import { hashCommands } from '../hash/index.ts';
import { hyperLogLogCommands } from '../hyperloglog/index.ts';
import { jsonCommands } from '../json/index.ts';
import { listCommands } from '../list/index.ts';
import { setCommands } from '../set/index.ts';
import { sortedIntCommands } from '../sortedint/index.ts';
import { streamCommands, type StreamSettings } from '../stream/index.ts';
import { stringCommands } from '../string/index.ts';
import { zsetCommands } from '../zset/index.ts';
import type { CommandDefinition } from '../command.ts';

/** Directives that commands on data read at each use; what is left out is as Kvrocks has it by default. */
export interface DataSettings {
  readonly json?: JsonSettings;
  readonly hashes?: HashSettings;
  readonly streams?: StreamSettings;
}

/** All commands on data. */
export function dataCommands(types: DataTypes, settings: DataSettings = {}): CommandDefinition[] {
  return [
    ...stringCommands(types),
    ...hashCommands(types, settings.hashes),
    ...listCommands(types),
    ...setCommands(types),
    ...zsetCommands(types),
    ...geoCommands(types),
    ...bitmapCommands(types),
    ...hyperLogLogCommands(types),
    ...streamCommands(types, settings.streams),
    ...jsonCommands(types, settings.json),
    ...bloomCommands(types),
    ...sortedIntCommands(types),
    ...genericCommands(types),
  ];
}
