/** What the judges of lists, streams, counters and transactions find: facts, each with the operations that prove it. */
import type { Acknowledged, Operation } from './operation.ts';

export type FindingKind =
  /** An acknowledged change is gone at the end. */
  | 'acknowledged-write-lost'
  /** A read lacked what was in effect when it began, and what was there again later. */
  | 'stale-read'
  /** What is taken or handed out once was taken or handed out twice. */
  | 'delivered-twice'
  /** An entry of a stream was delivered to no consumer. */
  | 'not-delivered'
  /** What was written after something else stands before it. */
  | 'order-broken'
  /** A transaction was seen half. */
  | 'torn-transaction'
  /** What no order of the operations can show. */
  | 'not-linearizable';

export interface Finding {
  readonly kind: FindingKind;
  /** One clause for people, without the operations. */
  readonly sentence: string;
  readonly operations: readonly Operation[];
}

export interface KeyFindings {
  readonly findings: readonly Finding[];
  /** The key has acknowledged changes that nothing was read after: nothing is known about their loss. */
  readonly isUnjudged: boolean;
}

/** The latest end of acknowledged operations; -Infinity of none. */
export function lastEndMs(operations: readonly Acknowledged<Operation>[]): number {
  return operations.reduce((latest, { completedMs }) => Math.max(latest, completedMs), -Infinity);
}
