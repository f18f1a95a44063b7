/** LPUSH, RPUSH, LPUSHX, RPUSHX. */
import type { ListSide, Lists } from '@holdfast/engine';
import type { Request } from '@holdfast/resp';
import { define, firstKey, type CommandDefinition } from '../command.ts';
import { itself, keyOf, spanOfArgument } from '../data/arguments.ts';
import { openCollection, openCollectionForWrite } from '../data/open-collection.ts';
import { notifyPush, type ListPair } from './sides.ts';

function pushAll(list: Lists, side: ListSide, request: Request): void {
  for (let index = 2; index < request.count; index++) list.push(side, spanOfArgument(request, index));
}

function push({ list }: ListPair, name: string, side: ListSide, since: string): CommandDefinition {
  return define<Request>({
    name,
    arity: -3,
    flags: ['write', 'fast'],
    keys: firstKey,
    group: 'list',
    since,
    complexity: 'O(N) where N is the number of elements pushed.',
    summary: `Adds elements at the ${side === 'left' ? 'head' : 'tail'} of a list. The list is created if it does not exist.`,
    parse: itself,
    run(call, request, reply) {
      const key = keyOf(call, request, 1);
      if (openCollectionForWrite(list, key, call.nowMs, reply) === undefined) return;
      pushAll(list, side, request);
      list.save(key);
      notifyPush(call, side, key);
      reply.integer(list.size);
    },
  });
}

function pushIfExists({ list }: ListPair, name: string, side: ListSide): CommandDefinition {
  return define<Request>({
    name,
    arity: -3,
    flags: ['write', 'fast'],
    keys: firstKey,
    group: 'list',
    since: '2.2.0',
    complexity: 'O(N) where N is the number of elements pushed.',
    summary: `Adds elements at the ${side === 'left' ? 'head' : 'tail'} of a list, only when the list exists.`,
    parse: itself,
    run(call, request, reply) {
      const key = keyOf(call, request, 1);
      const found = openCollection(list, key, call.nowMs, reply);
      if (found === undefined) return;
      if (found === 'absent') return reply.integer(0);
      pushAll(list, side, request);
      list.save(key);
      notifyPush(call, side, key);
      reply.integer(list.size);
    },
  });
}

export function listPushCommands(lists: ListPair): CommandDefinition[] {
  return [
    push(lists, 'lpush', 'left', '1.0.0'),
    push(lists, 'rpush', 'right', '1.0.0'),
    pushIfExists(lists, 'lpushx', 'left'),
    pushIfExists(lists, 'rpushx', 'right'),
  ];
}
