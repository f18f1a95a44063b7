/** XINFO: what a stream, its groups and their consumers are like. */
import {
  StreamId,
  highestEntryId,
  lagOf,
  unknownEntriesRead,
  type StreamConsumer,
  type StreamGroup,
} from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, errors, type Call, type CommandDefinition } from '../command.ts';
import { keyOf, spanOfArgument } from '../data/arguments.ts';
import { openCollection } from '../data/open-collection.ts';
import { commandWithRows, subCommand, type SubCommand } from '../sub-command.ts';
import { gatherEntries, replyEntry } from './entry-reply.ts';
import { withHelpAlone } from './groups.ts';
import { int64NumberOf } from './ids.ts';
import { textOf, type StreamTypes } from './stream-types.ts';

interface StreamInput {
  readonly request: Request;
  /** Entries and pending entries that FULL shows of each; undefined without FULL. */
  readonly fullCount: number | undefined;
}

function parseStream(request: Request): StreamInput | Refusal {
  if (request.count === 3) return { request, fullCount: undefined };
  const isFull = request.is(3, 'full') && (request.count === 4 || request.count === 6);
  if (!isFull || (request.count === 6 && !request.is(4, 'count'))) {
    return new Refusal(
      `ERR unknown subcommand or wrong number of arguments for '${request.latin1(1)}'. Try XINFO HELP.`,
    );
  }
  const count = request.count === 4 ? 10 : int64NumberOf(request, 5);
  if (count === undefined) return new Refusal(errors.notInteger);
  return { request, fullCount: count === 0 ? Infinity : count < 0 ? 10 : count };
}

function field(name: string, reply: ReplyWriter): void {
  reply.bulkLatin1(name);
}

/** The fields that both forms of XINFO STREAM begin with. */
function replyCounters({ streams, settings }: StreamTypes, reply: ReplyWriter): void {
  // Redis keeps entries in nodes of a tree. There are none here; these are the numbers it would have.
  const nodes = Math.ceil(streams.size / settings.nodeMaxEntries);
  field('length', reply);
  reply.integer(streams.size);
  field('radix-tree-keys', reply);
  reply.integer(nodes);
  field('radix-tree-nodes', reply);
  reply.integer(nodes + 1);
  field('last-generated-id', reply);
  reply.bulkLatin1(streams.lastGenerated.toString());
  field('max-deleted-entry-id', reply);
  reply.bulkLatin1(streams.maxDeleted.toString());
  field('entries-added', reply);
  reply.integer(streams.entriesAdded);
  field('recorded-first-entry-id', reply);
  reply.bulkLatin1(streams.recordedFirst.toString());
}

/** Writes the entry of an id, nil when there is none. */
function replyEdge({ streams }: StreamTypes, id: StreamId, reply: ReplyWriter): void {
  if (streams.size > 0 && streams.fetchEntry(id)) replyEntry(id, streams.value, reply);
  else reply.nil();
}

function replyShort(types: StreamTypes, reply: ReplyWriter): void {
  const { streams } = types;
  reply.map(10);
  replyCounters(types, reply);
  field('groups', reply);
  reply.integer(streams.groups);
  field('first-entry', reply);
  replyEdge(types, streams.first, reply);
  field('last-entry', reply);
  replyEdge(types, streams.last, reply);
}

/** What a group has read and what it lags behind, nil where it cannot be told. */
function replyPosition({ streams }: StreamTypes, group: StreamGroup, reply: ReplyWriter): void {
  field('last-delivered-id', reply);
  reply.bulkLatin1(group.lastDelivered.toString());
  field('entries-read', reply);
  if (group.entriesRead === unknownEntriesRead) reply.nil();
  else reply.integer(group.entriesRead);
  field('lag', reply);
  const lag = lagOf(streams, group);
  if (lag === undefined) reply.nil();
  else reply.integer(lag);
}

/** Pending entries of a group, or of one consumer of it. */
function replyPending(
  { groups }: StreamTypes,
  group: StreamGroup,
  of: StreamConsumer | undefined,
  most: number,
  reply: ReplyWriter,
): void {
  const body = reply.body();
  const wanted = Math.min(most, of?.pending ?? group.pending);
  const pending = groups.iterate(group, {});
  let count = 0;
  try {
    while (count < wanted && pending.next()) {
      if (of !== undefined && !pending.isOf(of.name)) continue;
      count++;
      body.array(of === undefined ? 4 : 3);
      body.bulkLatin1(pending.id.toString());
      if (of === undefined) body.bulk(pending.consumer.buffer, pending.consumer.start, pending.consumer.end);
      body.integer(pending.deliveredMs);
      body.integer(pending.deliveries);
    }
  } finally {
    pending.close();
  }
  reply.array(count);
  reply.raw(body.take());
}

