export { LocalCluster, clusterNames, type LocalClusterOptions } from './local-cluster.ts';
export {
  completeSettings,
  defaultSettings,
  planLayout,
  type Layout,
  type LayoutSettings,
  type NodePlace,
} from './layout.ts';
export { onLoopback, type Placement } from './placement.ts';
export { onFreePorts } from './ports.ts';
