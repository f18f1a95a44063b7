export { Refusal, define, errors, firstKey, noKeys } from './command.ts';
export type { Call, CommandDefinition, CommandFlag, KeySpec } from './command.ts';
export { notify, type EventClass, type KeyEvents } from './events.ts';
export { sliceElements, slicedAbove, type SlicePort, type SlicedReply } from './sliced.ts';
export type { Wait, WaitPort } from './waiting.ts';
export type { LongRun, TurnPort } from './turns.ts';
export { commandsReference } from './reference.ts';
export { dataCommands, type DataSettings } from './data/families.ts';
export type { Deferred, HarmlessWait, Session } from './session.ts';
export { CommandTable, arityFits, keysOf } from './table.ts';
export { clusterCommands } from './cluster/index.ts';
export type {
  ClusterPort,
  LeasePort,
  LeaseReply,
  PendingLeaseReply,
  SlotKeysPort,
  TopologyPort,
} from './cluster/port.ts';
export { replicationCommands } from './replication/index.ts';
export type { Announcement, ReplicationPort, RoleFacts } from './replication/port.ts';
export { connectionCommands } from './connection/index.ts';
export type { ClientFacts, ConnectionPort } from './connection/port.ts';
export { serverCommands } from './server/index.ts';
export type { ConfigurationPort, ServerPort } from './server/port.ts';
export type { LatencyFacts, LatencySpike, SpikeFacts, SpikeLog } from './server/latency.ts';
export type { EntryLog, ObservationPort, SampledCommand, SlowCommand } from './server/observation.ts';
export type { SpacePort } from './server/space.ts';
export type { Updates, UpdatesPort, UpdatesRequest } from './server/updates.ts';
export type { UpkeepPort } from './server/upkeep.ts';
export { namespaceCommands, type NamespacePort } from './namespace/index.ts';
export { rdbCommand, type RdbFilePort } from './generic/load-file.ts';
export { moveXCommand, type MovePort } from './generic/move.ts';
export { transactionCommands } from './transaction/index.ts';
export type { TransactionPort } from './transaction/port.ts';
export { pubSubCommands } from './pubsub/index.ts';
export type { PubSubPort, SubscriptionKind } from './pubsub/port.ts';
export { scriptingCommands } from './scripting/index.ts';
export { flagsOfWords, parseLibraryHead, parseScriptHead, plainFlags, type ScriptFlags } from './scripting/shebang.ts';
export type {
  FunctionFacts,
  FunctionStats,
  LibraryFacts,
  RunningScript,
  ScriptCall,
  ScriptingPort,
} from './scripting/port.ts';
