/** The JSON of `drill all`: every play with its report, and the tables made of them. */
import { availableParallelism } from 'node:os';
import type { AnyReport, DrillViolation } from '../drill-report.ts';
import type { FenceEvidence } from './evidence.ts';
import type { Cell, Play } from './outcome.ts';
import type { AllOptions } from './play-plan.ts';

/** The frozen form; `version` rises when a reader of the former form would misread it. */
export interface AllReport {
  readonly version: 1;
  readonly drill: 'all';
  readonly ablation: AllOptions['ablation'] | null;
  readonly seed: number;
  readonly runs: number;
  readonly leaseMs: number;
  readonly network: string;
  readonly shards: number;
  readonly clients: number;
  readonly cpus: number;
  readonly plays: readonly PlayJson[];
  readonly cells: readonly CellJson[];
  /** What shows the absence of each fence; null without an ablation. */
  readonly evidence: readonly EvidenceJson[] | null;
  readonly status: number;
}

export interface PlayJson {
  readonly case: string;
  readonly column: string;
  readonly fences: readonly string[];
  readonly run: number;
  readonly seconds: number;
  readonly seed: number;
  /** Why it could not run; null when it did. */
  readonly notRun: string | null;
  readonly tookMs: number | null;
  readonly loadAverage: number | null;
  /** Of an ablation with a few violations of each kind; how many there were the cells say. */
  readonly report: AnyReport | null;
}

export type CellJson = Omit<Cell, 'drillCase' | 'column' | 'kinds' | 'examples'> & {
  readonly case: string;
  readonly column: string;
  readonly kinds: Readonly<Record<string, number>>;
};

export type EvidenceJson =
  | { readonly fence: string; readonly kind: 'none' }
  | {
      readonly fence: string;
      readonly kind: 'violation' | 'time';
      readonly case: string;
      readonly column: string;
      readonly alsoMissing: readonly string[];
      /** What the column with the fence does not have; with `time` empty. */
      readonly kinds: Readonly<Record<string, number>>;
      readonly msWithoutWrites: number | null;
      /** Of the column that has the fence beside the same others; null when that was not played. */
      readonly msWithFence: number | null;
      /** Beside `time`: the sharpest violation, where more is missing. */
      readonly violation?: EvidenceJson;
    };

/** Hundreds of lost writes say no more than three, and take a hundred times the room. */
const examplesPerKind = 3;

export interface AllResult {
  readonly plays: readonly Play[];
  readonly cells: readonly (readonly Cell[])[];
  readonly evidence: readonly FenceEvidence[] | undefined;
  readonly status: number;
}

/** The whole of it, for `--output json`. */
export function reportOf(options: AllOptions, { plays, cells, evidence, status }: AllResult): AllReport {
  const { ablation, seed, runs, leaseMs, network, shards, clients } = options;
  return {
    version: 1,
    drill: 'all',
    ablation: ablation ?? null,
    seed,
    runs,
    leaseMs,
    network,
    shards,
    clients,
    cpus: availableParallelism(),
    plays: plays.map((play) => playJson(play, ablation !== undefined)),
    cells: cells.flat().map(cellJson),
    evidence: evidence?.map(evidenceJson) ?? null,
    status,
  };
}

function playJson({ planned, outcome }: Play, isAblated: boolean): PlayJson {
  const { drillCase, column, run, seconds, seed } = planned;
  const of = { case: drillCase.name, column: column.name, fences: column.fences, run, seconds, seed };
  if (outcome.kind === 'not-run')
    return { ...of, notRun: outcome.reason, tookMs: null, loadAverage: null, report: null };
  const { report, tookMs, loadAverage } = outcome;
  const violations = isAblated ? examplesOf(report.violations) : report.violations;
  return { ...of, notRun: null, tookMs, loadAverage, report: { ...report, violations } };
}

function examplesOf(violations: readonly DrillViolation[]): readonly DrillViolation[] {
  const seen = new Map<string, number>();
  return violations.filter(({ kind }) => {
    const count = (seen.get(kind) ?? 0) + 1;
    seen.set(kind, count);
    return count <= examplesPerKind;
  });
}

function cellJson(cell: Cell): CellJson {
  const { drillCase, column, kinds, examples: _inReports, ...numbers } = cell;
  return { case: drillCase.name, column: column.name, kinds: Object.fromEntries(kinds), ...numbers };
}

function evidenceJson(each: FenceEvidence): EvidenceJson {
  if (each.kind === 'none') return { fence: each.fence, kind: 'none' };
  const { fence, kind, cell, alsoMissing, withFence } = each;
  return {
    fence,
    kind,
    case: cell.drillCase.name,
    column: cell.column.name,
    alsoMissing,
    kinds: Object.fromEntries(each.kinds),
    msWithoutWrites: cell.msWithoutWrites?.median ?? null,
    msWithFence: withFence?.msWithoutWrites?.median ?? null,
    ...(each.violation === undefined ? {} : { violation: evidenceJson(each.violation) }),
  };
}
