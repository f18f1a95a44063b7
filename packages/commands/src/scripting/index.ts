/** Scripts and functions in Lua. */
import type { CommandDefinition } from '../command.ts';
import { functionCommand } from './function.ts';
import type { ScriptingPort } from './port.ts';
import { runCommands } from './run.ts';
import { scriptCommand } from './script.ts';

export function scriptingCommands(port: ScriptingPort): CommandDefinition[] {
  return [...runCommands(port), scriptCommand(port), functionCommand(port)];
}