function replyFullConsumer(
  types: StreamTypes,
  group: StreamGroup,
  consumer: StreamConsumer,
  most: number,
  reply: ReplyWriter,
): void {
  reply.map(5);
  field('name', reply);
  reply.bulk(consumer.name);
  field('seen-time', reply);
  reply.integer(consumer.seenMs);
  field('active-time', reply);
  reply.integer(consumer.activeMs === 0 ? -1 : consumer.activeMs);
  field('pel-count', reply);
  reply.integer(consumer.pending);
  field('pending', reply);
  replyPending(types, group, consumer, most, reply);
}

function replyFullGroup(types: StreamTypes, group: StreamGroup, most: number, reply: ReplyWriter): void {
  reply.map(7);
  field('name', reply);
  reply.bulk(group.name);
  replyPosition(types, group, reply);
  field('pel-count', reply);
  reply.integer(group.pending);
  field('pending', reply);
  replyPending(types, group, undefined, most, reply);
  field('consumers', reply);
  const consumers = types.groups.consumers(group);
  reply.array(consumers.length);
  for (const consumer of consumers) replyFullConsumer(types, group, consumer, most, reply);
}

function replyFull(types: StreamTypes, most: number, reply: ReplyWriter): void {
  const { streams, groups } = types;
  reply.map(9);
  replyCounters(types, reply);
  field('entries', reply);
  const body = reply.body();
  const all = { from: new StreamId(), to: highestEntryId, reverse: false, count: most };
  reply.array(gatherEntries(streams, all, Infinity, body) ?? 0);
  reply.raw(body.take());
  field('groups', reply);
  const list = groups.list();
  reply.array(list.length);
  for (const group of list) replyFullGroup(types, group, most, reply);
}

/** Opens the stream that argument 2 names; false when the error line was written. */
function openNamed({ streams }: StreamTypes, call: Call, request: Request, reply: ReplyWriter): boolean {
  const opened = openCollection(streams, keyOf(call, request, 2), call.nowMs, reply);
  if (opened === 'absent') reply.error(errors.noSuchKey);
  return opened === 'found';
}

function stream(types: StreamTypes): SubCommand {
  return subCommand<StreamInput>({
    name: 'stream',
    arity: -3,
    usage: '<key> [FULL [COUNT <count>]]',
    summary: 'Tells what a stream is like; FULL shows entries, groups and consumers too.',
    parse: parseStream,
    run(call, { request, fullCount }, reply) {
      if (!openNamed(types, call, request, reply)) return;
      if (fullCount === undefined) replyShort(types, reply);
      else replyFull(types, fullCount, reply);
    },
  });
}

function groupsOf(types: StreamTypes): SubCommand {
  return subCommand<Request>({
    name: 'groups',
    arity: 3,
    usage: '<key>',
    summary: 'Tells what the groups of a stream are like.',
    parse: (request) => request,
    run(call, request, reply) {
      if (!openNamed(types, call, request, reply)) return;
      const groups = types.groups.list();
      reply.array(groups.length);
      for (const group of groups) {
        reply.map(6);
        field('name', reply);
        reply.bulk(group.name);
        field('consumers', reply);
        reply.integer(group.consumers);
        field('pending', reply);
        reply.integer(group.pending);
        replyPosition(types, group, reply);
      }
    },
  });
}

function consumersOf(types: StreamTypes): SubCommand {
  return subCommand<Request>({
    name: 'consumers',
    arity: 4,
    usage: '<key> <groupname>',
    summary: 'Tells what the consumers of a group are like.',
    parse: (request) => request,
    run(call, request, reply) {
      if (!openNamed(types, call, request, reply)) return;
      const name = spanOfArgument(request, 3);
      const group = types.groups.find(name);
      if (group === undefined) {
        const key = textOf(keyOf(call, request, 2));
        return reply.error(`NOGROUP No such consumer group '${textOf(name)}' for key name '${key}'`);
      }
      const consumers = types.groups.consumers(group);
      reply.array(consumers.length);
      for (const consumer of consumers) {
        reply.map(4);
        field('name', reply);
        reply.bulk(consumer.name);
        field('pending', reply);
        reply.integer(consumer.pending);
        field('idle', reply);
        reply.integer(Math.max(0, call.nowMs - consumer.seenMs));
        field('inactive', reply);
        reply.integer(consumer.activeMs === 0 ? -1 : Math.max(0, call.nowMs - consumer.activeMs));
      }
    },
  });
}

export function xInfo(types: StreamTypes): CommandDefinition {
  const definition = commandWithRows({
    name: 'xinfo',
    flags: ['readonly', 'slow'],
    group: 'stream',
    since: '5.0.0',
    summary: 'Tells what a stream, its groups and their consumers are like.',
    rows: [consumersOf(types), groupsOf(types), stream(types)],
  });
  return withHelpAlone(definition as CommandDefinition);
}
