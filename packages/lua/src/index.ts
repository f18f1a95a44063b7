export { LuaWorld, type LibraryFunction, type LuaWorldOptions, type ScriptRun } from './lua-world.ts';
export { eventKind, type EventKind } from './native.ts';
