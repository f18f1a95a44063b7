/**
 * What the master of one epoch waits for before it answers: every member of its effective ISR.
 *
 * The store may confirm, at any moment and without the master knowing yet, whatever the master has proposed. So the
 * master waits for a superset of every ISR that the store can have: the confirmed one plus every node that it proposed
 * for addition since that version (`adding`), also when that proposal was since replaced by another. A node leaves only
 * with a record of a higher isr-version that lacks it; a shrink counts when confirmed, and a timeout proves nothing.
 *
 * A node is proposed only when it already has everything that was released. Under steady load it would never quite
 * be there, as it is one round trip behind a master that answers alone. Therefore a node that is near first *joins*: for
 * a short while the master waits for it without proposing it, until it has what was released before, and only then it is
 * proposed. Joining was seen by nobody, so it can be given up at any time.
 *
 * Acknowledgements count only on a link attached in this epoch with the log that the member was recorded with. State and
 * rules only; links, clocks and heartbeats are the node's. One state per mastership.
 */
import { assert } from '@holdfast/base';
import type { IsrMember, ShardMessage } from './fence-record.ts';
import { handedOutAtMs, noteGrowth, type GrowthMark } from './growth-marks.ts';
import type { IsrRequest } from './isr-request.ts';

/** What is known of one follower that has attached in this epoch. */
export interface FollowerLink {
  readonly nodeId: string;
  /** The log it attached with. */
  readonly logId: string;
  /** Everything up to it is in that log. */
  readonly ackedSequence: number;
  readonly state: 'attached' | 'closed' | 'reset';
  /** Lease clock of the last attach or detach. */
  readonly sinceMs: number;
  /** A member that attached with less than it had acknowledged with the same log: not to be relied upon. */
  readonly hasLost: boolean;
  /** Lease clock at which `markSequence` was the latest; renewed each time the follower reaches it. */
  readonly markMs: number;
  readonly markSequence: number;
  /** It reached the last mark soon enough to be waited for. */
  readonly isNear: boolean;
}

/** A node that is waited for and not yet proposed. */
export interface Joining {
  readonly member: IsrMember;
  /** Lease clock at which waiting for it ends. */
  readonly untilMs: number;
}

export interface InSync {
  readonly ownId: string;
  readonly epoch: number;
  readonly isrVersion: number;
  /** Of the newest record. */
  readonly confirmed: readonly IsrMember[];
  /** Proposed for addition to `isrVersion`, in the order of the proposals. */
  readonly adding: readonly IsrMember[];
  readonly joining: Joining | undefined;
  /** What may have been released so far; never goes back. */
  readonly releasedThrough: number;
  readonly links: ReadonlyMap<string, FollowerLink>;
  /** When which part of the log was handed out, as far as somebody has not acknowledged it. */
  readonly growth: readonly GrowthMark[];
  /** Lease clock of the first step. */
  readonly beganMs: number | undefined;
  readonly request: IsrRequest | undefined;
}

export interface InSyncFacts {
  /** Lease clock. */
  readonly nowMs: number;
  readonly isrTimeoutMs: number;
  /** Counts the master. */
  readonly minIsr: number;
  /** Of the own log. */
  readonly latestSequence: number;
}

export type InSyncEvent =
  /** A SHARD of the same epoch; an isr-version that is not higher is a repetition. */
  | { readonly kind: 'record'; readonly record: ShardMessage }
  /** `judgeAttach` said that it counts and PSYNC was granted; everything up to `sequence` is there. */
  | { readonly kind: 'attached'; readonly nodeId: string; readonly logId: string; readonly sequence: number }
  /** Only from a link attached so. */
  | { readonly kind: 'ack'; readonly nodeId: string; readonly sequence: number }
  | { readonly kind: 'detached'; readonly nodeId: string; readonly isReset: boolean }
  /** Time passed, or the log grew. */
  | { readonly kind: 'look' };

/** The state of a node that takes the mastership of `record`. */
export function beginInSync(record: ShardMessage, ownId: string): InSync {
  return {
    ownId,
    epoch: record.epoch,
    isrVersion: record.isrVersion,
    confirmed: record.isr,
    adding: [],
    joining: undefined,
    releasedThrough: 0,
    links: new Map(),
    growth: [],
    beganMs: undefined,
    request: undefined,
  };
}

/** One transition. Asserts the invariants of what comes out. */
export function stepInSync(state: InSync, event: InSyncEvent, facts: InSyncFacts): InSync {
  // Until this instant the former state licensed releases; what it licensed at most counts as released.
  const releasedBefore = releasableThrough(state, facts);
  const beganMs = state.beganMs ?? facts.nowMs;
  const noted = withEvent({ ...state, beganMs, releasedThrough: releasedBefore }, event, facts);
  const isBehind = watched(noted).map(({ nodeId }) => noted.links.get(nodeId)?.ackedSequence ?? 0);
  const grown = { ...noted, growth: noteGrowth(noted.growth, facts, Math.min(facts.latestSequence, ...isBehind)) };
  const chosen = choose(grown, facts);
  const next = { ...chosen, releasedThrough: releasableThrough(chosen, facts) };
  assert(next.releasedThrough >= state.releasedThrough, 'what was released stays released');
  checkInSync(next);
  return next;
}

