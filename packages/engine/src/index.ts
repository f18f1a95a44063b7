export { Engine, type EngineOptions } from './engine.ts';
export type { Commit } from './commit.ts';
export type { Namespace } from './namespace.ts';
