/** What was handed out and is not done: XACK, XPENDING. */
import { StreamId, type StreamGroup } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, type Call, type CommandDefinition } from '../command.ts';
import { keyOf, spanOfArgument } from '../data/arguments.ts';
import { openCollection } from '../data/open-collection.ts';
import { FormerOwners, openGroup } from './consumer-names.ts';
import { endOf, idsFrom, int64NumberOf, startOf } from './ids.ts';
import { type StreamTypes } from './stream-types.ts';

function xAck(types: StreamTypes): CommandDefinition {
  const { streams, groups } = types;
  return define<{ readonly request: Request; readonly ids: readonly StreamId[] }>({
    name: 'xack',
    arity: -4,
    flags: ['write', 'fast', 'no-dbsize-check'],
    keys: firstKey,
    group: 'stream',
    since: '5.0.0',
    complexity: 'O(N) with N being the number of ids.',
    summary: 'Says that entries handed out by a group are done.',
    parse(request) {
      const ids = idsFrom(request, 3);
      return ids instanceof Refusal ? ids : { request, ids };
    },
    run(call, { request, ids }, reply) {
      const opened = openCollection(streams, keyOf(call, request, 1), call.nowMs, reply);
      if (opened === undefined) return;
      const group = opened === 'found' ? groups.find(spanOfArgument(request, 2)) : undefined;
      if (group === undefined) return reply.integer(0);
      const owners = new FormerOwners(types, group);
      let done = 0;
      for (const id of ids) {
        const pending = groups.findPending(group, id);
        if (pending === undefined) continue;
        groups.erasePending(group, id);
        owners.release(pending.consumer);
        done++;
      }
      if (done > 0) {
        group.pending = Math.max(0, group.pending - done);
        groups.put(group);
        owners.put();
      }
      reply.integer(done);
    },
  });
}

interface PendingInput {
  readonly request: Request;
  /** Undefined for the summary. */
  readonly list?: {
    readonly from: StreamId;
    readonly to: StreamId;
    readonly count: number;
    readonly minIdleMs: number;
    /** Index of the consumer's name; undefined for all. */
    readonly consumer: number | undefined;
  };
}

function parsePending(request: Request): PendingInput | Refusal {
  if (request.count === 3) return { request };
  if (request.count < 6 || request.count > 9) return new Refusal(errors.syntax);
  let first = 3;
  let minIdleMs = 0;
  if (request.is(3, 'idle')) {
    const idle = int64NumberOf(request, 4);
    if (idle === undefined) return new Refusal(errors.notInteger);
    if (request.count < 8) return new Refusal(errors.syntax);
    minIdleMs = idle;
    first = 5;
  }
  if (request.count > first + 4) return new Refusal(errors.syntax);
  const count = int64NumberOf(request, first + 2);
  if (count === undefined) return new Refusal(errors.notInteger);
  const from = startOf(request, first);
  if (from instanceof Refusal) return from;
  const to = endOf(request, first + 1);
  if (to instanceof Refusal) return to;
  const consumer = request.count > first + 3 ? first + 3 : undefined;
  return { request, list: { from, to, count: Math.max(0, count), minIdleMs, consumer } };
}

/** The lowest or the highest id pending in a group. */
function edgeOf({ groups }: StreamTypes, group: StreamGroup, reverse: boolean): string | undefined {
  const pending = groups.iterate(group, { reverse });
  try {
    return pending.next() ? pending.id.toString() : undefined;
  } finally {
    pending.close();
  }
}

function replySummary(types: StreamTypes, group: StreamGroup, reply: ReplyWriter): void {
  const lowest = group.pending > 0 ? edgeOf(types, group, false) : undefined;
  const highest = lowest === undefined ? undefined : edgeOf(types, group, true);
  reply.array(4);
  if (lowest === undefined || highest === undefined) {
    reply.integer(0);
    reply.nil();
    reply.nil();
    return reply.nilArray();
  }
  reply.integer(group.pending);
  reply.bulkLatin1(lowest);
  reply.bulkLatin1(highest);
  const consumers = types.groups.consumers(group).filter(({ pending }) => pending > 0);
  reply.array(consumers.length);
  for (const { name, pending } of consumers) {
    reply.array(2);
    reply.bulk(name);
    reply.bulkLatin1(String(pending));
  }
}

function replyList(
  types: StreamTypes,
  call: Call,
  group: StreamGroup,
  { request, list }: PendingInput & { readonly list: NonNullable<PendingInput['list']> },
  reply: ReplyWriter,
): void {
  const name = list.consumer === undefined ? undefined : spanOfArgument(request, list.consumer);
  const consumer = name === undefined ? undefined : types.groups.findConsumer(group, name);
  if (name !== undefined && consumer === undefined) return reply.array(0);
  if (list.from.compare(list.to) > 0) return reply.array(0);
  // Of one consumer's entries no more have to be looked for than it has.
  let left = consumer?.pending ?? Infinity;
  const body = reply.body();
  const pending = types.groups.iterate(group, { from: list.from, to: list.to });
  let count = 0;
  try {
    while (count < list.count && left > 0 && pending.next()) {
      if (consumer !== undefined && !pending.isOf(consumer.name)) continue;
      left--;
      const idleMs = Math.max(0, call.nowMs - pending.deliveredMs);
      if (idleMs < list.minIdleMs) continue;
      count++;
      body.array(4);
      body.bulkLatin1(pending.id.toString());
      body.bulk(pending.consumer.buffer, pending.consumer.start, pending.consumer.end);
      body.integer(idleMs);
      body.integer(pending.deliveries);
    }
  } finally {
    pending.close();
  }
  reply.array(count);
  reply.raw(body.take());
}

function xPending(types: StreamTypes): CommandDefinition {
  return define<PendingInput>({
    name: 'xpending',
    arity: -3,
    flags: ['readonly', 'slow'],
    keys: firstKey,
    group: 'stream',
    since: '5.0.0',
    complexity: 'O(N) with N being the number of entries looked at: of one consumer, those of the whole group.',
    summary: 'Tells which entries a group has handed out that are not acknowledged.',
    parse: parsePending,
    run(call, input, reply) {
      const opened = openGroup(types, call, input.request, reply);
      if (opened === undefined) return;
      const { request, list } = input;
      if (list === undefined) replySummary(types, opened.group, reply);
      else replyList(types, call, opened.group, { request, list }, reply);
    },
  });
}

export function pendingCommands(types: StreamTypes): CommandDefinition[] {
  return [xAck(types), xPending(types)];
}
