export { inDrillWorld, type WorldPlan } from './in-drill-world.ts';
export { untilAborted, usedWhileOpen, type DrillHost, type DrillSite, type DrillTask, type Network } from './site.ts';
