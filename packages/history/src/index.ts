export {
  decodeHistory,
  encodeHistory,
  encodeHistoryHeader,
  encodeOperation,
  historySchema,
  type History,
  type HistoryHeader,
} from './history-file.ts';
export {
  longestGapWithoutWrites,
  lostWrites,
  staleReads,
  type Gap,
  type LostWrite,
  type LostWrites,
  type StaleRead,
} from './judges.ts';
export {
  acknowledgedAfterFence,
  epochsWithTwoMasters,
  isExecutedAfterFence,
  visibleFencedWrites,
  type DoubledEpoch,
  type Evidence,
  type FencedAcknowledgement,
  type Mastership,
  type Pause,
  type VisibleFencedWrite,
} from './masterships.ts';
export {
  byKey,
  describeOperation,
  isAcknowledged,
  isChange,
  isEffect,
  type Acknowledged,
  type Effect,
  type Entry,
  type Operation,
  type Outcome,
  type Phase,
  type Read,
  type Write,
} from './operation.ts';
export { checkRegister, viewRegister, type Cluster, type RegisterFault, type RegisterView } from './register.ts';
export { judge, type Verdict, type Violation, type ViolationKind } from './verdict.ts';
