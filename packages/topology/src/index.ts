export { crc16, isSlot, slotCount, slotOf, type Slot } from './slot.ts';
export {
  formatSlotRange,
  formatSlotRanges,
  parseSlotList,
  rangesWhere,
  splitSlots,
  type SlotRange,
} from './slot-range.ts';
export { TopologyRefusal } from './refusal.ts';
export {
  clientEndpoint,
  isNodeId,
  nodeIdLength,
  noVersion,
  parseVersion,
  type ClientView,
  type ClusterNode,
  type MasterNode,
  type NodeId,
  type ReplicaNode,
  type Version,
} from './cluster-node.ts';
export {
  canonicalHost,
  endpointKey,
  isHostName,
  isIpAddress,
  isIpv4,
  isIpv6,
  parseEndpoint,
  sameEndpoint,
} from './host.ts';
export {
  formatNodeLine,
  nodeErrors,
  parseNodeLines,
  parseNodes,
  type NumberedLine,
  type ParsedNodes,
} from './node-lines.ts';
export { findByAddress, judgeVersion, Topology, topologyErrors } from './topology.ts';
export { formatNodesConf, parseNodesConf } from './nodes-conf.ts';
export {
  clusterInfoText,
  clusterNodesText,
  clusterShards,
  clusterSlots,
  controlPortOffset,
  formatClientEndpoint,
  movedError,
  replicaTexts,
  type ShardEntry,
  type ShardNode,
  type SlotsEntry,
  type SlotsEntryNode,
  type ViewContext,
} from './views.ts';
