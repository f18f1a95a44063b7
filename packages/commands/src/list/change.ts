/** Changing a list in place: LSET, LINSERT, LREM, LTRIM. */
import { insertBeside, removeMatches, trimTo } from '@holdfast/engine';
import type { Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, type CommandDefinition } from '../command.ts';
import { keyOf, longOf, spanOfArgument } from '../data/arguments.ts';
import { openCollection } from '../data/open-collection.ts';
import { notify } from '../events.ts';
import { parseRange } from './read.ts';
import { notifyIfEmpty, type ListPair } from './sides.ts';

interface SetInput {
  readonly request: Request;
  readonly index: number;
}

function lSet({ list }: ListPair): CommandDefinition {
  return define<SetInput>({
    name: 'lset',
    arity: 4,
    flags: ['write', 'slow'],
    keys: firstKey,
    group: 'list',
    since: '1.0.0',
    complexity: 'O(1)',
    summary: 'Sets an element of a list by its index; negative ones count from the end.',
    parse(request) {
      const index = longOf(request, 2);
      return Number.isNaN(index) ? new Refusal(errors.notInteger) : { request, index };
    },
    run(call, { request, index }, reply) {
      const key = keyOf(call, request, 1);
      const found = openCollection(list, key, call.nowMs, reply);
      if (found === undefined) return;
      if (found === 'absent') return reply.error(errors.noSuchKey);
      const at = index < 0 ? index + list.size : index;
      if (at < 0 || at >= list.size) return reply.error('ERR index out of range');
      list.set(at, spanOfArgument(request, 3));
      notify(call, 'l', 'lset', key);
      reply.ok();
    },
  });
}

interface InsertInput {
  readonly request: Request;
  readonly where: 'before' | 'after';
}

function lInsert({ list }: ListPair): CommandDefinition {
  return define<InsertInput>({
    name: 'linsert',
    arity: 5,
    flags: ['write', 'slow'],
    keys: firstKey,
    group: 'list',
    since: '2.2.0',
    complexity: 'O(N) where N is the number of elements up to the pivot, and of those shifted to make room.',
    summary: 'Inserts an element before or after another one.',
    parse(request) {
      if (request.is(2, 'before')) return { request, where: 'before' };
      return request.is(2, 'after') ? { request, where: 'after' } : new Refusal(errors.syntax);
    },
    run(call, { request, where }, reply) {
      const key = keyOf(call, request, 1);
      const found = openCollection(list, key, call.nowMs, reply);
      if (found === undefined) return;
      if (found === 'absent') return reply.integer(0);
      const isFound = insertBeside(list, spanOfArgument(request, 3), spanOfArgument(request, 4), where);
      if (!isFound) return reply.integer(-1);
      list.save(key);
      notify(call, 'l', 'linsert', key);
      reply.integer(list.size);
    },
  });
}

interface RemoveInput {
  readonly request: Request;
  readonly count: number;
}

function lRem({ list }: ListPair): CommandDefinition {
  return define<RemoveInput>({
    name: 'lrem',
    arity: 4,
    flags: ['write', 'slow', 'no-dbsize-check'],
    keys: firstKey,
    group: 'list',
    since: '1.0.0',
    complexity: 'O(N) where N is the length of the list.',
    summary: 'Removes elements equal to a given one: some from the left, some from the right, or all.',
    parse(request) {
      const count = longOf(request, 2);
      return Number.isNaN(count) ? new Refusal(errors.notInteger) : { request, count };
    },
    run(call, { request, count }, reply) {
      const key = keyOf(call, request, 1);
      const found = openCollection(list, key, call.nowMs, reply);
      if (found === undefined) return;
      if (found === 'absent') return reply.integer(0);
      const removed = removeMatches(list, count, spanOfArgument(request, 3));
      if (removed > 0) {
        list.save(key);
        notify(call, 'l', 'lrem', key);
        notifyIfEmpty(call, list, key);
      }
      reply.integer(removed);
    },
  });
}

interface TrimInput {
  readonly request: Request;
  readonly start: number;
  readonly stop: number;
}

function lTrim({ list }: ListPair): CommandDefinition {
  return define<TrimInput>({
    name: 'ltrim',
    arity: 4,
    flags: ['write', 'slow', 'no-dbsize-check'],
    keys: firstKey,
    group: 'list',
    since: '1.0.0',
    complexity: 'O(N) where N is the number of elements removed; O(1) when none is kept.',
    summary: 'Removes all elements of a list outside a range of indexes.',
    parse: parseRange,
    run(call, { request, start, stop }, reply) {
      const key = keyOf(call, request, 1);
      const found = openCollection(list, key, call.nowMs, reply);
      if (found === undefined) return;
      if (found === 'found') {
        const from = Math.max(0, start < 0 ? start + list.size : start);
        const to = Math.min(list.size - 1, stop < 0 ? stop + list.size : stop);
        const isWhole = from === 0 && to === list.size - 1;
        if (!isWhole) {
          trimTo(list, from, to);
          list.save(key);
        }
        notify(call, 'l', 'ltrim', key);
        notifyIfEmpty(call, list, key);
      }
      reply.ok();
    },
  });
}

export function listChangeCommands(lists: ListPair): CommandDefinition[] {
  return [lSet(lists), lInsert(lists), lRem(lists), lTrim(lists)];
}
