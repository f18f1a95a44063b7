/** Reading single fields: HGET, HMGET, HEXISTS, HLEN, HSTRLEN. */
import type { DataTypes } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { define, firstKey, type Call, type CommandDefinition } from '../command.ts';
import { itself, keyOf, spanOfArgument } from '../data/arguments.ts';
import { openHash } from './fields.ts';

interface FieldReader {
  readonly name: string;
  readonly since: string;
  readonly summary: string;
  /** The field was found; its value is `hashes.value`. */
  found(types: DataTypes, reply: ReplyWriter): void;
  absent(reply: ReplyWriter): void;
}

/** A command that answers about one field. */
function readField(types: DataTypes, { name, since, summary, found, absent }: FieldReader): CommandDefinition {
  const { hashes } = types;
  return define<Request>({
    name,
    arity: 3,
    flags: ['readonly', 'fast'],
    keys: firstKey,
    group: 'hash',
    since,
    complexity: 'O(1)',
    summary,
    parse: itself,
    run(call, request, reply) {
      const opened = openHash(hashes, keyOf(call, request, 1), call.nowMs, reply);
      if (opened === undefined) return;
      if (opened === 'found' && hashes.get(spanOfArgument(request, 2))) found(types, reply);
      else absent(reply);
    },
  });
}

function runHMGet({ hashes }: DataTypes, call: Call, request: Request, reply: ReplyWriter): void {
  const opened = openHash(hashes, keyOf(call, request, 1), call.nowMs, reply);
  if (opened === undefined) return;
  reply.array(request.count - 2);
  for (let index = 2; index < request.count; index++) {
    if (opened === 'absent' || !hashes.get(spanOfArgument(request, index))) reply.nil();
    else reply.bulk(hashes.value.buffer, hashes.value.start, hashes.value.end);
  }
}

function hMGet(types: DataTypes): CommandDefinition {
  return define<Request>({
    name: 'hmget',
    arity: -3,
    flags: ['readonly', 'fast'],
    keys: firstKey,
    group: 'hash',
    since: '2.0.0',
    complexity: 'O(N) where N is the number of fields.',
    summary: 'Returns the values of fields of a hash; nil for a field that does not exist.',
    parse: itself,
    run: (call, request, reply) => runHMGet(types, call, request, reply),
  });
}

function hLen({ hashes }: DataTypes): CommandDefinition {
  return define<Request>({
    name: 'hlen',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: firstKey,
    group: 'hash',
    since: '2.0.0',
    complexity: 'O(1); O(N) while fields that have died still stand in a hash of N fields.',
    summary: 'Returns the number of fields of a hash.',
    parse: itself,
    run(call, request, reply) {
      const opened = openHash(hashes, keyOf(call, request, 1), call.nowMs, reply);
      if (opened !== undefined) reply.integer(opened === 'found' ? hashes.length() : 0);
    },
  });
}

export function hashReadCommands(types: DataTypes): CommandDefinition[] {
  return [
    readField(types, {
      name: 'hget',
      since: '2.0.0',
      summary: 'Returns the value of a field of a hash.',
      found: ({ hashes: { value } }, reply) => reply.bulk(value.buffer, value.start, value.end),
      absent: (reply) => reply.nil(),
    }),
    readField(types, {
      name: 'hexists',
      since: '2.0.0',
      summary: 'Tells whether a field of a hash exists.',
      found: (_, reply) => reply.integer(1),
      absent: (reply) => reply.integer(0),
    }),
    readField(types, {
      name: 'hstrlen',
      since: '3.2.0',
      summary: 'Returns the length of the value of a field in bytes.',
      found: ({ hashes }, reply) => reply.integer(hashes.value.length),
      absent: (reply) => reply.integer(0),
    }),
    hMGet(types),
    hLen(types),
  ];
}
