/**
 * Which controllers' leases count is part of the record of an epoch. A lease is granted by a majority of the controllers
 * of its epoch and withheld by a majority of those of the next, so any two majorities of neighbouring epochs must share
 * a controller: the list changes by one id at a time, and only when no transition is open, because an epoch that was
 * given up half-way may have been granted too.
 */
import type { ShardRecord } from './shard-record.ts';

type Held = Pick<ShardRecord, 'epoch' | 'controllers' | 'transition'>;

/**
 * The list of the next epoch: `wanted`, or the step towards it that is allowed now (an id more before an id less).
 * Before the first epoch anything is. An empty list (one controller, whoever it is) cannot become another one later:
 * nobody could be asked to withhold what that one promised.
 */
export function nextControllers(record: Held, wanted: readonly string[] | undefined): readonly string[] {
  const { controllers } = record;
  if (wanted === undefined || record.epoch === 0) return wanted ?? controllers;
  if (record.transition !== null || controllers.length === 0 || wanted.length === 0) return controllers;
  const added = wanted.find((id) => !controllers.includes(id));
  if (added !== undefined) return [...controllers, added];
  const removed = controllers.find((id) => !wanted.includes(id));
  return controllers.filter((id) => id !== removed);
}

/** True when the controllers of `after` may be those of the epoch after `before`. */
export function mayFollowControllers(before: Held, after: readonly string[]): boolean {
  if (before.epoch === 0) return true;
  const added = after.filter((id) => !before.controllers.includes(id)).length;
  const removed = before.controllers.filter((id) => !after.includes(id)).length;
  if (added + removed === 0) return true;
  if (before.transition !== null || before.controllers.length === 0 || after.length === 0) return false;
  return added + removed === 1;
}
