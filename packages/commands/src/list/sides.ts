/** What list commands share: the words LEFT and RIGHT, and what pushes and pops say to listeners. */
import type { ListSide, Lists, Span } from '@holdfast/engine';
import type { Request } from '@holdfast/resp';
import type { Call } from '../command.ts';
import { notify } from '../events.ts';

/** The lists of one engine: one object per list that a command has open at a time. */
export interface ListPair {
  readonly list: Lists;
  /** The destination of a move. */
  readonly other: Lists;
}

/** LEFT or RIGHT; undefined when the argument is neither, or missing. */
export function sideOf(request: Request, index: number): ListSide | undefined {
  if (index >= request.count) return undefined;
  if (request.is(index, 'left')) return 'left';
  return request.is(index, 'right') ? 'right' : undefined;
}

/** Says that elements were popped, and that the key is gone when they were the last. */
export function notifyPop(call: Call, list: Lists, side: ListSide, key: Span): void {
  notify(call, 'l', side === 'left' ? 'lpop' : 'rpop', key);
  notifyIfEmpty(call, list, key);
}

export function notifyPush(call: Call, side: ListSide, key: Span): void {
  notify(call, 'l', side === 'left' ? 'lpush' : 'rpush', key);
}

export function notifyIfEmpty(call: Call, list: Lists, key: Span): void {
  if (list.size === 0) notify(call, 'g', 'del', key);
}
