/**
 * Pops that wait for an element: BLPOP, BRPOP, BLMPOP, BLMOVE, BRPOPLPUSH. What cannot be served at once is put off with a
 * copy of its request, and served as if it had been sent again once one of its keys has become a list. While they are
 * something else it goes on waiting; but if one of several has become a list, then a key of another type before it is an
 * error, as in Redis since 7.2, which runs the command anew.
 */
import type { Lists } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import {
  Refusal,
  define,
  noKeys,
  type Call,
  type CommandDefinition,
  type CommandFlag,
  type KeySpec,
} from '../command.ts';
import { keyOf } from '../data/arguments.ts';
import { countedKeys } from '../data/numkeys.ts';
import { openCollection } from '../data/open-collection.ts';
import { parseTimeout } from '../data/timeout.ts';
import type { Wait } from '../waiting.ts';
import { move, parseMove, twoKeys, type MoveInput } from './move.ts';
import { parseManyPop, popFirst, popOne, type PopHow } from './pop.ts';
import type { ListPair } from './sides.ts';

const flags: readonly CommandFlag[] = ['write', 'slow', 'blocking'];

/** Whether one of the keys holds a list. */
function hasList(call: Call, list: Lists, request: Request, keys: readonly number[]): boolean {
  return keys.some((index) => list.open(keyOf(call, request, index), call.nowMs) === 'found');
}

/** What a command that waits for lists is made of; the request is one that owns its bytes. */
interface ListWait {
  readonly request: Request;
  /** Indexes of the keys that are waited for. */
  readonly keys: readonly number[];
  readonly timeoutMs: number;
  /** Answers, if one of the keys holds a list. */
  serve(call: Call, reply: ReplyWriter): boolean;
}

function waitFor(list: Lists, { request, keys, timeoutMs, serve }: ListWait): Wait {
  return {
    keys: keys.map((index) => request.bytes(index)),
    timeoutMs,
    retry: (call, reply) => hasList(call, list, request, keys) && serve(call, reply),
    expire: (reply) => reply.nilArray(),
  };
}

interface BlockingPopInput {
  readonly request: Request;
  readonly timeoutMs: number;
}

/** BLPOP and BRPOP of the first key that holds a list. @returns whether there was one, or an error. */
function popAny(call: Call, list: Lists, request: Request, side: 'left' | 'right', reply: ReplyWriter): boolean {
  for (let index = 1; index < request.count - 1; index++) {
    const key = keyOf(call, request, index);
    const found = openCollection(list, key, call.nowMs, reply);
    if (found === undefined) return true;
    if (found === 'absent') continue;
    reply.array(2);
    reply.bulk(key.buffer, key.start, key.end);
    popOne(call, list, key, side, reply);
    return true;
  }
  return false;
}

/** All arguments but the last. */
const keysBeforeTimeout: KeySpec = { first: 1, last: -2, step: 1 };

function blockingPop({ list }: ListPair, name: string, side: 'left' | 'right'): CommandDefinition {
  return define<BlockingPopInput>({
    name,
    arity: -3,
    // Redis 7.2 lets scripts pop without waiting; of BLPOP Kvrocks' suite asserts that it is refused to them.
    flags: name === 'blpop' ? [...flags, 'no-script'] : flags,
    keys: keysBeforeTimeout,
    group: 'list',
    since: '2.0.0',
    complexity: 'O(N) where N is the number of keys.',
    summary: `Returns and removes the ${side === 'left' ? 'first' : 'last'} element of one of several lists; waits for one.`,
    parse(request) {
      const timeoutMs = parseTimeout(request, request.count - 1);
      return timeoutMs instanceof Refusal ? timeoutMs : { request, timeoutMs };
    },
    run(call, { request, timeoutMs }, reply) {
      if (popAny(call, list, request, side, reply)) return;
      if (call.waits === undefined) return reply.nilArray();
      const kept = request.copy();
      const keys = Array.from({ length: kept.count - 2 }, (_, i) => i + 1);
      const serve = (again: Call, into: ReplyWriter): boolean => popAny(again, list, kept, side, into);
      call.waits.begin(waitFor(list, { request: kept, keys, timeoutMs, serve }));
    },
  });
}

interface BlockingManyPopInput extends BlockingPopInput {
  readonly keys: readonly number[];
  readonly how: PopHow;
}

function blmPop({ list }: ListPair): CommandDefinition {
  const keyIndexes = (request: Request): number[] => countedKeys(request, 2);
  return define<BlockingManyPopInput>({
    name: 'blmpop',
    arity: -5,
    flags,
    keys: noKeys,
    keyIndexes,
    group: 'list',
    since: '7.0.0',
    complexity: 'O(N+M) where N is the number of keys and M the number of elements returned.',
    summary: 'Returns and removes elements of the first list among several keys that is not empty; waits for one.',
    parse(request) {
      const how = parseManyPop(request, 2);
      if (how instanceof Refusal) return how;
      const timeoutMs = parseTimeout(request, 1);
      return timeoutMs instanceof Refusal ? timeoutMs : { request, timeoutMs, keys: keyIndexes(request), how };
    },
    run(call, input, reply) {
      if (popFirst(call, list, input, reply)) return;
      if (call.waits === undefined) return reply.nilArray();
      const kept = { ...input, request: input.request.copy() };
      const serve = (again: Call, into: ReplyWriter): boolean => popFirst(again, list, kept, into);
      call.waits.begin(waitFor(list, { ...kept, serve }));
    },
  });
}

interface BlockingMoveInput extends MoveInput {
  readonly timeoutMs: number;
}

function runMove(lists: ListPair, call: Call, input: BlockingMoveInput, reply: ReplyWriter): void {
  if (move(call, lists, input, reply)) return;
  if (call.waits === undefined) return reply.nil();
  const kept = { ...input, request: input.request.copy() };
  const serve = (again: Call, into: ReplyWriter): boolean => move(again, lists, kept, into);
  call.waits.begin(waitFor(lists.list, { ...kept, keys: [1], serve }));
}

function blMove(lists: ListPair): CommandDefinition {
  return define<BlockingMoveInput>({
    name: 'blmove',
    arity: 6,
    flags,
    keys: twoKeys,
    group: 'list',
    since: '6.2.0',
    complexity: 'O(1)',
    summary: 'Moves the element at an end of a list to an end of another one and returns it; waits for one.',
    parse(request) {
      const sides = parseMove(request);
      if (sides instanceof Refusal) return sides;
      const timeoutMs = parseTimeout(request, 5);
      return timeoutMs instanceof Refusal ? timeoutMs : { ...sides, timeoutMs };
    },
    run: (call, input, reply) => runMove(lists, call, input, reply),
  });
}

function brPopLPush(lists: ListPair): CommandDefinition {
  return define<BlockingMoveInput>({
    name: 'brpoplpush',
    arity: 4,
    flags,
    keys: twoKeys,
    group: 'list',
    since: '2.2.0',
    complexity: 'O(1)',
    summary: 'Moves the last element of a list to the head of another one and returns it; waits for one.',
    parse(request) {
      const timeoutMs = parseTimeout(request, 3);
      return timeoutMs instanceof Refusal ? timeoutMs : { request, timeoutMs, from: 'right', to: 'left' };
    },
    run: (call, input, reply) => runMove(lists, call, input, reply),
  });
}

export function listBlockingCommands(lists: ListPair): CommandDefinition[] {
  return [
    blockingPop(lists, 'blpop', 'left'),
    blockingPop(lists, 'brpop', 'right'),
    blmPop(lists),
    blMove(lists),
    brPopLPush(lists),
  ];
}
