/** The form of a drill's report: the same for every case, beside the figures that only one of them has. */
import type { Operation, Violation } from '@holdfast/history';
import type { TimelineEntry } from './watch.ts';

/** What the drill finds beside what the judges of histories find. */
export type DrillViolationKind =
  | Violation['kind']
  | 'writes-not-resumed'
  | 'no-failover'
  | 'unexpected-failover'
  | 'clients-not-recovered'
  | 'heartbeats-missed'
  | 'stale-topology'
  | 'address-leaked'
  | 'served-after-repoint'
  | 'unexpected-errors'
  | 'waiter-not-ended'
  | 'waiter-executed'
  | 'replica-differs'
  | 'not-whole';

export interface DrillViolation {
  readonly kind: DrillViolationKind;
  readonly message: string;
  readonly operations: readonly Operation[];
}

/** What every case counts. */
export interface CommonFigures {
  readonly shard: number;
  readonly leaseMs: number;
  readonly clients: number;
  readonly operations: number;
  readonly writesAcknowledged: number;
  readonly readsAnswered: number;
  readonly refused: number;
  readonly unknown: number;
  /** Promotions of the shard during the run. */
  readonly promotions: number;
  /** What load clients met, by name. */
  readonly clientCounts: Readonly<Record<string, number>>;
  readonly controllerPollsFailed: number;
}

/** The frozen form of `--output json`; `version` rises when a reader of the former form would misread it. */
export interface DrillReport<Name extends string, Figures extends CommonFigures> {
  readonly version: 1;
  readonly drill: Name;
  readonly fences: readonly string[];
  readonly seed: number;
  readonly violations: readonly DrillViolation[];
  readonly acknowledgedWritesLost: number;
  readonly staleReads: number;
  /** Longest time in which no client of the shard got a write acknowledged by a rightful master. */
  readonly msWithoutWrites: number;
  readonly timeline: readonly TimelineEntry[];
  readonly figures: Figures;
  /** Lines of the table for people that only this case has: what, and how much. */
  readonly rows: readonly (readonly [string, string])[];
  /** Keys whose last value could not be read: the run proves nothing about them. */
  readonly unjudgedKeys: readonly string[];
}

/** The report of any case. */
export type AnyReport = DrillReport<string, CommonFigures>;
