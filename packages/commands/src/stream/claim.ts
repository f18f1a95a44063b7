/**
 * Pending entries that change hands: XCLAIM, XAUTOCLAIM. An entry that was deleted from the stream meanwhile cannot be
 * claimed; it stops being pending.
 */
import { StreamId, type PendingEntry, type StreamConsumer } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, type Call, type CommandDefinition } from '../command.ts';
import { spanOfArgument } from '../data/arguments.ts';
import { FormerOwners, consumerOf, openGroup, type OpenGroup } from './consumer-names.ts';
import { replyEntry } from './entry-reply.ts';
import { int64NumberOf, invalidId, startOf, strictIdOf } from './ids.ts';
import type { StreamTypes } from './stream-types.ts';

/** What a claim works on: the group, who takes, and who had it before. */
class Claim {
  readonly types: StreamTypes;
  readonly nowMs: number;
  readonly opened: OpenGroup;
  readonly consumer: StreamConsumer;
  readonly #owners: FormerOwners;

  constructor(types: StreamTypes, call: Call, opened: OpenGroup, request: Request) {
    this.types = types;
    this.nowMs = call.nowMs;
    this.opened = opened;
    this.consumer = consumerOf(types, call, opened, spanOfArgument(request, 3));
    this.#owners = new FormerOwners(types, opened.group);
  }

  /** Forgets a pending entry whose stream entry is gone. */
  forget({ id, consumer }: PendingEntry): void {
    const { group } = this.opened;
    this.types.groups.erasePending(group, id);
    this.#owners.release(consumer, this.consumer);
    group.pending = Math.max(0, group.pending - 1);
  }

  /** Gives a pending entry to the consumer. Its time and deliveries are the caller's to set. */
  take(entry: PendingEntry, isNew: boolean): void {
    const { group } = this.opened;
    if (isNew) group.pending++;
    else this.#owners.release(entry.consumer, this.consumer);
    this.consumer.pending++;
    this.consumer.activeMs = this.nowMs;
    entry.consumer = this.consumer.name;
    this.types.groups.putPending(group, entry);
  }

  /** Writes what the pending entries' records do not say. */
  finish(): void {
    const { groups } = this.types;
    groups.put(this.opened.group);
    this.#owners.put();
    groups.putConsumer(this.opened.group, this.consumer);
  }
}

/** Writes a claimed entry, which is the one just fetched. */
function replyClaimed({ streams }: StreamTypes, id: StreamId, isJustId: boolean, reply: ReplyWriter): void {
  if (isJustId) reply.bulkLatin1(id.toString());
  else replyEntry(id, streams.value, reply);
}

interface ClaimInput {
  readonly request: Request;
  readonly minIdleMs: number;
  readonly ids: readonly StreamId[];
  idleMs: number | undefined;
  timeMs: number | undefined;
  deliveries: number | undefined;
  isForced: boolean;
  isJustId: boolean;
  lastId: StreamId | undefined;
}

/** Reads the option at `index`. @returns the index behind it. */
function parseClaimOption(request: Request, index: number, into: ClaimInput): number | Refusal {
  if (request.is(index, 'force')) into.isForced = true;
  else if (request.is(index, 'justid')) into.isJustId = true;
  else if (index + 1 < request.count) return parseClaimValue(request, index, into);
  else return unknownOption(request, index);
  return index + 1;
}

function parseClaimValue(request: Request, index: number, into: ClaimInput): number | Refusal {
  if (request.is(index, 'lastid')) {
    into.lastId = strictIdOf(request, index + 1);
    return into.lastId === undefined ? new Refusal(invalidId) : index + 2;
  }
  const value = int64NumberOf(request, index + 1);
  if (request.is(index, 'idle')) into.idleMs = value;
  else if (request.is(index, 'time')) into.timeMs = value;
  else if (request.is(index, 'retrycount')) into.deliveries = value;
  else return unknownOption(request, index);
  if (value !== undefined) return index + 2;
  return new Refusal(`ERR Invalid ${request.latin1(index).toUpperCase()} option argument for XCLAIM`);
}

function unknownOption(request: Request, index: number): Refusal {
  return new Refusal(`ERR Unrecognized XCLAIM option '${request.latin1(index)}'`);
}

function parseClaim(request: Request): ClaimInput | Refusal {
  const minIdleMs = int64NumberOf(request, 4);
  if (minIdleMs === undefined) return new Refusal('ERR Invalid min-idle-time argument for XCLAIM');
  const ids: StreamId[] = [];
  let index = 5;
  for (; index < request.count; index++) {
    const id = strictIdOf(request, index);
    if (id === undefined) break;
    ids.push(id);
  }
  const input: ClaimInput = {
    request,
    minIdleMs,
    ids,
    idleMs: undefined,
    timeMs: undefined,
    deliveries: undefined,
    isForced: false,
    isJustId: false,
    lastId: undefined,
  };
  while (index < request.count) {
    const next = parseClaimOption(request, index, input);
    if (next instanceof Refusal) return next;
    index = next;
  }
  return input;
}

/** When the claimed entries count as delivered. */
function deliveredMsOf({ idleMs, timeMs }: ClaimInput, nowMs: number): number {
  const wanted = timeMs ?? (idleMs === undefined ? nowMs : nowMs - idleMs);
  return wanted < 0 || wanted > nowMs ? nowMs : wanted;
}

/** How often an entry counts as delivered after it was claimed. */
function deliveriesOf({ deliveries, isJustId }: ClaimInput, before: number): number {
  if (deliveries !== undefined && deliveries >= 0) return Math.min(deliveries, Number.MAX_SAFE_INTEGER);
  return isJustId ? before : before + 1;
}

