/**
 * XREADGROUP: a group hands out each entry once (`>`), or shows a consumer what it has got and not acknowledged (an id).
 * It writes also when there is nothing to read: the consumer is made, and has been seen.
 */
import {
  StreamId,
  entriesUpTo,
  hasDeletedFrom,
  unknownEntriesRead,
  type PendingEntry,
  type Span,
  type StreamConsumer,
  type UserKey,
} from '@holdfast/engine';
import type { ReplyWriter } from '@holdfast/resp';
import { define, errors, noKeys, type Call, type CommandDefinition } from '../command.ts';
import { keyOf, spanOfArgument } from '../data/arguments.ts';
import type { Wait } from '../waiting.ts';
import { FormerOwners, consumerOf, noSuchGroup, type OpenGroup } from './consumer-names.ts';
import { replyEntry, type WantedEntries } from './entry-reply.ts';
import { announceStreams, hasAfter, entriesAfter, replyName } from './read.ts';
import { parseRead, readKeys, type ReadFrom, type ReadInput } from './read-arguments.ts';
import type { StreamTypes } from './stream-types.ts';

interface StreamOfGroup {
  readonly key: UserKey;
  readonly from: ReadFrom;
  readonly isMsAlone: boolean;
}

interface GroupRead {
  readonly streams: readonly StreamOfGroup[];
  readonly group: Span;
  readonly consumer: Span;
  readonly count: number;
  readonly isNoAck: boolean;
}

/** What a first look at the streams says: an error line, or whether there is something to answer with. */
type Look = 'served' | 'nothing' | { readonly error: string };

function look({ streams, groups }: StreamTypes, nowMs: number, read: GroupRead): Look {
  let isServed = false;
  for (const { key, from } of read.streams) {
    const found = streams.open(key, nowMs);
    if (found === 'wrong-type') return { error: errors.wrongType };
    const group = found === 'found' ? groups.find(read.group) : undefined;
    if (group === undefined) return { error: `${noSuchGroup(key, read.group)} in XREADGROUP with GROUP option` };
    if (from instanceof StreamId || hasAfter(streams, group.lastDelivered)) isServed = true;
  }
  return isServed ? 'served' : 'nothing';
}

const id = new StreamId();

/** Hands out the entries behind the last one delivered. @returns how many were written to `list`. */
function handOut(
  types: StreamTypes,
  call: Call,
  read: GroupRead,
  { opened: { group }, consumer }: { opened: OpenGroup; consumer: StreamConsumer },
  list: ReplyWriter,
): number {
  const { streams, groups } = types;
  const wanted = entriesAfter(group.lastDelivered, read.count);
  const mayBePending = mayBePendingFrom(types, group, wanted);
  const owners = new FormerOwners(types, group);
  const entries = streams.iterateEntries({ from: wanted.from, to: wanted.to });
  let count = 0;
  try {
    for (; count < read.count && entries.next(); count++) {
      streams.readId(entries, id);
      replyEntry(id, entries.value, list);
      if (group.entriesRead !== unknownEntriesRead && !hasDeletedFrom(streams, id)) group.entriesRead++;
      else if (streams.entriesAdded > 0n) group.entriesRead = entriesUpTo(streams, id);
      group.lastDelivered.set(id);
      if (read.isNoAck) continue;
      const former = mayBePending ? groups.findPending(group, id) : undefined;
      if (former === undefined) group.pending++;
      else owners.release(former.consumer, consumer);
      consumer.pending++;
      groups.putPending(group, { id, consumer: consumer.name, deliveredMs: call.nowMs, deliveries: 1 });
    }
  } finally {
    entries.close();
  }
  if (count > 0) consumer.activeMs = call.nowMs;
  owners.put();
  return count;
}

/** Entries of which each is looked up; of more, one seek tells whether any may be pending. */
const lookedUpEach = 16;

/** Whether entries ahead may be somebody's already: after XGROUP SETID back, or XCLAIM FORCE. */
function mayBePendingFrom({ groups }: StreamTypes, group: OpenGroup['group'], { from, count }: WantedEntries): boolean {
  if (group.pending === 0) return false;
  if (count <= lookedUpEach) return true;
  const pending = groups.iterate(group, { from });
  try {
    return pending.next();
  } finally {
    pending.close();
  }
}

interface Replay {
  readonly group: OpenGroup['group'];
  readonly consumer: StreamConsumer;
  readonly after: StreamId;
  readonly isMsAlone: boolean;
}

/**
 * Shows a pending entry, counted as delivered once more; without its fields, and not counted, when it was deleted.
 */
function showPending(
  { streams, groups }: StreamTypes,
  call: Call,
  to: Replay,
  pending: PendingEntry,
  list: ReplyWriter,
): void {
  if (streams.fetchEntry(pending.id)) {
    replyEntry(pending.id, streams.value, list);
    const deliveries = pending.deliveries + 1;
    groups.putPending(to.group, { ...pending, deliveredMs: call.nowMs, deliveries });
    return;
  }
  list.array(2);
  list.bulkLatin1(pending.id.toString());
  list.nilArray();
}

