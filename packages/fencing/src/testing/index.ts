export { InSyncModel, type InSyncFault, type InSyncModelOptions } from './in-sync-model.ts';
export { Model, type ModelOptions } from './model.ts';
export type { PlantedFault } from './model-node.ts';
export { logIdOf, nodeIdOf, processIdOf, shardMessage, viewOf } from './samples.ts';
