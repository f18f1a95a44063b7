/** Bloom filters, with the commands of RedisBloom as Kvrocks has them; texts are Kvrocks'. */
import { Blooms, type DataTypes, type UserKey } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { define, firstKey, type Call, type CommandDefinition } from '../command.ts';
import { itself, keyOf, spanOfArgument } from '../data/arguments.ts';
import { openCollection } from '../data/open-collection.ts';
import { bloomInfoCommands } from './info.ts';
import {
  bloomErrors,
  defaultSettings,
  parseInsert,
  parseReserve,
  type InsertInput,
  type ReserveInput,
} from './settings.ts';

/** Writes what became of one item. */
function replyAdded(result: 'added' | 'there' | 'full', reply: ReplyWriter): void {
  if (result === 'full') reply.error(bloomErrors.full);
  else reply.integer(result === 'added' ? 1 : 0);
}

function bfReserve(blooms: Blooms): CommandDefinition {
  return define<ReserveInput>({
    name: 'bf.reserve',
    arity: -4,
    flags: ['write'],
    keys: firstKey,
    group: 'bloom',
    since: 'Kvrocks 2.7.0',
    complexity: 'O(N) where N is the number of bytes of the filter.',
    summary: 'Creates a Bloom filter with an error rate and a capacity.',
    parse: parseReserve,
    run(call, { request, settings }, reply) {
      const key = keyOf(call, request, 1);
      const opened = openCollection(blooms, key, call.nowMs, reply);
      if (opened === undefined) return;
      if (opened === 'found') return reply.error(bloomErrors.exists);
      blooms.reserve(key, settings);
      blooms.saveFilters(key);
      blooms.letGo();
      reply.ok();
    },
  });
}

/** Adds the items from argument `first` on to the filter that is open, or just begun. */
function addItems(blooms: Blooms, key: UserKey, request: Request, first: number, reply: ReplyWriter): void {
  for (let index = first; index < request.count; index++) {
    replyAdded(blooms.add(spanOfArgument(request, index)), reply);
  }
  blooms.saveFilters(key);
  blooms.letGo();
}

function runInsert(blooms: Blooms, call: Call, { request, ...input }: InsertInput, reply: ReplyWriter): void {
  const key = keyOf(call, request, 1);
  const opened = openCollection(blooms, key, call.nowMs, reply);
  if (opened === undefined) return;
  if (opened === 'absent') {
    if (!input.mayCreate) return reply.error(bloomErrors.notFound);
    blooms.reserve(key, input.settings);
  }
  if (!input.isSingle) reply.array(request.count - input.first);
  addItems(blooms, key, request, input.first, reply);
}

function bfAdd(blooms: Blooms, name: 'bf.add' | 'bf.madd'): CommandDefinition {
  const isSingle = name === 'bf.add';
  return define<Request>({
    name,
    arity: isSingle ? 3 : -3,
    flags: ['write'],
    keys: firstKey,
    group: 'bloom',
    since: 'Kvrocks 2.7.0',
    complexity: 'O(N) where N is the number of bytes of all filters, plus the number of items.',
    summary: isSingle
      ? 'Adds an item to a Bloom filter, which is created if it does not exist.'
      : 'Adds items to a Bloom filter, which is created if it does not exist.',
    parse: itself,
    run(call, request, reply) {
      const input = { request, settings: defaultSettings, mayCreate: true, first: 2, isSingle };
      runInsert(blooms, call, input, reply);
    },
  });
}

function bfInsert(blooms: Blooms): CommandDefinition {
  return define<InsertInput>({
    name: 'bf.insert',
    arity: -4,
    flags: ['write'],
    keys: firstKey,
    group: 'bloom',
    since: 'Kvrocks 2.7.0',
    complexity: 'O(N) where N is the number of bytes of all filters, plus the number of items.',
    summary: 'Adds items to a Bloom filter, saying how it is created if it does not exist.',
    parse: parseInsert,
    run: (call, input, reply) => runInsert(blooms, call, input, reply),
  });
}

function bfExists(blooms: Blooms, name: 'bf.exists' | 'bf.mexists'): CommandDefinition {
  const isSingle = name === 'bf.exists';
  return define<Request>({
    name,
    arity: isSingle ? 3 : -3,
    flags: ['readonly'],
    keys: firstKey,
    group: 'bloom',
    since: 'Kvrocks 2.7.0',
    complexity: 'O(N) where N is the number of bytes of all filters, plus the number of items.',
    summary: isSingle
      ? 'Tells whether an item was added to a Bloom filter: 0 is certain, 1 is not.'
      : 'Tells for each of several items whether it was added to a Bloom filter: 0 is certain, 1 is not.',
    parse: itself,
    run(call, request, reply) {
      const opened = openCollection(blooms, keyOf(call, request, 1), call.nowMs, reply);
      if (opened === undefined) return;
      if (!isSingle) reply.array(request.count - 2);
      for (let index = 2; index < request.count; index++) {
        reply.integer(opened === 'found' && blooms.has(spanOfArgument(request, index)) ? 1 : 0);
      }
      blooms.letGo();
    },
  });
}

/** All commands on Bloom filters. */
export function bloomCommands(types: DataTypes): CommandDefinition[] {
  const blooms = new Blooms(types.records);
  return [
    bfReserve(blooms),
    bfAdd(blooms, 'bf.add'),
    bfAdd(blooms, 'bf.madd'),
    bfInsert(blooms),
    bfExists(blooms, 'bf.exists'),
    bfExists(blooms, 'bf.mexists'),
    ...bloomInfoCommands(blooms),
  ];
}
