/** Thrown when one of our own invariants does not hold: a bug, never bad input. Nobody catches it; the process ends. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

/**
 * States an invariant.
 * @throws InvariantError with `message` when `condition` is false.
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

/** Marks a branch that the types already rule out. */
export function unreachable(value: never): never {
  throw new InvariantError(`unreachable: ${String(value)}`);
}
