/**
 * Linearizability of a register by trying every order: slow, obvious, and written without looking at the quick checker,
 * so that the two can be compared.
 */
import type { Operation } from '../operation.ts';

/** Whether some order of the operations explains all reads. For a dozen operations at most. */
export function isLinearizableExhaustively(operations: readonly Operation[]): boolean {
  const relevant = operations.filter((operation) =>
    operation.op === 'read' ? operation.outcome === 'ok' : operation.outcome !== 'failed',
  );
  return search(relevant, null);
}

function search(pending: readonly Operation[], state: string | null): boolean {
  if (pending.every((operation) => operation.op === 'write' && operation.outcome === 'unknown')) return true;
  return pending.some((operation) => {
    const overtakes = pending.some((other) => other !== operation && endMs(other) < operation.invokedMs);
    if (overtakes) return false;
    const rest = pending.filter((other) => other !== operation);
    if (operation.op === 'write') return search(rest, operation.value);
    return operation.op === 'read' && operation.value === state && search(rest, state);
  });
}

function endMs(operation: Operation): number {
  return operation.outcome === 'ok' ? (operation.completedMs ?? Infinity) : Infinity;
}
