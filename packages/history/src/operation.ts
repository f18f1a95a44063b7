/**
 * What a client of the cluster did and saw: one record per operation, the only evidence the judges of this package
 * accept.
 *
 * What a key is shows from what is done with it. A register: writes replace its value. A list: pushes append, pops take
 * from the other end. A stream: entries are added and delivered to one group of consumers. A counter: increments. Every
 * value is unique to its key, so that whoever sees it names the operation it came from. Three outcomes: `ok` was acknowledged, `failed` was refused (an error reply: it was never applied),
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
  /** Key that was given the same value in the same transaction, and is never written otherwise. */
  readonly also?: string;
}

export interface Read extends OperationFields {
  readonly op: 'read';
  /** What was read; null when the key was absent, and for reads that are not `ok`. */
  readonly value: string | null;
  /** What was read in the same transaction (or script) of the key that is written together with this one. */
  readonly also?: { readonly key: string; readonly value: string | null };
}

/** RPUSH of one value. */
export interface Push extends OperationFields {
  readonly op: 'push';
  readonly value: string;
}

/** LPOP or BLPOP. */
export interface Pop extends OperationFields {
  readonly op: 'pop';
  /** What was taken; null when there was nothing, and for pops that are not `ok`. An unknown pop may have taken one. */
  readonly value: string | null;
}

/** A read of a whole list. */
export interface ListReading extends OperationFields {
  readonly op: 'list';
  /** From the head on; empty for readings that are not `ok`. */
  readonly values: readonly string[];
}

/** XADD of one value. */
export interface Add extends OperationFields {
  readonly op: 'add';
  readonly value: string;
  /** The id it was given; null unless `ok`. */
  readonly entry: string | null;
}

/** Id of a stream's entry, `ms-seq`, and the value in it. */
export type Entry = readonly [id: string, value: string];

/** A read of a whole stream. */
export interface StreamReading extends OperationFields {
  readonly op: 'entries';
  /** In the order of the reply; empty for readings that are not `ok`. */
  readonly entries: readonly Entry[];
}

/** XREADGROUP for the one group of a stream. */
export interface Delivery extends OperationFields {
  readonly op: 'deliver';
  readonly entries: readonly Entry[];
  /** What had been delivered before and not been acknowledged by a consumer was asked for, and nothing new. */
  readonly isAgain: boolean;
}

/** A script that adds one to a counter. */
export interface Increment extends OperationFields {
  readonly op: 'increment';
  /** What it said the counter is now; null unless `ok`. */
  readonly count: number | null;
}

/** A read of a counter, 0 when it is absent. */
export interface CountReading extends OperationFields {
  readonly op: 'count';
  /** null unless `ok`. */
  readonly count: number | null;
}

export type Operation =
  Write | Read | Push | Pop | ListReading | Add | StreamReading | Delivery | Increment | CountReading;

/** An operation that puts a value of its own into a key. */
export type Effect = Write | Push | Add;

/** Whether the operation puts a value of its own into its key. */
export function isEffect(operation: Operation): operation is Effect {
  return operation.op === 'write' || operation.op === 'push' || operation.op === 'add';
}

/** Whether the operation changes its key when it is executed. */
export function isChange({ op }: Pick<Operation, 'op'>): boolean {
  return op === 'write' || op === 'push' || op === 'pop' || op === 'add' || op === 'deliver' || op === 'increment';
}

/** The values that an operation shows to have been in its key; none for one that is not `ok`. */
export function valuesSeen(operation: Operation): readonly string[] {
  switch (operation.op) {
    case 'read':
    case 'pop':
      return operation.value === null ? [] : [operation.value];
    case 'list':
      return operation.values;
    case 'entries':
    case 'deliver':
      return operation.entries.map(([, value]) => value);
    case 'write':
    case 'push':
    case 'add':
    case 'increment':
    case 'count':
      return [];
    default:
      return operation satisfies never;
  }
}

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
  const how = `began ${operation.invokedMs.toFixed(1)}, ${end} ms, ${operation.outcome}`;
  const node = operation.node ? ` node ${operation.node.slice(0, 8)}` : '';
  return `${operation.client} ${describeDeed(operation)} (${how}, ${operation.address}${node})`;
}

function describeDeed(operation: Operation): string {
  const { key } = operation;
  switch (operation.op) {
    case 'write':
      return `wrote ${[key, ...(operation.also === undefined ? [] : [operation.also])].join(' and ')} = ${operation.value}`;
    case 'read':
      return `read ${key} -> ${describeRead(operation)}`;
    case 'push':
      return `pushed ${operation.value} to ${key}`;
    case 'pop':
      return `popped ${orElse(operation.value, 'nothing')} from ${key}`;
    case 'list':
      return `read list ${key} of ${operation.values.length}`;
    case 'add':
      return `added ${operation.value} to ${key} as ${orElse(operation.entry, 'no id')}`;
    case 'entries':
      return `read stream ${key} of ${operation.entries.length}`;
    case 'deliver':
      return `was delivered ${operation.entries.length} ${operation.isAgain ? 'old' : 'new'} entries of ${key}`;
    case 'increment':
      return `counted ${key} -> ${orElse(operation.count, 'unknown')}`;
    case 'count':
      return `read counter ${key} -> ${orElse(operation.count, 'unknown')}`;
    default:
      return operation satisfies never;
  }
}

function describeRead({ value, also }: Read): string {
  const beside = also === undefined ? '' : `, ${also.key} -> ${orElse(also.value, 'absent')}`;
  return `${orElse(value, 'absent')}${beside}`;
}

function orElse(value: string | number | null, word: string): string | number {
  return value ?? `(${word})`;
}
