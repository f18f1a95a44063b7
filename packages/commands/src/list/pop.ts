/** LPOP, RPOP, LMPOP. */
import type { ListSide, Lists, UserKey } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, errors, firstKey, noKeys, type Call, type CommandDefinition } from '../command.ts';
import { keyOf, longOf, wrongArity } from '../data/arguments.ts';
import { countedKeys } from '../data/numkeys.ts';
import { openCollection } from '../data/open-collection.ts';
import { notifyPop, sideOf, type ListPair } from './sides.ts';

/** Pops one element of the open list, which has one, and answers it. */
export function popOne(call: Call, list: Lists, key: UserKey, side: ListSide, reply: ReplyWriter): void {
  list.peek(side);
  const { value } = list;
  reply.bulk(value.buffer, value.start, value.end);
  list.pop(side);
  list.save(key);
  notifyPop(call, list, side, key);
}

/** Pops up to `count` elements of the open list, at least one, and answers them as an array. */
function popMany(call: Call, list: Lists, key: UserKey, how: PopHow, reply: ReplyWriter): void {
  const { side } = how;
  const { value } = list;
  const count = Math.min(how.count, list.size);
  reply.array(count);
  for (let i = 0; i < count; i++) {
    list.peek(side);
    reply.bulk(value.buffer, value.start, value.end);
    list.pop(side);
  }
  list.save(key);
  notifyPop(call, list, side, key);
}

interface PopInput {
  readonly request: Request;
  /** NaN: one element, not an array. */
  readonly count: number;
}

function pop({ list }: ListPair, name: string, side: ListSide): CommandDefinition {
  return define<PopInput>({
    name,
    arity: -2,
    flags: ['write', 'fast'],
    keys: firstKey,
    group: 'list',
    since: '1.0.0',
    complexity: 'O(N) where N is the number of elements returned.',
    summary: `Returns and removes the ${side === 'left' ? 'first' : 'last'} elements of a list.`,
    parse(request) {
      if (request.count > 3) return wrongArity(name);
      if (request.count === 2) return { request, count: NaN };
      const count = longOf(request, 2);
      return count >= 0 ? { request, count } : new Refusal(errors.outOfRange);
    },
    run(call, { request, count }, reply) {
      const key = keyOf(call, request, 1);
      const isSingle = Number.isNaN(count);
      const found = openCollection(list, key, call.nowMs, reply);
      if (found === undefined) return;
      if (found === 'absent') {
        if (isSingle) reply.nil();
        else reply.nilArray();
      } else if (isSingle) popOne(call, list, key, side, reply);
      else if (count === 0) reply.array(0);
      else popMany(call, list, key, { side, count }, reply);
    },
  });
}

export interface PopHow {
  readonly side: ListSide;
  readonly count: number;
}

/** `numkeys key [key …] LEFT|RIGHT [COUNT count]`, as LMPOP and BLMPOP have it. */
export function parseManyPop(request: Request, countIndex: number): PopHow | Refusal {
  const keyCount = longOf(request, countIndex);
  if (!(keyCount > 0)) return new Refusal('ERR numkeys should be greater than 0');
  const sideIndex = countIndex + keyCount + 1;
  const side = sideOf(request, sideIndex);
  if (side === undefined) return new Refusal(errors.syntax);
  if (request.count === sideIndex + 1) return { side, count: 1 };
  if (!request.is(sideIndex + 1, 'count') || request.count === sideIndex + 2) return new Refusal(errors.syntax);
  const count = longOf(request, sideIndex + 2);
  if (!(count > 0)) return new Refusal('ERR count should be greater than 0');
  return request.count === sideIndex + 3 ? { side, count } : new Refusal(errors.syntax);
}

/**
 * Pops from the first key that holds a list, and answers the key and the elements.
 * @returns false when none does: then nothing was answered. A key of another type before it is an error, and answered.
 */
export function popFirst(
  call: Call,
  list: Lists,
  { request, keys, how }: { request: Request; keys: readonly number[]; how: PopHow },
  reply: ReplyWriter,
): boolean {
  for (const index of keys) {
    const key = keyOf(call, request, index);
    const found = openCollection(list, key, call.nowMs, reply);
    if (found === undefined) return true;
    if (found === 'absent') continue;
    reply.array(2);
    reply.bulk(key.buffer, key.start, key.end);
    popMany(call, list, key, how, reply);
    return true;
  }
  return false;
}

interface ManyPopInput {
  readonly request: Request;
  readonly keys: readonly number[];
  readonly how: PopHow;
}

function lmPop({ list }: ListPair): CommandDefinition {
  const keyIndexes = (request: Request): number[] => countedKeys(request, 1);
  return define<ManyPopInput>({
    name: 'lmpop',
    arity: -4,
    flags: ['write'],
    keys: noKeys,
    keyIndexes,
    group: 'list',
    since: '7.0.0',
    complexity: 'O(N+M) where N is the number of keys and M the number of elements returned.',
    summary: 'Returns and removes elements of the first list among several keys that is not empty.',
    parse(request) {
      const how = parseManyPop(request, 1);
      return how instanceof Refusal ? how : { request, keys: keyIndexes(request), how };
    },
    run(call, input, reply) {
      if (!popFirst(call, list, input, reply)) reply.nilArray();
    },
  });
}

export function listPopCommands(lists: ListPair): CommandDefinition[] {
  return [pop(lists, 'lpop', 'left'), pop(lists, 'rpop', 'right'), lmPop(lists)];
}
