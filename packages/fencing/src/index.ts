export {
  acceptShard,
  disarm,
  resign,
  stepDown,
  type AcceptedShard,
  type Resigned,
  type ShardEffect,
} from './accept-shard.ts';
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
  type ReplicationMode,
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
export {
  canAct,
  elect,
  nextIsr,
  reaches,
  type Candidate,
  type Elected,
  type Election,
  type NodeView,
} from './candidate.ts';
export {
  decideFailover,
  electFor,
  planHealthSwitchover,
  type ElectionRequest,
  type FailoverDecision,
  type FailoverFacts,
  type Suspicion,
} from './failover-plan.ts';
export {
  stepDetector,
  suspectAtMs,
  watchNode,
  type Detector,
  type DetectorEffect,
  type DetectorEvent,
  type DetectorNow,
  type DetectorStep,
} from './failure-detector.ts';
export {
  grant,
  noteToken,
  promiseEndMs,
  promisesEndMs,
  startGrantor,
  withhold,
  type Grant,
  type Grantor,
  type GrantRequest,
  type WithholdAnswer,
} from './lease-grantor.ts';
export {
  announce,
  checkShardRecord,
  checkShardSuccession,
  drainsClients,
  finish,
  longestLeaseMs,
  publishedMasterId,
  shardMessageOf,
  takeEpoch,
  type NewEpoch,
  type ShardRecord,
  type Transition,
} from './shard-record.ts';
export { mayFollowControllers, nextControllers } from './controllers.ts';
export { decideSwitchover, nearSequences, type SwitchoverDecision, type SwitchoverFacts } from './switchover-plan.ts';
export { checkTimes, fenceTimes, type FenceTimes, type TimeSettings } from './times.ts';
export {
  clearedAtMs,
  isPromoted,
  planTransition,
  type TransitionFacts,
  type TransitionPlan,
  type TransitionStep,
} from './transition-plan.ts';
export {
  formatAttachArguments,
  formatAttachReply,
  judgeAttach,
  parseAttachArguments,
  parseAttachReply,
  type AttachReply,
  type AttachRequest,
  type AttachVerdict,
} from './attach.ts';
export {
  beginEpoch,
  commonPoint,
  compareLogEnds,
  epochHistoryKey,
  epochHistoryMax,
  formatEpochHistory,
  logEnd,
  parseEpochHistory,
  type EpochHistory,
  type EpochStart,
  type LogEnd,
  type LogOutline,
} from './epoch-history.ts';
export {
  beginInSync,
  checkInSync,
  effectiveIsr,
  isWritable,
  isrRequestOf,
  nextLookMs,
  releasableThrough,
  stepInSync,
  type FollowerLink,
  type InSync,
  type InSyncEvent,
  type InSyncFacts,
  type Joining,
} from './in-sync.ts';
export {
  formatIsrRequest,
  judgeIsrRequest,
  parseIsrRequest,
  type IsrDecision,
  type IsrRequest,
} from './isr-request.ts';
export {
  composeHeartbeat,
  countWithheld,
  noteHeartbeatReply,
  noteRecord,
  startSteward,
  withholdAnswer,
  type HeartbeatFacts,
  type ReplyFacts,
  type Steward,
  type Withheld,
} from './lease-steward.ts';
export { confirmedProbe, noProbes, noteProbeAnswer, startProbe, type ReadProbes } from './read-probe.ts';
export { noteLapse, type Lapse } from './lapse.ts';
export { formerEpochEndMs, grantedLeaseMs, leaseUseOf, type FormerEpoch, type LeaseUse } from './lease-use.ts';
export { tellNode, type Telling, type TellingFacts } from './node-telling.ts';
export {
  decideReach,
  isUnreached,
  unreachedCause,
  type BalancerView,
  type ReachDecision,
  type ReachFacts,
} from './reach-plan.ts';
