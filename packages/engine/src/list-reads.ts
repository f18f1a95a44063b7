/**
 * Elements of the open list by the run (list-runs.ts), read in one call that makes no object. Everything here may answer that it
 * does not know: when ticks that are not in the database have put elements where it would read, or when elements are too large to be
 * kept together. Then they are read one by one, or by an iterator with the tick laid over it.
 */
import type { Scratch, Window } from './bytes.ts';
import type { Engine } from './engine.ts';
import { family } from './families.ts';
import { hashOfKey } from './key-hash.ts';
import { runElementsMax, type ListGroup, type ListRuns, type Run } from './list-runs.ts';

/** Elements that are read together for pops. */
const poppedTogether = 64;
/** Lists with fewer elements are popped one by one: what is read ahead would hardly be used. */
const poppedFrom = 8;

/** The open list, and how its keys are made. */
export interface ReadableList {
  readonly engine: Engine;
  readonly first: number;
  readonly end: number;
  /** What its keys begin with; valid until `keyAt`. */
  group(): ListGroup;
  /** Valid until the next call. */
  keyAt(position: number): Scratch;
}

/** Elements from `from` to before `to` as bulk strings, into `into`, valid until the next read. @returns false: not known. */
export function readFrames(list: ReadableList, from: number, to: number, into: Window): boolean {
  const { engine } = list;
  const { runs } = engine.rowCache;
  if (!runs.isOn || to - from > runElementsMax) return false;
  engine.cold.endIfMissed();
  const group = list.group();
  if (hasPut(list, group.hash, from, to)) return false;
  const known = runs.find(group, from, to);
  if (known !== undefined) {
    runs.frames(known, from, to, into);
    return true;
  }
  const count = to - from;
  if (!runs.mayFit(group.hash, count)) return false;
  const run = load(list, from, count, true);
  if (run === undefined || run.to < to) {
    if (!engine.isCommitting) runs.didNotFit(group.hash, count);
    return false;
  }
  runs.frames(run, from, to, into);
  return true;
}

/**
 * The element at the end of a list that is to be popped, into `into`. Elements beside it are read with it where the last pop took its other neighbour.
 * @param next where the pop after this one takes: 1 when this one takes the first element, -1 when the last.
 * @returns false: not known.
 */
export function readPopped(list: ReadableList, position: number, next: 1 | -1, into: Window): boolean {
  const { engine } = list;
  const { runs } = engine.rowCache;
  if (!runs.isOn || list.end - list.first < poppedFrom) return false;
  const group = list.group();
  const run = runs.find(group, position, position + 1) ?? readAhead(list, runs, group.hash, position, next);
  if (run === undefined) return false;
  const key = list.keyAt(position);
  if (engine.tick.knows(family.subkey, key, hashOfKey(family.subkey, key), into)) return false;
  engine.work.gets++;
  runs.element(run, position, into);
  return true;
}

function readAhead(list: ReadableList, runs: ListRuns, hash: number, position: number, next: 1 | -1): Run | undefined {
  if (!runs.popsInOrder(hash, position, next)) return undefined;
  const from = next === 1 ? position : Math.max(list.first, position - poppedTogether + 1);
  const to = next === 1 ? Math.min(list.end, position + poppedTogether) : position + 1;
  const run = load(list, from, to - from, list.engine.cold.mode === 'read');
  if (run !== undefined && run.from <= position && position < run.to) return run;
  runs.pausePops();
  return undefined;
}

/** Whether the open tick may have put something there. */
function hasPut(list: ReadableList, hash: number, from: number, to: number): boolean {
  const { tick } = list.engine;
  if (tick.isUntouched) return false;
  const gte = Buffer.from(list.keyAt(from).view());
  return tick.mayHavePut(family.subkey, hash, gte, list.keyAt(to).view());
}

/** As `hasPut`, of the tick that is being written. */
function willPut(list: ReadableList, hash: number, from: number, to: number): boolean {
  const { engine } = list;
  if (!engine.isCommitting) return false;
  const gte = Buffer.from(list.keyAt(from).view());
  return engine.tick.mayHavePutClosed(family.subkey, hash, gte, list.keyAt(to).view());
}

/**
 * Reads elements of the database, where that shows the state after the last closed tick.
 * @returns what there was of them, from the first on; undefined: nothing.
 */
function load(list: ReadableList, from: number, count: number, waits: boolean): Run | undefined {
  const { engine } = list;
  const { runs } = engine.rowCache;
  const group = list.group();
  if (willPut(list, group.hash, from, from + count)) return undefined;
  const into = runs.begin(list.group(), from, count);
  if (into === undefined) return undefined;
  const found = engine.database.consecutiveFrames(family.subkey, list.keyAt(from).view(), count, into, waits);
  if (found <= 0) return undefined;
  engine.work.seeks++;
  engine.work.nexts += found;
  return runs.keep(found);
}
