export { acceptShard, disarm, resign, type AcceptedShard, type Resigned, type ShardEffect } from './accept-shard.ts';
export { formatFenceConf, parseFenceConf, type ParsedFenceConf } from './fence-conf.ts';
export {
  actingRole,
  checkFenceRecord,
  fencedRole,
  leaseModes,
  unarmedRecord,
  type FenceRecord,
  type IsrMember,
  type LeaseMode,
  type OwnIdentity,
  type Refused,
  type ShardMessage,
} from './fence-record.ts';
export {
  admit,
  gateErrors,
  heldUntilMs,
  holdsLease,
  lapseLimitMs,
  mayCommit,
  mayRelease,
  type Admission,
  type CommandKind,
  type CommitDecision,
  type GateFacts,
  type ReleaseDecision,
} from './gate.ts';
export {
  formatHeartbeatArguments,
  formatHeartbeatReply,
  parseHeartbeatArguments,
  parseHeartbeatReply,
  type Heartbeat,
  type HeartbeatReply,
  type NodeHealth,
} from './heartbeat.ts';
export { isNodeId, isRandomId, leaseMsBounds, makeRandomId, maxEpoch, parseWhole } from './ids.ts';
export { formatToken, parseToken, type LeaseToken } from './lease-token.ts';
export {
  closedWord,
  isLeaseValid,
  masteredWord,
  packWord,
  renewedWord,
  unpackWord,
  type LeaseWord,
} from './lease-word.ts';
export {
  majorityDeadlineMs,
  noLease,
  noUnarmedLease,
  renew,
  renewUnarmed,
  type LeaseState,
  type NotRenewed,
  type Renewal,
  type RenewFacts,
  type UnarmedLease,
  type UnarmedRenewal,
} from './renew.ts';
export { formatShardArguments, parseShardArguments } from './shard-message.ts';
