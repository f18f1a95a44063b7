/** XGROUP: groups of a stream and their consumers. */
import {
  StreamId,
  unknownEntriesRead,
  type Span,
  type StreamGroup,
  type Streams,
  type UserKey,
} from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, errors, type Call, type CommandDefinition } from '../command.ts';
import { keyOf, spanOfArgument } from '../data/arguments.ts';
import { openCollection } from '../data/open-collection.ts';
import { notify } from '../events.ts';
import { commandWithRows, subCommand, type SubCommand } from '../sub-command.ts';
import { idOf, invalidId } from './ids.ts';
import { textOf, type StreamTypes } from './stream-types.ts';

const keyRequired =
  'ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option ' +
  'to create an empty stream automatically.';

/** XGROUP CREATE and SETID: where a group stands. */
interface PositionInput {
  readonly request: Request;
  /** Undefined for `$`. */
  readonly id: StreamId | undefined;
  readonly entriesRead: bigint;
  readonly makesStream: boolean;
}

function parsePosition(request: Request, takesMkStream: boolean): PositionInput | Refusal {
  let entriesRead = unknownEntriesRead;
  let makesStream = false;
  for (let index = 5; index < request.count; index++) {
    if (takesMkStream && request.is(index, 'mkstream')) makesStream = true;
    else if (request.is(index, 'entriesread') && index + 1 < request.count) {
      const count = request.int64(++index);
      if (count === undefined) return new Refusal(errors.notInteger);
      if (count < unknownEntriesRead) return new Refusal('ERR value for ENTRIESREAD must be positive or -1');
      entriesRead = count;
    } else {
      const name = takesMkStream ? 'create' : 'setid';
      return new Refusal(`ERR unknown subcommand or wrong number of arguments for '${name}'. Try XGROUP HELP.`);
    }
  }
  const id = request.is(4, '$') ? undefined : idOf(request, 4);
  if (id === undefined && !request.is(4, '$')) return new Refusal(invalidId);
  return { request, id, entriesRead, makesStream };
}

/** Kvrocks refuses such names, and its suite holds it to that. */
function beginsWithDigit({ buffer, start, end }: Span): boolean {
  const first = start < end ? (buffer[start] as number) : 0;
  return first >= 48 && first <= 57;
}

function runCreate({ streams, groups }: StreamTypes, call: Call, input: PositionInput, reply: ReplyWriter): void {
  const { request, entriesRead } = input;
  const key = keyOf(call, request, 2);
  const name = spanOfArgument(request, 3);
  const opened = openCollection(streams, key, call.nowMs, reply);
  if (opened === undefined) return;
  if (opened === 'absent' && !input.makesStream) return reply.error(keyRequired);
  if (beginsWithDigit(name)) return reply.error('ERR group name cannot start with number');
  if (opened === 'absent') streams.create(key);
  else if (groups.find(name) !== undefined) {
    return reply.error(`BUSYGROUP consumer group name '${textOf(name)}' already exists`);
  }
  groups.put({
    name: Buffer.from(name.buffer.subarray(name.start, name.end)),
    consumers: 0,
    pending: 0,
    lastDelivered: (input.id ?? streams.lastGenerated).copy(),
    entriesRead,
    lag: 0n,
  });
  streams.groups++;
  streams.saveStream(key);
  notify(call, 't', 'xgroup-create', key);
  reply.ok();
}

interface OpenedGroup {
  readonly key: UserKey;
  readonly group: StreamGroup;
  readonly streams: Streams;
}

/** The group that arguments 2 and 3 name; undefined when the error line was written. */
function openNamed(types: StreamTypes, call: Call, request: Request, reply: ReplyWriter): OpenedGroup | undefined {
  const { streams, groups } = types;
  const key = keyOf(call, request, 2);
  const opened = openCollection(streams, key, call.nowMs, reply);
  if (opened === undefined) return undefined;
  const name = spanOfArgument(request, 3);
  const group = opened === 'found' ? groups.find(name) : undefined;
  if (group !== undefined) return { key, group, streams };
  // Without the quotes of Redis: Kvrocks' suite asserts the text.
  if (opened === 'absent') reply.error(keyRequired);
  else reply.error(`NOGROUP No such consumer group ${textOf(name)} for key name ${textOf(key)}`);
  return undefined;
}

