/**
 * Changes in the middle of a list. Elements have no gaps between them, so putting one in or taking some out shifts all
 * elements on one side, the shorter one, by rewriting them: O(N), as in Kvrocks (types/redis_list.cc), whose records these
 * are, in its order.
 */
import { sameBytes, type Span } from './bytes.ts';
import { listLog, type ListSide, type Lists } from './lists.ts';
import type { UserKey } from './stored-key.ts';

interface Matches {
  readonly count: number;
  /** Positions. */
  readonly lowest: number;
  readonly highest: number;
}

/** Finds up to `limit` elements equal to `value`, from an end on. */
function findMatches(list: Lists, value: Span, side: ListSide, limit: number): Matches {
  let count = 0;
  let lowest = Infinity;
  let highest = -Infinity;
  const entries = list.elements(list.first, list.end, { reverse: side === 'right' });
  try {
    while (count < limit && entries.next()) {
      if (!sameBytes(entries.value, value)) continue;
      const position = list.positionOf(entries);
      lowest = Math.min(lowest, position);
      highest = Math.max(highest, position);
      count++;
    }
  } finally {
    entries.close();
  }
  return { count, lowest, highest };
}

/**
 * Puts `value` beside the first element equal to `pivot` of the open list; the caller saves.
 * @returns whether there is such an element.
 */
export function insertBeside(list: Lists, pivot: Span, value: Span, where: 'before' | 'after'): boolean {
  const found = findMatches(list, pivot, 'left', 1);
  if (found.count === 0) return false;
  list.say(listLog('1', where === 'before' ? '1' : '0', pivot, value));
  const slot = where === 'before' ? found.lowest : found.lowest + 1;
  const isLeftShorter = slot - list.first <= list.end - slot;
  const entries = isLeftShorter ? list.elements(list.first, slot, { reverse: true }) : list.elements(slot, list.end);
  const step = isLeftShorter ? -1 : 1;
  // Right of the slot elements are met in rising order and each is written over the next, which was read before: an
  // iteration shows what was there when it began.
  try {
    while (entries.next()) list.putAt(list.positionOf(entries) + step, entries.value);
  } finally {
    entries.close();
  }
  list.putAt(isLeftShorter ? slot - 1 : slot, value);
  if (isLeftShorter) list.first--;
  else list.end++;
  list.size++;
  return true;
}

/**
 * Takes elements equal to `value` out of the open list; the caller saves.
 * @param count how many at most, from the left, from the right when negative; 0 all.
 * @returns how many were taken out.
 */
export function removeMatches(list: Lists, count: number, value: Span): number {
  const found = findMatches(list, value, count < 0 ? 'right' : 'left', count === 0 ? Infinity : Math.abs(count));
  if (found.count === 0) return 0;
  list.say(listLog('5', String(count), value));
  if (found.count >= list.size) {
    list.size = 0;
    return found.count;
  }
  const isLeftShorter = found.highest - list.first <= list.end - 1 - found.lowest;
  closeGaps(list, value, found, isLeftShorter);
  for (let i = 0; i < found.count; i++) list.eraseAt(isLeftShorter ? list.first + i : list.end - 1 - i);
  if (isLeftShorter) list.first += found.count;
  else list.end -= found.count;
  list.size -= found.count;
  return found.count;
}

/** Writes the elements on one side of the matches nearer together, over the matches. */
function closeGaps(list: Lists, value: Span, found: Matches, isLeftShorter: boolean): void {
  const entries = isLeftShorter
    ? list.elements(list.first, found.highest + 1, { reverse: true })
    : list.elements(found.lowest, list.end);
  const step = isLeftShorter ? -1 : 1;
  let position = isLeftShorter ? found.highest : found.lowest;
  let matchesLeft = found.count;
  try {
    while (entries.next()) {
      if (matchesLeft > 0 && sameBytes(entries.value, value)) {
        matchesLeft--;
        continue;
      }
      list.putAt(position, entries.value);
      position += step;
    }
  } finally {
    entries.close();
  }
}

/**
 * Keeps the elements from `start` to `stop`, both included and below the size, and deletes the others; the caller saves.
 * With `start` above `stop` nothing is kept.
 */
export function trimTo(list: Lists, start: number, stop: number): void {
  list.say(listLog('2', String(start), String(stop)));
  if (start > stop) {
    list.size = 0;
    return;
  }
  const first = list.first + start;
  const end = list.first + stop + 1;
  list.eraseBetween(list.first, first);
  list.eraseBetween(end, list.end);
  list.first = first;
  list.end = end;
  list.size = stop - start + 1;
}

/** One end of a list and whose it is; the list is open. */
export interface ListPlace {
  readonly list: Lists;
  readonly key: UserKey;
  readonly side: ListSide;
}

function moveLog(from: ListPlace, to: ListPlace): Buffer {
  return listLog('12', from.key, to.key, from.side, to.side);
}

/**
 * Moves the element at one end of a list to an end of another one and saves both. `from.list.value` is the element then,
 * until the next read. Both lists are open, the first has an element, and they are two objects for two keys.
 */
export function moveElement(from: ListPlace, to: ListPlace): void {
  const { list } = from;
  list.peek(from.side);
  list.say(moveLog(from, to));
  list.drop(from.side);
  list.save(from.key);
  to.list.say(undefined);
  to.list.append(to.side, list.value);
  to.list.save(to.key);
}

/** As `moveElement` within one list: to the same end it stays, and nothing is written. */
export function rotateElement(from: ListPlace, to: ListSide): void {
  const { list, key, side } = from;
  list.peek(side);
  if (side === to) return;
  list.say(moveLog(from, { list, key, side: to }));
  list.drop(side);
  list.append(to, list.value);
  list.save(key);
}
