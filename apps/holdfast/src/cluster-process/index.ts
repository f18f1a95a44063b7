export { LocalCluster, clusterNames, type LocalClusterOptions } from './local-cluster.ts';
export { defaultSettings, host, type Layout, type LayoutSettings, type NodePlace } from './layout.ts';
export { onFreePorts } from './ports.ts';
