export { Controller, type ControllerEnv, type ControllerSettings } from './controller.ts';
export type { ApiCall, ApiReply } from './api.ts';
export type { NewCluster } from './cluster-creation.ts';
export type { Fence } from './records.ts';
