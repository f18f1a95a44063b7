/** Changing members: SADD, SREM, SMOVE. */
import { Sets, sameBytes, type DataTypes } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { define, errors, firstKey, type Call, type CommandDefinition } from '../command.ts';
import { itself, keyOf, spanOfArgument } from '../data/arguments.ts';
import { openCollection, openCollectionForWrite } from '../data/open-collection.ts';
import { notify } from '../events.ts';

function sAdd(sets: Sets): CommandDefinition {
  return define<Request>({
    name: 'sadd',
    arity: -3,
    flags: ['write', 'fast'],
    keys: firstKey,
    group: 'set',
    since: '1.0.0',
    complexity: 'O(N) where N is the number of members.',
    summary: 'Adds members to a set. The set is created if it does not exist.',
    parse: itself,
    run(call, request, reply) {
      const key = keyOf(call, request, 1);
      if (openCollectionForWrite(sets, key, call.nowMs, reply) === undefined) return;
      let added = 0;
      for (let index = 2; index < request.count; index++) if (sets.add(spanOfArgument(request, index))) added++;
      sets.save(key);
      if (added > 0) notify(call, 's', 'sadd', key);
      reply.integer(added);
    },
  });
}

function sRem(sets: Sets): CommandDefinition {
  return define<Request>({
    name: 'srem',
    arity: -3,
    flags: ['write', 'fast', 'no-dbsize-check'],
    keys: firstKey,
    group: 'set',
    since: '1.0.0',
    complexity: 'O(N) where N is the number of members.',
    summary: 'Removes members from a set. A set without members does not exist any more.',
    parse: itself,
    run(call, request, reply) {
      const key = keyOf(call, request, 1);
      const opened = openCollection(sets, key, call.nowMs, reply);
      if (opened === undefined) return;
      if (opened === 'absent') return reply.integer(0);
      let removed = 0;
      for (let index = 2; index < request.count; index++) if (sets.remove(spanOfArgument(request, index))) removed++;
      sets.save(key);
      if (removed > 0) {
        notify(call, 's', 'srem', key);
        if (sets.size === 0) notify(call, 'g', 'del', key);
      }
      reply.integer(removed);
    },
  });
}

function runMove(from: Sets, to: Sets, call: Call, request: Request, reply: ReplyWriter): void {
  const fromKey = keyOf(call, request, 1);
  const toKey = keyOf(call, request, 2);
  const member = spanOfArgument(request, 3);
  const source = from.open(fromKey, call.nowMs);
  if (source === 'absent') return reply.integer(0);
  if (source === 'wrong-type') return reply.error(errors.wrongType);
  if (sameBytes(fromKey, toKey)) return reply.integer(from.has(member) ? 1 : 0);
  const target = to.open(toKey, call.nowMs);
  if (target === 'wrong-type') return reply.error(errors.wrongType);
  if (!from.remove(member)) return reply.integer(0);
  from.save(fromKey);
  if (target === 'absent') to.create(toKey);
  const isNew = to.add(member);
  to.save(toKey);
  notify(call, 's', 'srem', fromKey);
  if (from.size === 0) notify(call, 'g', 'del', fromKey);
  if (isNew) notify(call, 's', 'sadd', toKey);
  reply.integer(1);
}

function sMove(sets: Sets): CommandDefinition {
  const targets = new Sets(sets.records);
  return define<Request>({
    name: 'smove',
    arity: 4,
    flags: ['write', 'fast'],
    keys: { first: 1, last: 2, step: 1 },
    group: 'set',
    since: '1.0.0',
    complexity: 'O(1)',
    summary: 'Moves a member from one set to another.',
    parse: itself,
    run: (call, request, reply) => runMove(sets, targets, call, request, reply),
  });
}

export function setWriteCommands(_types: DataTypes, sets: Sets): CommandDefinition[] {
  return [sAdd(sets), sRem(sets), sMove(sets)];
}