function withEvent(state: InSync, event: InSyncEvent, facts: InSyncFacts): InSync {
  switch (event.kind) {
    case 'record':
      return withRecord(state, event.record);
    case 'attached':
      return withLink(state, attachedLink(state, event, facts));
    case 'ack':
      return withAck(state, event.nodeId, event.sequence, facts);
    case 'detached': {
      const link = state.links.get(event.nodeId);
      if (link?.state !== 'attached') return state;
      const sinceMs = facts.nowMs;
      return withLink(state, { ...link, state: event.isReset ? 'reset' : 'closed', sinceMs, isNear: false });
    }
    case 'look':
      return state;
    default:
      return event satisfies never;
  }
}

/** A higher version answers every proposal made for the one before: confirmed, or void for ever. */
function withRecord(state: InSync, record: ShardMessage): InSync {
  assert(record.epoch === state.epoch, `a record of epoch ${record.epoch} in the mastership of ${state.epoch}`);
  if (record.isrVersion <= state.isrVersion) return state;
  const joining = record.isr.some(({ nodeId }) => nodeId === state.joining?.member.nodeId) ? undefined : state.joining;
  const links = new Map(state.links);
  // Who is a member no more starts anew: it is proposed again when it has everything.
  for (const link of state.links.values())
    if (link.hasLost && !record.isr.some(({ nodeId }) => nodeId === link.nodeId))
      links.set(link.nodeId, { ...link, hasLost: false });
  const { isrVersion, isr: confirmed } = record;
  return { ...state, isrVersion, confirmed, adding: [], joining, links, request: undefined };
}

function attachedLink(
  state: InSync,
  { nodeId, logId, sequence }: InSyncEvent & { readonly kind: 'attached' },
  { nowMs, latestSequence }: InSyncFacts,
): FollowerLink {
  const before = state.links.get(nodeId);
  const isKnown = before?.logId === logId && isWatched(state, nodeId);
  return {
    nodeId,
    logId,
    ackedSequence: sequence,
    state: 'attached',
    sinceMs: nowMs,
    hasLost: isKnown && (before.hasLost || sequence < before.ackedSequence),
    markMs: nowMs,
    markSequence: latestSequence,
    isNear: sequence >= latestSequence,
  };
}

function withAck(state: InSync, nodeId: string, sequence: number, facts: InSyncFacts): InSync {
  const link = state.links.get(nodeId);
  if (link?.state !== 'attached' || sequence <= link.ackedSequence) return state;
  const acked = { ...link, ackedSequence: sequence };
  if (sequence < link.markSequence) return withLink(state, acked);
  const isNear = facts.nowMs - link.markMs <= nearMs(facts);
  return withLink(state, { ...acked, isNear, markMs: facts.nowMs, markSequence: facts.latestSequence });
}

function withLink(state: InSync, link: FollowerLink): InSync {
  return { ...state, links: new Map(state.links).set(link.nodeId, link) };
}

/** A follower that is not further behind than this is worth being waited for. */
function nearMs({ isrTimeoutMs }: InSyncFacts): number {
  return isrTimeoutMs / 5;
}

/** The effective ISR without the master: everybody that the store may have confirmed by now. */
function watched(state: InSync): readonly IsrMember[] {
  return [...state.confirmed, ...state.adding].filter(({ nodeId }) => nodeId !== state.ownId);
}

function isWatched(state: InSync, id: string): boolean {
  return state.confirmed.some(({ nodeId }) => nodeId === id) || state.adding.some(({ nodeId }) => nodeId === id);
}

/** Lease clock from which the member is to be removed; now or earlier: at once; Infinity: it is well. */
function overdueAtMs(state: InSync, member: IsrMember, { isrTimeoutMs, nowMs }: InSyncFacts): number {
  const link = state.links.get(member.nodeId);
  if (link === undefined) return (state.beganMs ?? nowMs) + isrTimeoutMs;
  if (link.logId !== member.logId || link.hasLost || link.state === 'reset') return -Infinity;
  const missingMs = handedOutAtMs(state.growth, link.ackedSequence);
  return Math.min(missingMs, link.state === 'attached' ? Infinity : link.sinceMs) + isrTimeoutMs;
}

/** What to propose now: first whoever holds everybody up, then what was proposed already, then a newcomer. */
function choose(state: InSync, facts: InSyncFacts): InSync {
  const overdue = watched(state).filter((member) => overdueAtMs(state, member, facts) <= facts.nowMs);
  const asked = state.request?.change === '-' ? state.request.member : undefined;
  const leaving = overdue.find((member) => isSame(member, asked)) ?? overdue[0];
  if (leaving !== undefined) return { ...state, joining: undefined, request: requestOf(state, '-', leaving) };
  const pending = state.adding.at(-1);
  if (pending !== undefined) return { ...state, request: requestOf(state, '+', pending) };
  return admitNewcomer({ ...state, request: undefined }, facts);
}

