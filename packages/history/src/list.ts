/**
 * Judge of lists to whose tail values are pushed and from whose head they are popped: a queue.
 *
 * Every acknowledged push must be in the list or have been popped, once. A pop without an answer may have taken any one
 * value, so each excuses one that is missing; a list that nobody pops from shows every single loss. Order is judged by
 * real time only: a push that had ended when another began stands before it, and leaves before it.
 */
import type { Finding, KeyFindings } from './finding.ts';
import { lastEndMs } from './finding.ts';
import { isAcknowledged, type Acknowledged, type ListReading, type Operation, type Pop } from './operation.ts';
import { dueIn, misplaced, putsByValue, strangers, type Put } from './values.ts';

type Taken = Acknowledged<Pop> & { readonly value: string };

interface ListView {
  readonly puts: ReadonlyMap<string, Put>;
  readonly taken: readonly Taken[];
  /** First pop of each value. */
  readonly takenBy: ReadonlyMap<string, Taken>;
  /** Pops of which nobody knows what they took. */
  readonly unknownPops: readonly Pop[];
  /** In the order in which they began. */
  readonly readings: readonly Acknowledged<ListReading>[];
}

/**
 * Judges the operations of one list.
 * @throws OperationError HISTORY_VALUE_TWICE when a value was pushed twice.
 */
export function checkList(operations: readonly Operation[]): KeyFindings {
  const view = viewList(operations);
  const { puts, readings } = view;
  const pushed = [...puts.values()].filter(isAcknowledged<Put>);
  const last = readings.at(-1);
  return {
    findings: [
      ...strangers(operations, puts),
      ...takenTwice(view),
      ...readings.flatMap((reading) => misplaced(reading.values, puts, reading)),
      ...overtaken(view),
      ...readings.flatMap((reading) => comeBack(reading, view)),
      ...readings.flatMap((reading) => missing(reading, view)),
    ],
    isUnjudged: pushed.length > 0 && (last === undefined || last.invokedMs < lastEndMs(pushed)),
  };
}

function viewList(operations: readonly Operation[]): ListView {
  const pops = operations.filter((operation) => operation.op === 'pop');
  const taken = pops.filter(isAcknowledged<Pop>).filter((pop): pop is Taken => pop.value !== null);
  const takenBy = new Map<string, Taken>();
  for (const pop of taken) if (!takenBy.has(pop.value)) takenBy.set(pop.value, pop);
  const readings = operations.filter((operation) => operation.op === 'list').filter(isAcknowledged<ListReading>);
  return {
    puts: putsByValue(operations),
    taken,
    takenBy,
    unknownPops: pops.filter(({ outcome }) => outcome === 'unknown'),
    readings: readings.sort((a, b) => a.invokedMs - b.invokedMs),
  };
}

function takenTwice({ taken, takenBy }: ListView): Finding[] {
  return taken.flatMap((pop) => {
    const first = takenBy.get(pop.value);
    if (first === undefined || first === pop) return [];
    return [{ kind: 'delivered-twice', sentence: 'a value was popped twice', operations: [first, pop] }];
  });
}

/** Values that are there although their pop had ended when the reading began. */
function comeBack(reading: Acknowledged<ListReading>, { takenBy }: ListView): Finding[] {
  return reading.values.flatMap((value) => {
    const pop = takenBy.get(value);
    if (pop === undefined || pop.completedMs >= reading.invokedMs) return [];
    return [
      { kind: 'acknowledged-write-lost', sentence: `${value} was popped and is there`, operations: [pop, reading] },
    ];
  });
}

/** Acknowledged values that a reading lacks, beyond those that pops without an answer may have taken. */
function missing(reading: Acknowledged<ListReading>, { puts, takenBy, unknownPops, readings }: ListView): Finding[] {
  const there = new Set(reading.values);
  const gone = dueIn(reading, puts).filter(({ value }) => {
    const pop = takenBy.get(value);
    return !there.has(value) && (pop === undefined || pop.invokedMs > reading.completedMs);
  });
  const excused = unknownPops.filter(({ invokedMs }) => invokedMs <= reading.completedMs).length;
  const isLast = reading === readings.at(-1);
  return gone.slice(excused).flatMap((put): Finding[] => {
    const comesLater =
      takenBy.has(put.value) ||
      readings.some((other) => other.invokedMs > reading.invokedMs && other.values.includes(put.value));
    if (comesLater)
      return [{ kind: 'stale-read', sentence: 'a reading lacks a value that was there', operations: [reading, put] }];
    if (!isLast) return []; // Said of the last one.
    return [{ kind: 'acknowledged-write-lost', sentence: 'an acknowledged push is gone', operations: [put, reading] }];
  });
}

/** When a value certainly had been there, and when it certainly had left. */
interface Stay {
  readonly put: Put;
  /** When its push had ended. */
  readonly putEndMs: number;
  /** When it began to leave; Infinity while it stays. */
  readonly leaveFromMs: number;
  /** When it had left. */
  readonly leftMs: number;
  readonly witness: Operation;
}

/**
 * Values that left the list after one that was pushed after them: `later` was pushed when `earlier` had been, and had
 * been popped when the pop of `earlier` began. One finding a value. Sorted, so that one pass over both ends is enough.
 */
function overtaken({ puts, taken, takenBy, readings }: ListView): Finding[] {
  const stays: Stay[] = [];
  const add = (put: Put | undefined, leaveFromMs: number, leftMs: number, witness: Operation): void => {
    if (put === undefined) return;
    stays.push({ put, putEndMs: isAcknowledged<Put>(put) ? put.completedMs : Infinity, leaveFromMs, leftMs, witness });
  };
  for (const pop of taken)
    if (takenBy.get(pop.value) === pop) add(puts.get(pop.value), pop.invokedMs, pop.completedMs, pop);
  const last = readings.at(-1);
  for (const value of last?.values ?? [])
    if (last !== undefined && !takenBy.has(value)) add(puts.get(value), last.invokedMs, Infinity, last);
  const byLeft = stays.toSorted((a, b) => a.leftMs - b.leftMs);
  const findings: Finding[] = [];
  let at = 0;
  let latest: Stay | undefined;
  for (const earlier of stays.toSorted((a, b) => a.leaveFromMs - b.leaveFromMs)) {
    for (let next = byLeft[at]; next !== undefined && next.leftMs < earlier.leaveFromMs; next = byLeft[++at])
      if (latest === undefined || next.put.invokedMs > latest.put.invokedMs) latest = next;
    if (latest !== undefined && earlier.putEndMs < latest.put.invokedMs)
      findings.push({
        kind: 'order-broken',
        sentence: 'a value was popped before one that was pushed before it',
        operations: [earlier.put, latest.put, latest.witness, earlier.witness],
      });
  }
  return findings;
}
