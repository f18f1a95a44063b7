/** Every family that needs nothing but the engine's data types. */
import type { DataTypes } from '@holdfast/engine';
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
import { streamCommands } from '../stream/index.ts';
import { stringCommands } from '../string/index.ts';
import { zsetCommands } from '../zset/index.ts';
import type { CommandDefinition } from '../command.ts';

/** All commands on data. */
export function dataCommands(types: DataTypes): CommandDefinition[] {
  return [
    ...stringCommands(types),
    ...hashCommands(types),
    ...listCommands(types),
    ...setCommands(types),
    ...zsetCommands(types),
    ...geoCommands(types),
    ...bitmapCommands(types),
    ...hyperLogLogCommands(types),
    ...streamCommands(types),
    ...jsonCommands(types),
    ...bloomCommands(types),
    ...sortedIntCommands(types),
    ...genericCommands(types),
  ];
}
