/**
 * Judge of transactions that write one value to two keys: whoever reads both in one transaction sees them alike. That
 * each of them is a register like any other is judged with the others.
 */
import type { Finding } from './finding.ts';
import type { Operation } from './operation.ts';

/** Reads of both keys that saw half of a transaction. */
export function tornTransactions(operations: readonly Operation[]): Finding[] {
  return operations.flatMap((operation): Finding[] => {
    if (operation.op !== 'read' || operation.outcome !== 'ok' || operation.also === undefined) return [];
    if (operation.also.value === operation.value) return [];
    return [{ kind: 'torn-transaction', sentence: 'a transaction was seen half', operations: [operation] }];
  });
}