function create(types: StreamTypes): SubCommand {
  return subCommand<PositionInput>({
    name: 'create',
    arity: -5,
    usage: '<key> <groupname> <id|$> [MKSTREAM] [ENTRIESREAD <entries-read>]',
    summary: 'Creates a group that has read up to an id; $ is the last one. MKSTREAM creates the stream.',
    parse: (request) => parsePosition(request, true),
    run: (call, input, reply) => runCreate(types, call, input, reply),
  });
}

function setId(types: StreamTypes): SubCommand {
  return subCommand<PositionInput>({
    name: 'setid',
    arity: -5,
    usage: '<key> <groupname> <id|$> [ENTRIESREAD <entries-read>]',
    summary: 'Sets up to which id a group has read.',
    parse: (request) => parsePosition(request, false),
    run(call, { request, id, entriesRead }, reply) {
      const opened = openNamed(types, call, request, reply);
      if (opened === undefined) return;
      const { group, streams, key } = opened;
      group.lastDelivered.set(id ?? streams.lastGenerated);
      group.entriesRead = entriesRead;
      types.groups.put(group);
      notify(call, 't', 'xgroup-setid', key);
      reply.ok();
    },
  });
}

function destroy({ streams, groups }: StreamTypes): SubCommand {
  return subCommand<Request>({
    name: 'destroy',
    arity: 4,
    usage: '<key> <groupname>',
    summary: 'Deletes a group, its consumers and what is pending for them.',
    parse: (request) => request,
    run(call, request, reply) {
      const key = keyOf(call, request, 2);
      const opened = openCollection(streams, key, call.nowMs, reply);
      if (opened === undefined) return;
      if (opened === 'absent') return reply.error(keyRequired);
      const group = groups.find(spanOfArgument(request, 3));
      if (group === undefined) return reply.integer(0);
      groups.remove(group);
      streams.groups = Math.max(0, streams.groups - 1);
      streams.saveStream(key);
      notify(call, 't', 'xgroup-destroy', key);
      reply.integer(1);
    },
  });
}

function createConsumer(types: StreamTypes): SubCommand {
  return subCommand<Request>({
    name: 'createconsumer',
    arity: 5,
    usage: '<key> <groupname> <consumer>',
    summary: 'Creates a consumer in a group.',
    parse: (request) => request,
    run(call, request, reply) {
      const opened = openNamed(types, call, request, reply);
      if (opened === undefined) return;
      const { group, key } = opened;
      const name = spanOfArgument(request, 4);
      if (types.groups.findConsumer(group, name) !== undefined) return reply.integer(0);
      const bytes = Buffer.from(name.buffer.subarray(name.start, name.end));
      types.groups.putConsumer(group, { name: bytes, pending: 0, seenMs: call.nowMs, activeMs: 0 });
      group.consumers++;
      types.groups.put(group);
      notify(call, 't', 'xgroup-createconsumer', key);
      reply.integer(1);
    },
  });
}

function deleteConsumer(types: StreamTypes): SubCommand {
  return subCommand<Request>({
    name: 'delconsumer',
    arity: 5,
    usage: '<key> <groupname> <consumer>',
    summary: 'Deletes a consumer of a group with what is pending for it.',
    parse: (request) => request,
    run(call, request, reply) {
      const opened = openNamed(types, call, request, reply);
      if (opened === undefined) return;
      const { group, key } = opened;
      const consumer = types.groups.findConsumer(group, spanOfArgument(request, 4));
      if (consumer === undefined) return reply.integer(0);
      types.groups.removeConsumer(group, consumer);
      types.groups.put(group);
      notify(call, 't', 'xgroup-delconsumer', key);
      reply.integer(consumer.pending);
    },
  });
}

/** The key of a command on streams with sub-commands; HELP has none. */
export function rowKeys(request: Request): readonly number[] {
  return request.count > 2 && !request.is(1, 'help') ? [2] : [];
}

/** HELP takes nothing. */
export function withHelpAlone(definition: CommandDefinition): CommandDefinition {
  const { name } = definition;
  return {
    ...definition,
    keyIndexes: rowKeys,
    parse: (request) =>
      request.is(1, 'help') && request.count > 2
        ? new Refusal(`ERR wrong number of arguments for '${name}|help' command`)
        : definition.parse(request),
  };
}

export function xGroup(types: StreamTypes): CommandDefinition {
  const definition = commandWithRows({
    name: 'xgroup',
    flags: ['write', 'slow'],
    group: 'stream',
    since: '5.0.0',
    summary: 'Creates, sets and deletes groups of consumers of a stream.',
    rows: [create(types), setId(types), destroy(types), createConsumer(types), deleteConsumer(types)],
  });
  return withHelpAlone(definition as CommandDefinition);
}