function admitNewcomer(state: InSync, facts: InSyncFacts): InSync {
  const joining = state.joining ?? beginJoining(state, facts);
  if (joining === undefined) return state;
  const { member, untilMs } = joining;
  const link = state.links.get(member.nodeId);
  if (link?.state !== 'attached' || link.logId !== member.logId) return { ...state, joining: undefined };
  if (link.ackedSequence >= state.releasedThrough)
    return { ...state, joining: undefined, adding: [member], request: requestOf(state, '+', member) };
  if (facts.nowMs < untilMs) return { ...state, joining };
  const late = { ...link, isNear: false, markMs: facts.nowMs, markSequence: facts.latestSequence };
  return { ...withLink(state, late), joining: undefined };
}

function beginJoining(state: InSync, facts: InSyncFacts): Joining | undefined {
  for (const { nodeId, logId, ...link } of state.links.values()) {
    if (isWatched(state, nodeId) || nodeId === state.ownId || link.state !== 'attached') continue;
    const isFresh = link.isNear && facts.nowMs - link.markMs <= facts.isrTimeoutMs;
    if (isFresh || link.ackedSequence >= facts.latestSequence)
      return { member: { nodeId, logId }, untilMs: facts.nowMs + 2 * nearMs(facts) };
  }
  return undefined;
}

function requestOf(state: InSync, change: '+' | '-', member: IsrMember): IsrRequest {
  return { epoch: state.epoch, isrVersion: state.isrVersion, change, member };
}

function isSame(a: IsrMember, b: IsrMember | undefined): boolean {
  return a.nodeId === b?.nodeId && a.logId === b.logId;
}

/**
 * Up to which sequence answers may leave: what all of the effective ISR (and who is joining) acknowledged. Does not grow
 * while fewer members than min-isr are confirmed. Alone, the own log is the measure.
 */
export function releasableThrough(state: InSync, { minIsr, latestSequence }: InSyncFacts): number {
  if (state.confirmed.length < minIsr) return state.releasedThrough;
  let through = latestSequence;
  for (const member of state.confirmed)
    if (member.nodeId !== state.ownId) through = Math.min(through, ackedBy(state, member));
  for (const member of state.adding) through = Math.min(through, ackedBy(state, member));
  if (state.joining !== undefined) through = Math.min(through, ackedBy(state, state.joining.member));
  return Math.max(state.releasedThrough, through);
}

/** 0 as long as the member has not attached in this epoch with its recorded log. */
function ackedBy(state: InSync, member: IsrMember): number {
  const link = state.links.get(member.nodeId);
  return link === undefined || link.logId !== member.logId || link.hasLost ? 0 : link.ackedSequence;
}

/** False: answer writes with NOREPLICAS, since too few members are confirmed to keep them. */
export function isWritable(state: InSync, { minIsr }: InSyncFacts): boolean {
  return state.confirmed.length >= minIsr;
}

/** What the next heartbeat reply asks for; the same until a higher isr-version answers it or it is replaced. */
export function isrRequestOf(state: InSync): IsrRequest | undefined {
  return state.request;
}

/** Everybody that the store may have confirmed, the master included: whose word proves that no other epoch began. */
export function effectiveIsr(state: InSync): readonly IsrMember[] {
  return [...state.confirmed, ...state.adding];
}

/** Lease clock at which time alone changes something (`look` then); `undefined`: never. */
export function nextLookMs(state: InSync, facts: InSyncFacts): number | undefined {
  let atMs = state.joining?.untilMs ?? Infinity;
  for (const member of watched(state)) {
    const overdueMs = overdueAtMs(state, member, facts);
    if (overdueMs > facts.nowMs) atMs = Math.min(atMs, overdueMs);
  }
  return atMs === Infinity ? undefined : atMs;
}

/** @throws InvariantError when a state contradicts itself. */
export function checkInSync(state: InSync): void {
  const { confirmed, adding, joining, request, ownId } = state;
  const members = [...confirmed, ...adding, ...(joining === undefined ? [] : [joining.member])];
  assert(new Set(members.map(({ nodeId }) => nodeId)).size === members.length, 'a node is waited for once');
  assert(!adding.some(({ nodeId }) => nodeId === ownId), 'the master does not propose itself');
  if (request === undefined) return;
  assert(joining === undefined, 'nobody joins while something is proposed');
  assert(request.epoch === state.epoch && request.isrVersion === state.isrVersion, 'a request is for the known record');
  const among = request.change === '+' ? adding : [...confirmed, ...adding];
  assert(
    among.some((member) => isSame(member, request.member)),
    `a request (${request.change}) for a node that is not waited for`,
  );
  assert(request.member.nodeId !== ownId, 'the master stays a member');
}
