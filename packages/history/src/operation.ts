/**
 * What a client of the cluster did and saw: one record per operation, the only evidence the judges of this package
 * accept.
 *
 * A key is a register: writes replace its value, and every written value is unique to its key, so that a read names the
 * write it saw. Three outcomes: `ok` was acknowledged, `failed` was refused (an error reply: it was never applied),
 * `unknown` got no answer. An unknown write may take effect at any time after its invocation, or never.
 */

export type Outcome = 'ok' | 'failed' | 'unknown';

/**
 * Which part of a run an operation belongs to: `load` clients behave as applications do; `direct` clients know nothing
 * but the internal address of one node and never leave it, whatever it says; `queued` writes are sent to a master that is
 * stopped or deposed, to lie in its socket buffers; `read-back` reads come after everything else.
 */
export const phases = ['load', 'direct', 'queued', 'read-back'] as const;

export type Phase = (typeof phases)[number];

interface OperationFields {
  /** Name of the client; one client has at most its pipeline's depth of operations open. */
  readonly client: string;
  readonly phase: Phase;
  readonly key: string;
  /** Shard that owns the key, from 0. */
  readonly shard: number;
  /** When the request was handed to the socket: milliseconds since the run began, on one monotonic clock. */
  readonly invokedMs: number;
  /** When its end was seen; null when it never ended (same clock). */
  readonly completedMs: number | null;
  readonly outcome: Outcome;
  /** First line of the error reply, or why the outcome is unknown; null for an acknowledged operation. */
  readonly reason: string | null;
  /** `host:port` the client connected to. */
  readonly address: string;
  /** Id of the node at the other end of that connection, by its own word on that connection; null when not known. */
  readonly node: string | null;
}

export interface Write extends OperationFields {
  readonly op: 'write';
  readonly value: string;
}

export interface Read extends OperationFields {
  readonly op: 'read';
  /** What was read; null when the key was absent, and for reads that are not `ok`. */
  readonly value: string | null;
}

export type Operation = Write | Read;

/** An operation that was answered as wished; its end is known. */
export type Acknowledged<T extends Operation> = T & { readonly outcome: 'ok'; readonly completedMs: number };

/** Whether the operation was answered as wished. */
export function isAcknowledged<T extends Operation>(operation: T): operation is Acknowledged<T> {
  return operation.outcome === 'ok' && operation.completedMs !== null;
}

/** Operations by key, each in the order given. */
export function byKey(operations: readonly Operation[]): Map<string, Operation[]> {
  const groups = new Map<string, Operation[]>();
  for (const operation of operations) {
    const group = groups.get(operation.key);
    if (group) group.push(operation);
    else groups.set(operation.key, [operation]);
  }
  return groups;
}

/** One operation in a line, for people. */
export function describeOperation(operation: Operation): string {
  const end = operation.completedMs === null ? 'never ended' : `ended ${operation.completedMs.toFixed(1)}`;
  const what =
    operation.op === 'write'
      ? `wrote ${operation.key} = ${operation.value}`
      : `read ${operation.key} -> ${operation.value ?? '(absent)'}`;
  const how = `began ${operation.invokedMs.toFixed(1)}, ${end} ms, ${operation.outcome}`;
  return `${operation.client} ${what} (${how}, ${operation.address}${operation.node ? ` node ${operation.node.slice(0, 8)}` : ''})`;
}