/** Claims one entry if it may be. @returns whether it was, and written to `list`. */
function claimOne(claim: Claim, input: ClaimInput, id: StreamId, list: ReplyWriter): boolean {
  const { types, nowMs } = claim;
  const { group } = claim.opened;
  const found = types.groups.findPending(group, id);
  if (!types.streams.fetchEntry(id)) {
    if (found !== undefined) claim.forget(found);
    return false;
  }
  if (found === undefined && !input.isForced) return false;
  if (found !== undefined && input.minIdleMs > 0 && nowMs - found.deliveredMs < input.minIdleMs) return false;
  replyClaimed(types, id, input.isJustId, list);
  const entry = found ?? { id, consumer: claim.consumer.name, deliveredMs: 0, deliveries: 1 };
  entry.deliveredMs = deliveredMsOf(input, nowMs);
  entry.deliveries = deliveriesOf(input, entry.deliveries);
  claim.take(entry, found === undefined);
  return true;
}

function xClaim(types: StreamTypes): CommandDefinition {
  return define<ClaimInput>({
    name: 'xclaim',
    arity: -6,
    flags: ['write', 'fast'],
    keys: firstKey,
    group: 'stream',
    since: '5.0.0',
    complexity: 'O(N) with N being the number of ids.',
    summary: 'Gives pending entries of a group to a consumer.',
    parse: parseClaim,
    run(call, input, reply) {
      const opened = openGroup(types, call, input.request, reply);
      if (opened === undefined) return;
      const { lastDelivered } = opened.group;
      if (input.lastId !== undefined && input.lastId.compare(lastDelivered) > 0) lastDelivered.set(input.lastId);
      const claim = new Claim(types, call, opened, input.request);
      const list = reply.body();
      let count = 0;
      for (const id of input.ids) if (claimOne(claim, input, id, list)) count++;
      claim.finish();
      reply.array(count);
      reply.raw(list.take());
    },
  });
}

interface AutoClaimInput {
  readonly request: Request;
  readonly minIdleMs: number;
  readonly from: StreamId;
  readonly count: number;
  readonly isJustId: boolean;
}

/** Pending entries looked at for each one that may be claimed. */
const attemptsPerEntry = 10;
/** As in Redis, where the ids of that many deleted entries must fit an allocation. */
const countEnd = 2 ** 59;

function parseAutoClaim(request: Request): AutoClaimInput | Refusal {
  const minIdleMs = int64NumberOf(request, 4);
  if (minIdleMs === undefined) return new Refusal('ERR Invalid min-idle-time argument for XAUTOCLAIM');
  const from = startOf(request, 5);
  if (from instanceof Refusal) return from;
  let count = 100;
  let isJustId = false;
  for (let index = 6; index < request.count; index++) {
    if (request.is(index, 'justid')) isJustId = true;
    else if (request.is(index, 'count') && index + 1 < request.count) {
      count = int64NumberOf(request, ++index) ?? 0;
      if (count < 1 || count >= countEnd) return new Refusal('ERR COUNT must be > 0');
    } else return new Refusal(errors.syntax);
  }
  return { request, minIdleMs, from, count, isJustId };
}

/** What XAUTOCLAIM answers besides the entries themselves. */
interface Claimed {
  count: number;
  readonly deleted: string[];
  /** Where to go on; 0-0 when all were looked at. */
  next: string;
}

function claimFrom(claim: Claim, input: AutoClaimInput, list: ReplyWriter): Claimed {
  const { types, nowMs } = claim;
  const { streams, groups } = types;
  const claimed: Claimed = { count: 0, deleted: [], next: '0-0' };
  let attempts = input.count * attemptsPerEntry;
  const pending = groups.iterate(claim.opened.group, { from: input.from });
  try {
    while (claimed.count + claimed.deleted.length < input.count && attempts-- > 0) {
      if (!pending.next()) return claimed;
      const entry = pending.entry();
      if (!streams.fetchEntry(entry.id)) {
        claim.forget(entry);
        claimed.deleted.push(entry.id.toString());
        continue;
      }
      if (input.minIdleMs > 0 && nowMs - entry.deliveredMs < input.minIdleMs) continue;
      replyClaimed(types, entry.id, input.isJustId, list);
      entry.deliveredMs = nowMs;
      if (!input.isJustId) entry.deliveries++;
      claim.take(entry, false);
      claimed.count++;
    }
    if (pending.next()) claimed.next = pending.id.toString();
    return claimed;
  } finally {
    pending.close();
  }
}

function xAutoClaim(types: StreamTypes): CommandDefinition {
  return define<AutoClaimInput>({
    name: 'xautoclaim',
    arity: -6,
    flags: ['write', 'fast'],
    keys: firstKey,
    group: 'stream',
    since: '6.2.0',
    complexity: 'O(1) if COUNT is small.',
    summary: 'Gives the pending entries of a group that have been idle for a while to a consumer.',
    parse: parseAutoClaim,
    run(call, input, reply) {
      const opened = openGroup(types, call, input.request, reply);
      if (opened === undefined) return;
      const claim = new Claim(types, call, opened, input.request);
      const list = reply.body();
      const { count, deleted, next } = claimFrom(claim, input, list);
      claim.finish();
      reply.array(3);
      reply.bulkLatin1(next);
      reply.array(count);
      reply.raw(list.take());
      reply.array(deleted.length);
      for (const id of deleted) reply.bulkLatin1(id);
    },
  });
}

export function claimCommands(types: StreamTypes): CommandDefinition[] {
  return [xClaim(types), xAutoClaim(types)];
}
