/**
 * What lists and streams have in common: values are put at the end, each by one operation, and stay in the order in which
 * they took effect. Faults that need nothing else to be seen are found here.
 */
import { OperationError } from '@holdfast/base';
import type { Finding } from './finding.ts';
import { isAcknowledged, valuesSeen, type Acknowledged, type Add, type Operation, type Push } from './operation.ts';

export type Put = Push | Add;

/**
 * The operations that put values into a key, by value.
 * @throws OperationError HISTORY_VALUE_TWICE when a value was put twice; nothing could be judged then.
 */
export function putsByValue(operations: readonly Operation[]): Map<string, Put> {
  const puts = new Map<string, Put>();
  for (const operation of operations) {
    if (operation.op !== 'push' && operation.op !== 'add') continue;
    if (puts.has(operation.value)) {
      const message = `value ${operation.value} was put twice into ${operation.key}; values must be unique`;
      throw new OperationError('HISTORY_VALUE_TWICE', message, { outcome: 'not-applied' });
    }
    puts.set(operation.value, operation);
  }
  return puts;
}

/** Values seen that nobody put there, that were refused, or that were seen before their operation began. */
export function strangers(operations: readonly Operation[], puts: ReadonlyMap<string, Put>): Finding[] {
  const findings: Finding[] = [];
  const blame = (sentence: string, ...witnesses: Operation[]): void =>
    void findings.push({ kind: 'not-linearizable', sentence, operations: witnesses });
  for (const seen of operations) {
    if (!isAcknowledged<Operation>(seen)) continue;
    for (const value of valuesSeen(seen)) {
      const put = puts.get(value);
      if (put === undefined) blame(`${value} was seen and nobody wrote it`, seen);
      else if (put.outcome === 'failed') blame('what was refused was seen', seen, put);
      else if (seen.completedMs < put.invokedMs) blame('a value was seen before its write began', seen, put);
    }
  }
  return findings;
}

/**
 * Values of one reading that stand twice in it, or behind one that was certainly put later. One finding a value: against
 * the one before it whose operation began last.
 */
export function misplaced(values: readonly string[], puts: ReadonlyMap<string, Put>, reading: Operation): Finding[] {
  const findings: Finding[] = [];
  const met = new Set<string>();
  let last: Put | undefined;
  for (const value of values) {
    const put = puts.get(value);
    if (met.has(value))
      findings.push({ kind: 'not-linearizable', sentence: `${value} is there twice`, operations: [reading] });
    met.add(value);
    if (put === undefined) continue;
    if (last !== undefined && endOf(put) < last.invokedMs)
      findings.push({
        kind: 'order-broken',
        sentence: 'a value stands behind one that was written after it',
        operations: [put, last, reading],
      });
    if (last === undefined || put.invokedMs > last.invokedMs) last = put;
  }
  return findings;
}

/** Acknowledged puts that had ended when a reading began. */
export function dueIn(reading: Acknowledged<Operation>, puts: ReadonlyMap<string, Put>): readonly Acknowledged<Put>[] {
  return [...puts.values()].filter(isAcknowledged<Put>).filter((put) => put.completedMs < reading.invokedMs);
}

function endOf(put: Put): number {
  return isAcknowledged<Put>(put) ? put.completedMs : Infinity;
}
