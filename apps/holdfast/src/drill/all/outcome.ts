/** What became of one play, and of all plays of one case in one column: the numbers of the tables. Pure. */
import type { AnyReport } from '../drill-report.ts';
import type { DrillCase } from '../cases/index.ts';
import type { Column } from './columns.ts';
import type { PlannedPlay } from './play-plan.ts';

export type Outcome =
  | {
      readonly kind: 'played';
      readonly report: AnyReport;
      readonly tookMs: number;
      /** Of the machine, when the play began: processes that want to run, averaged over a minute. */
      readonly loadAverage: number;
    }
  /** It could not run; nothing is known. */
  | { readonly kind: 'not-run'; readonly reason: string };

export interface Play {
  readonly planned: PlannedPlay;
  readonly outcome: Outcome;
}

/** All plays of one case in one column. Counts are sums over the runs. */
export interface Cell {
  readonly drillCase: DrillCase;
  readonly column: Column;
  readonly verdict: CellVerdict;
  /** How many ran, of how many were asked for. */
  readonly played: number;
  readonly asked: number;
  readonly violations: number;
  /** By kind, most first. */
  readonly kinds: readonly (readonly [string, number])[];
  /** What the first violation of each kind says. */
  readonly examples: ReadonlyMap<string, string>;
  /** Runs that violated something. */
  readonly violatedRuns: number;
  readonly acknowledgedWritesLost: number;
  readonly staleReads: number;
  readonly unjudgedKeys: number;
  /** Median and worst over the runs; null when none ran. */
  readonly msWithoutWrites: Spread | null;
  readonly promotions: Spread | null;
  /** Why plays did not run, each reason once. */
  readonly reasons: readonly string[];
}

export interface Spread {
  readonly median: number;
  readonly most: number;
}

/**
 * - `clean`: every run was played and violated nothing
 * - `violated`: a run violated something
 * - `unknown`: nothing was violated, but something was not played or could not be read back
 */
export type CellVerdict = 'clean' | 'violated' | 'unknown';

/** How often each kind of violation occurs, most first. */
export function kindsOf(reports: readonly AnyReport[]): readonly (readonly [string, number])[] {
  const counts = new Map<string, number>();
  for (const { violations } of reports)
    for (const { kind } of violations) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return [...counts].sort(([a, first], [b, second]) => second - first || (a < b ? -1 : 1));
}

function firstOfEachKind(reports: readonly AnyReport[]): ReadonlyMap<string, string> {
  const first = new Map<string, string>();
  for (const { violations } of reports)
    for (const { kind, message } of violations) if (!first.has(kind)) first.set(kind, message);
  return first;
}

/** The cells of the table, by case and then by column, from what was played so far. */
export function cellsOf(
  cases: readonly DrillCase[],
  columns: readonly Column[],
  plays: readonly Play[],
): readonly (readonly Cell[])[] {
  return cases.map((drillCase) =>
    columns.map((column) => {
      const own = plays.filter(({ planned }) => planned.drillCase === drillCase && planned.column.name === column.name);
      return cellOf(
        drillCase,
        column,
        own.map(({ outcome }) => outcome),
      );
    }),
  );
}

function cellOf(drillCase: DrillCase, column: Column, outcomes: readonly Outcome[]): Cell {
  const reports = outcomes.flatMap((outcome) => (outcome.kind === 'played' ? [outcome.report] : []));
  const reasons = outcomes.flatMap((outcome) => (outcome.kind === 'not-run' ? [outcome.reason] : []));
  const sum = (count: (report: AnyReport) => number): number => reports.reduce((total, each) => total + count(each), 0);
  const violations = sum((report) => report.violations.length);
  const unjudgedKeys = sum((report) => report.unjudgedKeys.length);
  const isWhole = outcomes.length > 0 && reasons.length === 0 && unjudgedKeys === 0;
  return {
    drillCase,
    column,
    verdict: violations > 0 ? 'violated' : isWhole ? 'clean' : 'unknown',
    played: reports.length,
    asked: outcomes.length,
    violations,
    kinds: kindsOf(reports),
    examples: firstOfEachKind(reports),
    violatedRuns: reports.filter((report) => report.violations.length > 0).length,
    acknowledgedWritesLost: sum((report) => report.acknowledgedWritesLost),
    staleReads: sum((report) => report.staleReads),
    unjudgedKeys,
    msWithoutWrites: spreadOf(reports.map((report) => report.msWithoutWrites)),
    promotions: spreadOf(reports.map(({ figures }) => figures.promotions)),
    reasons: [...new Set(reasons)],
  };
}

/** @returns null for no values; of an even count the upper of the two in the middle, which hides nothing. */
export function spreadOf(values: readonly number[]): Spread | null {
  const sorted = values.toSorted((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)];
  const most = sorted.at(-1);
  return median === undefined || most === undefined ? null : { median, most };
}
