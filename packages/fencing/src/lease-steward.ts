/**
 * One controller's part in the lease of one shard, whether it leads or not: what it promised, what its next heartbeat
 * says, and how it answers "withhold".
 *
 * Every controller heartbeats every node and grants by what its mirror of the store says. It grants the record's epoch
 * only, to the recorded process only, and never an epoch that it withheld: asked to, or because the store went on to a
 * higher one. While that higher epoch is still being brought about, the leader alone knows when the former promises have
 * ended; another controller waits until the node itself says that it acts, which nobody told it before that moment.
 */
import type { Heartbeat, HeartbeatReply } from './heartbeat.ts';
import {
  grant,
  noteToken,
  promiseEndMs,
  startGrantor,
  withhold,
  type Grantor,
  type WithholdAnswer,
} from './lease-grantor.ts';
import { longestLeaseMs, type ShardRecord } from './shard-record.ts';
import type { FenceTimes } from './times.ts';

export interface Steward {
  readonly grantor: Grantor;
}

/**
 * The steward of a controller that has just read the store.
 * @param record `undefined` while the shard has none: then nobody before promised anything.
 */
export function startSteward(nowMs: number, record: ShardRecord | undefined): Steward {
  const started: Steward = { grantor: startGrantor(nowMs, record === undefined ? 0 : longestLeaseMs(record)) };
  return record === undefined ? started : noteRecord(started, record);
}

/** The store shows this record: nothing below its epoch is granted any more. */
export function noteRecord(steward: Steward, record: ShardRecord): Steward {
  const { grantor } = steward;
  if (record.epoch - 1 <= grantor.withheldThrough) return steward;
  return { grantor: withhold(grantor, record.epoch - 1) };
}

export interface HeartbeatFacts {
  readonly record: ShardRecord;
  /** The node the heartbeat goes to. */
  readonly nodeId: string;
  /** Its last reply. */
  readonly reply: HeartbeatReply | undefined;
  readonly controllerId: string;
  /** Fence F2. */
  readonly isLeased: boolean;
  /** The leader, about to promote: the former promises have ended. */
  readonly isGranting: boolean;
  /** `isPromoted` of the transition's plan. */
  readonly isPromoted: boolean;
  readonly times: FenceTimes;
  /** Lease clock. */
  readonly nowMs: number;
}

/** The next heartbeat to a node, and with it whether a lease is granted. To be sent right after. */
export function composeHeartbeat(
  steward: Steward,
  facts: HeartbeatFacts,
): { readonly steward: Steward; readonly heartbeat: Heartbeat } {
  const { record, reply } = facts;
  const { masterId, leaseMs, epoch } = record;
  const token = reply?.leaseToken ?? '';
  const silent: Heartbeat = { masterId, leaseMs, epoch, token: '', controllerId: '' };
  if (!facts.isLeased) return { steward, heartbeat: { ...silent, token } };
  // A node that is not armed would take its own name for a grant, counted from arrival as upstream does.
  if (reply?.armed !== true) return { steward, heartbeat: { ...silent, masterId: '-' } };
  if (!mayGrant(facts, reply)) return { steward, heartbeat: silent };
  const granted = grant(steward.grantor, { epoch, token, leaseMs });
  if (granted.kind === 'not-granted') return { steward, heartbeat: silent };
  return { steward: { grantor: granted.grantor }, heartbeat: { ...silent, token, controllerId: facts.controllerId } };
}

function mayGrant({ record, nodeId, controllerId, isGranting, isPromoted }: HeartbeatFacts, reply: HeartbeatReply) {
  if (nodeId !== record.masterId || reply.processId !== record.processId) return false;
  if (record.controllers.length > 0 && !record.controllers.includes(controllerId)) return false;
  const acts = reply.epoch === record.epoch && reply.role === 'master';
  return record.transition === null || isGranting || isPromoted || acts;
}

export interface ReplyFacts {
  readonly record: ShardRecord;
  readonly nodeId: string;
  readonly reply: HeartbeatReply | undefined;
  /** Lease clock. */
  readonly arrivedMs: number;
}

/** Notes when the master's token arrived; tokens of others are of no use. */
export function noteHeartbeatReply(steward: Steward, { record, nodeId, reply, arrivedMs }: ReplyFacts): Steward {
  if (nodeId !== record.masterId || reply === undefined) return steward;
  const grantor = noteToken(steward.grantor, reply.leaseToken, arrivedMs);
  return grantor === steward.grantor ? steward : { grantor };
}

/** What a controller says when it was asked to withhold `epoch`. */
export interface Withheld {
  readonly epoch: number;
  /** How long its own longest promise may still run, whole ms, rounded up. */
  readonly remainingMs: number;
}

/** Grants `epoch` and those below no more, and says for how long that may not yet have ended. */
export function withholdAnswer(
  steward: Steward,
  epoch: number,
  nowMs: number,
): { readonly steward: Steward; readonly answer: Withheld } {
  const grantor = withhold(steward.grantor, epoch);
  const remainingMs = Math.max(0, Math.ceil(grantor.promiseEndsMs - nowMs));
  return { steward: { grantor }, answer: { epoch, remainingMs } };
}

/** The answer as the asking leader counts it: from when it arrived, which is later, plus a hundredth. */
export function countWithheld(controllerId: string, answer: Withheld, arrivedMs: number): WithholdAnswer {
  return { controllerId, promiseEndsMs: promiseEndMs(arrivedMs, answer.remainingMs) };
}
