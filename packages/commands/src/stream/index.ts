import type { DataTypes } from '@holdfast/engine';
import type { CommandDefinition } from '../command.ts';
import { xAdd, xTrim } from './add.ts';
import { changeCommands } from './change.ts';
import { claimCommands } from './claim.ts';
import { xGroup } from './groups.ts';
import { xInfo } from './information.ts';
import { pendingCommands } from './pending.ts';
import { rangeCommands } from './range.ts';
import { xReadGroup } from './read-group.ts';
import { xRead } from './read.ts';
import { defaultStreamSettings, streamTypes, type StreamSettings } from './stream-types.ts';

export type { StreamSettings } from './stream-types.ts';

/** All commands on streams. */
export function streamCommands(
  types: DataTypes,
  settings: StreamSettings = defaultStreamSettings,
): CommandDefinition[] {
  const own = streamTypes(types, settings);
  return [
    xAdd(own),
    xTrim(own),
    ...rangeCommands(own),
    ...changeCommands(own),
    xRead(own),
    xReadGroup(own),
    xGroup(own),
    ...pendingCommands(own),
    ...claimCommands(own),
    xInfo(own),
  ];
}
