/** What an application saw of an event: pure sums over the history of its client. */
import {
  isAcknowledged,
  longestGapWithoutWrites,
  type Acknowledged,
  type Operation,
  type Write,
} from '@holdfast/history';

/** On the run's clock. */
export interface EventTimes {
  /** When it was asked for: the stop of the master, the request of a switchover. */
  readonly askedMs: number;
  /** When what stops writes began: the stop; for a switchover the moment the balancer led to the new master. */
  readonly eventMs: number;
  /** When the balancer led to the new master and cut what led to the old one; null when that was not seen. */
  readonly cutMs: number | null;
  readonly endMs: number;
}

export interface ErrorKind {
  readonly kind: string;
  readonly count: number;
}

export interface ClientFigures {
  /** From the event to the first acknowledged write that began after it; null: there was none. */
  readonly msToRecover: number | null;
  /** The same from the cut, when that came after the event. */
  readonly msAfterCut: number | null;
  /** The same until every lane had one. */
  readonly msToRecoverAll: number | null;
  /** Lanes that got no write acknowledged after the event. */
  readonly lanesLost: number;
  /** Longest time without an acknowledged write on the drilled shard. */
  readonly msWithoutWrites: number;
  /** The same of other shards; null when the client wrote to none. */
  readonly msWithoutWritesElsewhere: number | null;
  /** Longest time an operation of the drilled shard was open, until its answer, its error or the end. */
  readonly longestWaitMs: number;
  /** Operations that ended with an error since the event was asked for, most frequent kind first. */
  readonly errors: readonly ErrorKind[];
  /** Errors before that. */
  readonly errorsBefore: number;
  readonly writesAcknowledged: number;
  readonly readsAnswered: number;
}

/** @param lanes names of the lanes that wrote to the drilled shard. */
export function figuresOf(
  operations: readonly Operation[],
  shard: number,
  lanes: readonly string[],
  times: EventTimes,
): ClientFigures {
  const { askedMs, eventMs, cutMs, endMs } = times;
  const drilled = operations.filter((operation) => operation.shard === shard);
  const elsewhere = operations.filter((operation) => operation.shard !== shard);
  const firsts = lanes.map((lane) => firstAfter(drilled, lane, eventMs));
  const answered = firsts.filter((first) => first !== undefined);
  const firstMs = Math.min(...answered);
  const span = { fromMs: askedMs - 200, toMs: endMs };
  const failed = operations.filter(({ outcome, completedMs }) => outcome !== 'ok' && completedMs !== null);
  const since = failed.filter(({ completedMs }) => (completedMs ?? 0) >= askedMs);
  return {
    msToRecover: answered.length === 0 ? null : firstMs - eventMs,
    msAfterCut: answered.length === 0 || cutMs === null ? null : Math.max(0, firstMs - cutMs),
    msToRecoverAll: answered.length < lanes.length ? null : Math.max(...answered) - eventMs,
    lanesLost: lanes.length - answered.length,
    msWithoutWrites: lengthOf(longestGapWithoutWrites(drilled, span)),
    msWithoutWritesElsewhere: elsewhere.length === 0 ? null : lengthOf(longestGapWithoutWrites(elsewhere, span)),
    longestWaitMs: Math.max(0, ...drilled.map(({ invokedMs, completedMs }) => (completedMs ?? endMs) - invokedMs)),
    errors: errorKinds(since),
    errorsBefore: failed.length - since.length,
    writesAcknowledged: operations.filter(({ op, outcome }) => op === 'write' && outcome === 'ok').length,
    readsAnswered: operations.filter(({ op, outcome }) => op === 'read' && outcome === 'ok').length,
  };
}

/** A write that began before the event may have been executed before it; one that began later proves the recovery. */
function firstAfter(operations: readonly Operation[], lane: string, eventMs: number): number | undefined {
  const ends = operations
    .filter((operation): operation is Write => operation.op === 'write' && operation.client === lane)
    .filter(isAcknowledged<Write>)
    .filter((write: Acknowledged<Write>) => write.invokedMs >= eventMs)
    .map(({ completedMs }) => completedMs);
  return ends.length === 0 ? undefined : Math.min(...ends);
}

function lengthOf({ fromMs, toMs }: { readonly fromMs: number; readonly toMs: number }): number {
  return toMs - fromMs;
}

function errorKinds(operations: readonly Operation[]): ErrorKind[] {
  const counts = new Map<string, number>();
  for (const { reason } of operations) {
    const kind = kindOfError(reason ?? '');
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return [...counts].map(([kind, count]) => ({ kind, count })).sort((a, b) => b.count - a.count);
}

const kindLength = 120;

/** An error's text without what differs from one to the next: addresses, slots, times, ids, keys. */
export function kindOfError(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .replace(/\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?::[0-9]+)?|\[[0-9a-fA-F:]+\]:[0-9]+/g, '<address>')
    .replace(/\b[0-9a-f]{40}\b/g, '<id>')
    .replace(/(?<![A-Za-z])[0-9]+/g, '<n>')
    .slice(0, kindLength);
}