/** Shows the consumer's own pending entries behind an id. @returns how many. */
function replay(types: StreamTypes, call: Call, read: GroupRead, to: Replay, list: ReplyWriter): number {
  const { streams, groups } = types;
  const { group, consumer, after } = to;
  let count = 0;
  // Redis begins behind the id, Kvrocks at it, and the suite of each holds it to that: Kvrocks' with an entry that was
  // deleted and an id without its sequence, as nobody gives it who goes on from what was shown before. That one is shown.
  const itself = to.isMsAlone && !streams.fetchEntry(after) ? groups.findPending(group, after) : undefined;
  if (itself?.consumer.equals(consumer.name) === true) {
    showPending(types, call, to, itself, list);
    count++;
  }
  const pending = groups.iterate(group, { from: entriesAfter(after, 0).from });
  try {
    while (count < Math.min(read.count, consumer.pending) && pending.next()) {
      if (!pending.isOf(consumer.name)) continue;
      showPending(types, call, to, pending.entry(), list);
      count++;
    }
  } finally {
    pending.close();
  }
  return count;
}

/** Reads all streams of `read`, of which at least one has something to answer with or the consumer is to be noted. */
function serve(types: StreamTypes, call: Call, read: GroupRead, reply: ReplyWriter): void {
  const { streams, groups } = types;
  const body = reply.body();
  const list = reply.body();
  let served = 0;
  for (const { key, from, isMsAlone } of read.streams) {
    streams.open(key, call.nowMs);
    const group = groups.find(read.group);
    if (group === undefined) continue;
    const opened = { key, group };
    const consumer = consumerOf(types, call, opened, read.consumer);
    let count: number | undefined;
    if (from instanceof StreamId) {
      count = replay(types, call, read, { group, consumer, after: from, isMsAlone }, list);
    } else if (hasAfter(streams, group.lastDelivered)) count = handOut(types, call, read, { opened, consumer }, list);
    groups.put(group);
    groups.putConsumer(group, consumer);
    if (count === undefined) continue;
    served++;
    replyName(key, body);
    body.array(count);
    body.raw(list.take());
  }
  if (served === 0) return;
  announceStreams(served, reply);
  reply.raw(body.take());
}

function ownedSpan({ buffer, start, end }: Span): Span {
  const bytes = Buffer.from(buffer.subarray(start, end));
  return { buffer: bytes, start: 0, end: bytes.length };
}

function waitFor(types: StreamTypes, read: GroupRead, timeoutMs: number): Wait {
  const kept: GroupRead = {
    ...read,
    streams: read.streams.map((one) => ({ ...one, key: { namespace: one.key.namespace, ...ownedSpan(one.key) } })),
    group: ownedSpan(read.group),
    consumer: ownedSpan(read.consumer),
  };
  return {
    keys: kept.streams.map(({ key }) => key.buffer),
    timeoutMs,
    retry(call, reply) {
      const seen = look(types, call.nowMs, kept);
      if (seen === 'nothing') return false;
      if (seen === 'served') serve(types, call, kept, reply);
      else reply.error(seen.error);
      return true;
    },
    expire: (reply) => reply.nilArray(),
  };
}

function runReadGroup(types: StreamTypes, call: Call, input: ReadInput, reply: ReplyWriter): void {
  const { request, group = 0 } = input;
  const read: GroupRead = {
    streams: input.from.map((from, i) => ({
      key: keyOf(call, request, input.firstKey + i),
      from,
      isMsAlone: input.isMsAlone[i] === true,
    })),
    group: spanOfArgument(request, group),
    consumer: spanOfArgument(request, group + 1),
    count: input.count,
    isNoAck: input.isNoAck,
  };
  const seen = look(types, call.nowMs, read);
  if (typeof seen === 'object') return reply.error(seen.error);
  serve(types, call, read, reply);
  if (seen === 'served') return;
  if (input.blockMs === undefined || call.waits === undefined) return reply.nilArray();
  call.waits.begin(waitFor(types, read, input.blockMs));
}

export function xReadGroup(types: StreamTypes): CommandDefinition {
  return define<ReadInput>({
    name: 'xreadgroup',
    arity: -7,
    flags: ['write', 'slow', 'blocking'],
    keys: noKeys,
    keyIndexes: readKeys,
    group: 'stream',
    since: '5.0.0',
    complexity: 'O(N) with N being the number of entries returned; of the history, of entries pending in the group.',
    summary: 'Hands new entries to a consumer of a group, or shows it those it has not acknowledged. May wait.',
    parse: (request) => parseRead(request, true),
    run: (call, input, reply) => runReadGroup(types, call, input, reply),
  });
}
