/** Asking for members: SCARD, SISMEMBER, SMISMEMBER, SMEMBERS, SSCAN. Members come in byte order, as they are stored. */
import type { DataTypes, EntryIterator, Sets } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, firstKey, type Call, type CommandDefinition } from '../command.ts';
import { itself, keyOf, spanOfArgument } from '../data/arguments.ts';
import { EntrySlices } from '../data/entry-slices.ts';
import { openCollection } from '../data/open-collection.ts';
import { parseScanOptions, type ScanOptions } from '../data/scan-options.ts';
import { replyScanStep } from '../data/scan-step.ts';
import { slicedAbove } from '../sliced.ts';

function sCard(sets: Sets): CommandDefinition {
  return define<Request>({
    name: 'scard',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: firstKey,
    group: 'set',
    since: '1.0.0',
    complexity: 'O(1)',
    summary: 'Returns the number of members of a set.',
    parse: itself,
    run(call, request, reply) {
      const opened = openCollection(sets, keyOf(call, request, 1), call.nowMs, reply);
      if (opened !== undefined) reply.integer(sets.size);
    },
  });
}

function sIsMember(sets: Sets): CommandDefinition {
  return define<Request>({
    name: 'sismember',
    arity: 3,
    flags: ['readonly', 'fast'],
    keys: firstKey,
    group: 'set',
    since: '1.0.0',
    complexity: 'O(1)',
    summary: 'Tells whether a set has a member.',
    parse: itself,
    run(call, request, reply) {
      const opened = openCollection(sets, keyOf(call, request, 1), call.nowMs, reply);
      if (opened !== undefined) reply.integer(sets.has(spanOfArgument(request, 2)) ? 1 : 0);
    },
  });
}

function sMIsMember(sets: Sets): CommandDefinition {
  return define<Request>({
    name: 'smismember',
    arity: -3,
    flags: ['readonly', 'fast'],
    keys: firstKey,
    group: 'set',
    since: '6.2.0',
    complexity: 'O(N) where N is the number of members asked for.',
    summary: 'Tells for several members whether a set has them.',
    parse: itself,
    run(call, request, reply) {
      if (openCollection(sets, keyOf(call, request, 1), call.nowMs, reply) === undefined) return;
      reply.array(request.count - 2);
      for (let index = 2; index < request.count; index++) {
        reply.integer(sets.has(spanOfArgument(request, index)) ? 1 : 0);
      }
    },
  });
}

/**
 * Writes the open set. The header is written from the size in its metadata; should fewer or more members turn up, the
 * reply is cut off and written again with what there really is, so that the client never loses step.
 */
function replyMembers(sets: Sets, call: Call, reply: ReplyWriter): void {
  const { prefixLength } = sets;
  const write = ({ key }: EntryIterator, into: ReplyWriter): void =>
    into.bulk(key.buffer, key.start + prefixLength, key.end);
  let announced = sets.size;
  const mark = reply.mark();
  reply.set(announced);
  if (announced > slicedAbove && call.slices !== undefined) {
    const entries = sets.iterate({ keysOnly: true, detached: true });
    return call.slices.begin(new EntrySlices(entries, announced, write));
  }
  for (;;) {
    const entries = sets.iterate({ keysOnly: true, passing: announced });
    let count = 0;
    try {
      for (; entries.next(); count++) write(entries, reply);
    } finally {
      entries.close();
    }
    if (count === announced) return;
    announced = count;
    reply.truncate(mark);
    reply.set(announced);
  }
}

function sMembers(sets: Sets): CommandDefinition {
  return define<Request>({
    name: 'smembers',
    arity: 2,
    flags: ['readonly', 'slow'],
    keys: firstKey,
    group: 'set',
    since: '1.0.0',
    complexity: 'O(N) where N is the number of members.',
    summary: 'Returns all members of a set.',
    parse: itself,
    run(call, request, reply) {
      const opened = openCollection(sets, keyOf(call, request, 1), call.nowMs, reply);
      if (opened === 'absent') reply.set(0);
      else if (opened === 'found') replyMembers(sets, call, reply);
    },
  });
}

interface ScanInput {
  readonly request: Request;
  readonly options: ScanOptions;
}

function sScan({ cursors }: DataTypes, sets: Sets): CommandDefinition {
  return define<ScanInput>({
    name: 'sscan',
    arity: -3,
    flags: ['readonly', 'slow'],
    keys: firstKey,
    group: 'set',
    since: '2.8.0',
    complexity: 'O(1) for every call, O(N) for a whole iteration, N being the number of members.',
    summary: 'Iterates over the members of a set.',
    parse(request) {
      const options = parseScanOptions(request, 2, {});
      return options instanceof Refusal ? options : { request, options };
    },
    run(call, { request, options }, reply) {
      const opened = openCollection(sets, keyOf(call, request, 1), call.nowMs, reply);
      if (opened !== undefined) replyScanStep(opened === 'found' ? sets : undefined, cursors, options, reply);
    },
  });
}

export function setReadCommands(types: DataTypes, sets: Sets): CommandDefinition[] {
  return [sCard(sets), sIsMember(sets), sMIsMember(sets), sMembers(sets), sScan(types, sets)];
}
