/** What `drill all` plays, in which order: every case, with the fences of every column, as often as asked. */
import type { DrillCase } from '../cases/index.ts';
import type { Network } from '../world/index.ts';
import { columnsOf, type Ablation, type Column } from './columns.ts';

export interface AllOptions {
  readonly cases: readonly DrillCase[];
  /** Undefined: one column, of `fences`. */
  readonly ablation: Ablation | undefined;
  /** Of the only column, where nothing is ablated. */
  readonly fences: Column;
  readonly runs: number;
  readonly network: Network;
  readonly shards: number;
  readonly clients: number;
  /** The longest that clients write in a case, unless it needs more; undefined: its own time. */
  readonly seconds: number | undefined;
  readonly leaseMs: number;
  readonly seed: number;
  /** Directory for one history file per case, column and run. */
  readonly history: string | undefined;
  readonly output: 'text' | 'json' | 'markdown';
  readonly keep: boolean;
}

/** One case with the fences of one column, once. */
export interface PlannedPlay {
  readonly drillCase: DrillCase;
  readonly column: Column;
  /** From 1. */
  readonly run: number;
  readonly seconds: number;
  readonly seed: number;
  /** Name of its history file. */
  readonly fileName: string;
}

/** The columns of the table. */
export function columnsFor({ ablation, fences }: AllOptions): readonly Column[] {
  return ablation === undefined ? [fences] : columnsOf(ablation);
}

/** Everything once, then everything again: what changes on the machine meanwhile meets all cases alike. */
export function planPlays(options: AllOptions): readonly PlannedPlay[] {
  const { cases, runs, seconds, seed, ablation } = options;
  const plays: PlannedPlay[] = [];
  for (let run = 1; run <= runs; run++) {
    for (const drillCase of cases) {
      for (const column of columnsFor(options)) {
        plays.push({
          drillCase,
          column,
          run,
          seconds: Math.max(drillCase.leastSeconds, Math.min(drillCase.seconds, seconds ?? Infinity)),
          seed: derivedSeed(seed, drillCase.name, run),
          fileName: [
            drillCase.name,
            ...(ablation === undefined ? [] : [column.name.replaceAll(',', '+')]),
            ...(runs === 1 ? [] : [`run${run}`]),
          ]
            .join('-')
            .concat('.jsonl'),
        });
      }
    }
  }
  return plays;
}

/**
 * The seed of one case in one run; the same in every column, so that they differ in their fences alone.
 * @returns 0 .. 2^31-1, an FNV-1a hash.
 */
export function derivedSeed(seed: number, caseName: string, run: number): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(`${seed} ${caseName} ${run}`)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 1;
}
