export { AcknowledgementWaits, type WaitRequest } from './acknowledgement-waits.ts';
export { CheckpointSource, type CheckpointSourceEnvironment } from './checkpoint-source.ts';
export { openRepaired, swapDirectories } from './directory-swap.ts';
export {
  isCheckpointFile,
  replicationPaths,
  type FileReader,
  type FileWriter,
  type ReplicationFiles,
  type ReplicationPaths,
} from './files.ts';
export { FollowerSet, type FollowerSetEnvironment } from './follower-set.ts';
export { Follower, type FollowerFacts, type FollowerIdentity } from './follower.ts';
export { frameBatches, StreamDecoder, type StreamItem } from './framing.ts';
export { runFullSync, type FullSyncEnvironment } from './full-sync.ts';
export {
  promptAckCapability,
  stepLink,
  stoppedLink,
  type LinkSettings,
  type LogPosition,
  type RewindOutcome,
} from './link-state.ts';
export { decidePsync, IdHistory, openPlace, psyncRefusals, type LogPlace, type PsyncRequest } from './psync.ts';
export { ReplicaLink, type LinkEnvironment, type LinkFacts } from './replica-link.ts';
export type { LogDatabase, ReplicatedLog } from './replicated-log.ts';
export { drawReplicationId, replicationIdKey, storedReplicationId } from './replication-id.ts';
export { readBatchHeader, replicationIdLength, summarizeBatch, type BatchSummary } from './write-batch.ts';
export {
  keepBeforeFullSync,
  resumeRewind,
  rewindLog,
  type RewindEnvironment,
  type RewindLog,
} from './rewind/rewind.ts';
export {
  listRollback,
  rollbackPaths,
  type RollbackEntry,
  type RollbackPaths,
  type RollbackSource,
} from './rewind/rollback-directory.ts';
export { RollbackFileReader, type RollbackTotals } from './rewind/rollback-file.ts';
export { epochsWithin, lastEpoch, mayBeAcknowledged, type GivenUp } from './rewind/rollback-header.ts';
export { operationsOf, type CommandWords, type Operation } from './rewind/operations.ts';
