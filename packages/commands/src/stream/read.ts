/**
 * XREAD: entries behind an id, of several streams, waiting for them if asked to. What `$` stands for is settled when the
 * command arrives, so that nothing is missed between two attempts.
 */
import { StreamId, highestEntryId, type UserKey } from '@holdfast/engine';
import type { ReplyWriter } from '@holdfast/resp';
import { define, errors, noKeys, type Call, type CommandDefinition } from '../command.ts';
import { keyOf } from '../data/arguments.ts';
import { slicedAbove } from '../sliced.ts';
import type { Wait } from '../waiting.ts';
import { EntriesPart, SlicedEntries, gatherEntries, type WantedEntries } from './entry-reply.ts';
import { parseRead, readKeys, type ReadInput } from './read-arguments.ts';
import type { StreamTypes } from './stream-types.ts';

/** One stream to be read, behind an id. */
export interface StreamRead {
  readonly key: UserKey;
  readonly after: StreamId;
}

/** The entries behind an id. */
export function entriesAfter(after: StreamId, count: number): WantedEntries {
  const from = after.copy();
  return { from: from.increment() ? from : after, to: highestEntryId, reverse: false, count };
}

/** Begins the reply's item of one stream: its name, whose entries follow. */
export function replyName({ buffer, start, end }: UserKey, reply: ReplyWriter): void {
  if (reply.protocol === 2) reply.array(2);
  reply.bulk(buffer, start, end);
}

/** Announces `count` streams: pairs of name and entries, which RESP3 calls a map. */
export function announceStreams(count: number, reply: ReplyWriter): void {
  if (reply.protocol === 3) reply.map(count);
  else reply.array(count);
}

/** Whether the open stream has entries behind `id`. */
export function hasAfter(streams: StreamTypes['streams'], id: StreamId): boolean {
  return streams.size > 0 && streams.last.compare(id) > 0;
}

/** The reads whose stream has something to show now. */
function ready({ streams }: StreamTypes, nowMs: number, reads: readonly StreamRead[]): StreamRead[] {
  return reads.filter(({ key, after }) => streams.open(key, nowMs) === 'found' && hasAfter(streams, after));
}

/** Writes what there is; more than a few thousand entries in slices, where that may be. */
function replyReads(types: StreamTypes, call: Call, reads: readonly StreamRead[], count: number, reply: ReplyWriter) {
  const { streams } = types;
  const body = reply.body();
  const list = reply.body();
  let room = call.slices === undefined ? Infinity : slicedAbove;
  for (const { key, after } of reads) {
    streams.open(key, call.nowMs);
    const written = gatherEntries(streams, entriesAfter(after, count), room, list);
    if (written === undefined) return replySliced(types, call, reads, count, reply);
    room -= written;
    replyName(key, body);
    body.array(written);
    body.raw(list.take());
  }
  announceStreams(reads.length, reply);
  reply.raw(body.take());
}

function replySliced(types: StreamTypes, call: Call, reads: readonly StreamRead[], count: number, reply: ReplyWriter) {
  const parts = reads.map(({ key, after }, i) => {
    const head = reply.body();
    if (i === 0) announceStreams(reads.length, head);
    replyName(key, head);
    types.streams.open(key, call.nowMs);
    return new EntriesPart(types.streams, entriesAfter(after, count), head.take());
  });
  call.slices?.begin(new SlicedEntries(parts));
}

/** Reads with bytes of their own, for a wait. */
function owned(reads: readonly StreamRead[]): StreamRead[] {
  return reads.map(({ key: { namespace, buffer, start, end }, after }) => {
    const bytes = Buffer.from(buffer.subarray(start, end));
    return { key: { namespace, buffer: bytes, start: 0, end: bytes.length }, after };
  });
}

function waitFor(types: StreamTypes, reads: readonly StreamRead[], count: number, timeoutMs: number): Wait {
  const kept = owned(reads);
  return {
    keys: kept.map(({ key }) => key.buffer),
    timeoutMs,
    // A key that meanwhile holds something else may become a stream again: as in Redis, it is waited for.
    retry(call, reply) {
      const found = ready(types, call.nowMs, kept);
      if (found.length > 0) replyReads(types, call, found, count, reply);
      return found.length > 0;
    },
    // Kvrocks' `$-1`, which its suite asserts; Redis says `*-1`, and clients take either for nothing.
    expire: (reply) => reply.nil(),
  };
}

function runRead(types: StreamTypes, call: Call, input: ReadInput, reply: ReplyWriter): void {
  const { streams } = types;
  const reads: StreamRead[] = [];
  for (const [i, from] of input.from.entries()) {
    const key = keyOf(call, input.request, input.firstKey + i);
    const found = streams.open(key, call.nowMs);
    if (found === 'wrong-type') return reply.error(errors.wrongType);
    const now = found === 'found' ? streams.lastGenerated.copy() : new StreamId();
    reads.push({ key, after: from instanceof StreamId ? from : now });
  }
  const found = ready(types, call.nowMs, reads);
  if (found.length > 0) return replyReads(types, call, found, input.count, reply);
  const { blockMs } = input;
  if (blockMs === undefined) return reply.nilArray();
  if (call.waits === undefined) return reply.nil();
  call.waits.begin(waitFor(types, reads, input.count, blockMs));
}

export function xRead(types: StreamTypes): CommandDefinition {
  return define<ReadInput>({
    name: 'xread',
    arity: -4,
    flags: ['readonly', 'slow', 'blocking'],
    keys: noKeys,
    keyIndexes: readKeys,
    group: 'stream',
    since: '5.0.0',
    complexity: 'O(N) with N being the number of entries returned.',
    summary: 'Returns the entries of several streams behind an id of each. May wait until there are some.',
    parse: (request) => parseRead(request, false),
    run: (call, input, reply) => runRead(types, call, input, reply),
  });
}
