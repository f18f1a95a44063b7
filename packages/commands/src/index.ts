export { Refusal, define, errors, firstKey, noKeys } from './command.ts';
export type { Call, CommandDefinition, CommandFlag, KeySpec } from './command.ts';
export type { Deferred, Session } from './session.ts';
export { CommandTable, arityFits, keysOf } from './table.ts';
