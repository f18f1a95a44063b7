/** LMOVE and RPOPLPUSH: an element goes from an end of one list to an end of another, or of the same. */
import { moveElement, rotateElement, sameBytes, type ListSide } from '@holdfast/engine';
import type { ReplyWriter, Request } from '@holdfast/resp';
import { Refusal, define, errors, type Call, type CommandDefinition, type KeySpec } from '../command.ts';
import { keyOf } from '../data/arguments.ts';
import { openCollection, openCollectionForWrite } from '../data/open-collection.ts';
import { notifyPop, notifyPush, sideOf, type ListPair } from './sides.ts';

/** The source and the destination. */
export const twoKeys: KeySpec = { first: 1, last: 2, step: 1 };

export interface MoveInput {
  readonly request: Request;
  readonly from: ListSide;
  readonly to: ListSide;
}

/** Reads the sides, arguments 3 and 4. */
export function parseMove(request: Request): MoveInput | Refusal {
  const from = sideOf(request, 3);
  const to = sideOf(request, 4);
  return from === undefined || to === undefined ? new Refusal(errors.syntax) : { request, from, to };
}

/**
 * Moves an element and answers it, or the error that keeps it from being moved.
 * @returns false when the source does not exist: then nothing was answered.
 */
export function move(
  call: Call,
  { list, other }: ListPair,
  { request, from, to }: MoveInput,
  reply: ReplyWriter,
): boolean {
  const key = keyOf(call, request, 1);
  const target = keyOf(call, request, 2);
  const found = openCollection(list, key, call.nowMs, reply);
  if (found !== 'found') return found === undefined;
  const place = { list, key, side: from };
  if (sameBytes(key, target)) rotateElement(place, to);
  else {
    if (openCollectionForWrite(other, target, call.nowMs, reply) === undefined) return true;
    moveElement(place, { list: other, key: target, side: to });
  }
  const { value } = list;
  reply.bulk(value.buffer, value.start, value.end);
  notifyPush(call, to, target);
  notifyPop(call, list, from, key);
  return true;
}

function lMove(lists: ListPair): CommandDefinition {
  return define<MoveInput>({
    name: 'lmove',
    arity: 5,
    flags: ['write', 'slow'],
    keys: twoKeys,
    group: 'list',
    since: '6.2.0',
    complexity: 'O(1)',
    summary: 'Moves the element at an end of a list to an end of another one and returns it.',
    parse: parseMove,
    run(call, input, reply) {
      if (!move(call, lists, input, reply)) reply.nil();
    },
  });
}

function rPopLPush(lists: ListPair): CommandDefinition {
  return define<MoveInput>({
    name: 'rpoplpush',
    arity: 3,
    flags: ['write', 'slow'],
    keys: twoKeys,
    group: 'list',
    since: '1.2.0',
    complexity: 'O(1)',
    summary: 'Moves the last element of a list to the head of another one and returns it.',
    parse: (request) => ({ request, from: 'right', to: 'left' }),
    run(call, input, reply) {
      if (!move(call, lists, input, reply)) reply.nil();
    },
  });
}

export function listMoveCommands(lists: ListPair): CommandDefinition[] {
  return [lMove(lists), rPopLPush(lists)];
}
