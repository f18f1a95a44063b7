/**
 * Judge of streams with one group of consumers.
 *
 * Every acknowledged entry must be there at the end under the id it was given, ids grow with real time, and the group was
 * delivered each entry: as a new one once at most, and at least once in all. An answer that was lost delivered nothing
 * to the consumer, who must ask for it again; only a group that was read to its end is judged so.
 */
import { lastEndMs, type Finding, type KeyFindings } from './finding.ts';
import {
  isAcknowledged,
  type Acknowledged,
  type Add,
  type Delivery,
  type Operation,
  type StreamReading,
} from './operation.ts';
import { dueIn, misplaced, putsByValue, strangers } from './values.ts';

type Puts = ReturnType<typeof putsByValue>;

/**
 * Judges the operations of one stream.
 * @throws OperationError HISTORY_VALUE_TWICE when a value was added twice.
 */
export function checkStream(operations: readonly Operation[]): KeyFindings {
  const puts = putsByValue(operations);
  const added = operations.filter((operation) => operation.op === 'add').filter(isAcknowledged<Add>);
  const readings = operations
    .filter((operation) => operation.op === 'entries')
    .filter(isAcknowledged<StreamReading>)
    .sort((a, b) => a.invokedMs - b.invokedMs);
  const deliveries = operations.filter((operation) => operation.op === 'deliver');
  const last = readings.at(-1);
  const isUnread = last === undefined || last.invokedMs < lastEndMs(added);
  const isDrained = deliveries.length === 0 || wasReadToItsEnd(deliveries, lastEndMs(added));
  return {
    findings: [
      ...strangers(operations, puts),
      ...sharedIds(added),
      ...readings.flatMap((reading) => [
        ...misplaced(valuesOf(reading), puts, reading),
        ...wrongIds(reading, puts),
        ...missing(reading, puts, readings),
      ]),
      ...deliveredTwice(deliveries),
      ...(last !== undefined && deliveries.length > 0 && isDrained ? undelivered(last, added, deliveries) : []),
    ],
    isUnjudged: added.length > 0 && (isUnread || !isDrained),
  };
}

function valuesOf({ entries }: StreamReading | Delivery): string[] {
  return entries.map(([, value]) => value);
}

function sharedIds(added: readonly Acknowledged<Add>[]): Finding[] {
  const byId = new Map<string | null, Add>();
  return added.flatMap((add): Finding[] => {
    const other = byId.get(add.entry);
    byId.set(add.entry, add);
    if (other === undefined) return [];
    return [{ kind: 'acknowledged-write-lost', sentence: 'two entries were given one id', operations: [other, add] }];
  });
}

function wrongIds(reading: Acknowledged<StreamReading>, puts: Puts): Finding[] {
  const findings: Finding[] = [];
  let before: string | undefined;
  for (const [id, value] of reading.entries) {
    if (before !== undefined && compareIds(before, id) >= 0)
      findings.push({ kind: 'order-broken', sentence: `id ${id} stands behind ${before}`, operations: [reading] });
    before = id;
    const put = puts.get(value);
    if (put?.op === 'add' && isAcknowledged<Add>(put) && put.entry !== id)
      findings.push({
        kind: 'not-linearizable',
        sentence: `an entry has the id ${id} and not that of its acknowledgement`,
        operations: [put, reading],
      });
  }
  return findings;
}

/** Orders ids `ms-seq`. */
function compareIds(a: string, b: string): number {
  const [aMs = '', aSeq = ''] = a.split('-');
  const [bMs = '', bSeq = ''] = b.split('-');
  return compareDigits(aMs, bMs) || compareDigits(aSeq, bSeq);
}

/** Orders decimal numbers of any size without leading zeros. */
function compareDigits(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}

function missing(
  reading: Acknowledged<StreamReading>,
  puts: Puts,
  readings: readonly Acknowledged<StreamReading>[],
): Finding[] {
  const there = new Set(valuesOf(reading));
  const later = readings.filter(({ invokedMs }) => invokedMs > reading.invokedMs);
  const isLast = later.length === 0;
  return dueIn(reading, puts).flatMap((put): Finding[] => {
    if (there.has(put.value)) return [];
    if (later.some((other) => valuesOf(other).includes(put.value)))
      return [{ kind: 'stale-read', sentence: 'a reading lacks an entry that was there', operations: [reading, put] }];
    if (!isLast) return []; // Said of the last one.
    return [{ kind: 'acknowledged-write-lost', sentence: 'an acknowledged entry is gone', operations: [put, reading] }];
  });
}

function deliveredTwice(deliveries: readonly Delivery[]): Finding[] {
  const first = new Map<string, Delivery>();
  const findings: Finding[] = [];
  for (const delivery of deliveries) {
    if (delivery.isAgain || delivery.outcome !== 'ok') continue;
    for (const value of valuesOf(delivery)) {
      const other = first.get(value);
      if (other === undefined) first.set(value, delivery);
      else
        findings.push({
          kind: 'delivered-twice',
          sentence: `${value} was delivered as a new entry twice`,
          operations: [other, delivery],
        });
    }
  }
  return findings;
}

/** Whether, after all was added, nothing new was left, and nothing that had been delivered in vain. */
function wasReadToItsEnd(deliveries: readonly Delivery[], addedMs: number): boolean {
  const answered = deliveries.filter(isAcknowledged<Delivery>).filter(({ entries }) => entries.length === 0);
  const end = answered.find(({ isAgain, invokedMs }) => !isAgain && invokedMs > addedMs);
  if (end === undefined) return false;
  const lastInVainMs = deliveries
    .filter(({ outcome }) => outcome === 'unknown')
    .reduce((latest, { completedMs, invokedMs }) => Math.max(latest, completedMs ?? invokedMs), -Infinity);
  return lastInVainMs === -Infinity || answered.some(({ isAgain, invokedMs }) => isAgain && invokedMs >= lastInVainMs);
}

function undelivered(
  last: Acknowledged<StreamReading>,
  added: readonly Acknowledged<Add>[],
  deliveries: readonly Delivery[],
): Finding[] {
  const there = new Set(valuesOf(last));
  const delivered = new Set(deliveries.filter(({ outcome }) => outcome === 'ok').flatMap(valuesOf));
  return added
    .filter(({ value }) => there.has(value) && !delivered.has(value))
    .map((add) => ({ kind: 'not-delivered', sentence: 'no consumer was delivered an entry', operations: [add, last] }));
}
