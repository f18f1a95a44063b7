/**
 * Is every fence needed? A fence that could be taken away unseen is either of no use or not drilled.
 *
 * The absence of a fence shows in a column that lacks it by what goes away in the column that has it beside the same
 * others: a kind of violation, or, where nothing false was said, time in which nobody could write for longer than
 * promised. The fewer other fences the two columns lack, the more it says: with nothing else missing it is that fence's
 * alone. Where the other column is not in the table, violations count without that comparison.
 */
import { allFences, type Fence } from '../../option-values.ts';
import { drillStatus } from '../play-drill.ts';
import { missingIn } from './columns.ts';
import type { Cell } from './outcome.ts';

export type FenceEvidence = Shown | { readonly kind: 'none'; readonly fence: Fence };

export interface Shown {
  readonly kind: 'violation' | 'time';
  readonly fence: Fence;
  /** Where it shows. */
  readonly cell: Cell;
  /** What its column lacks beside the fence. */
  readonly alsoMissing: readonly Fence[];
  /** The same case with the fence and the same others; undefined when that was not played. */
  readonly withFence: Cell | undefined;
  /** Kinds of violations, and how many, that the other cell does not have. */
  readonly kinds: Cell['kinds'];
  /** Beside time: the sharpest violation, in a column that lacks more. */
  readonly violation?: Shown;
}

/** What the shard promises beyond its lease: it is written again within lease + 300 ms. */
const promiseMs = 300;
/** Less than this is the machine, not the fence. */
const noiseMs = 500;

/**
 * What shows that each fence is needed: the sharpest column, there violations before time, and of these the most. Where
 * that is time, the sharpest violation, if there is any, comes beside it.
 */
export function fenceEvidence(cells: readonly (readonly Cell[])[], leaseMs: number): readonly FenceEvidence[] {
  return allFences.map((fence) => {
    const found = cells.flatMap((row) => row.flatMap((cell) => shownBy(fence, cell, row, leaseMs)));
    const [sharpest] = found.sort(bySharpness);
    if (sharpest === undefined) return { kind: 'none', fence };
    const violation = sharpest.kind === 'time' ? found.find(({ kind }) => kind === 'violation') : undefined;
    return violation === undefined ? sharpest : { ...sharpest, violation };
  });
}

function shownBy(fence: Fence, cell: Cell, row: readonly Cell[], leaseMs: number): readonly Shown[] {
  const missing = missingIn(cell.column);
  if (!missing.includes(fence)) return [];
  const alsoMissing = missing.filter((other) => other !== fence);
  const withFence = row.find(({ column, played }) => played > 0 && missingIn(column).join() === alsoMissing.join());
  const kinds = cell.kinds.filter(([kind]) => withFence?.kinds.every(([other]) => other !== kind) !== false);
  const shown = { fence, cell, alsoMissing, withFence, kinds };
  if (kinds.length > 0) return [{ kind: 'violation', ...shown }];
  const ms = cell.msWithoutWrites?.median ?? 0;
  const msWith = withFence?.msWithoutWrites?.median ?? Infinity;
  return ms > msWith + noiseMs && ms > leaseMs + promiseMs ? [{ kind: 'time', ...shown }] : [];
}

function bySharpness(a: Shown, b: Shown): number {
  const rank = ({ kind, alsoMissing, withFence }: Shown): number =>
    alsoMissing.length * 4 + (kind === 'violation' ? 0 : 2) + (withFence === undefined ? 1 : 0);
  return rank(a) - rank(b) || sizeOf(b) - sizeOf(a);
}

function sizeOf({ kind, kinds, cell }: Shown): number {
  return kind === 'time' ? (cell.msWithoutWrites?.median ?? 0) : kinds.reduce((total, [, count]) => total + count, 0);
}

/** Exit status of all cases with one set of fences: as of a single drill, the worst of them. */
export function statusOfCells(cells: readonly (readonly Cell[])[]): number {
  const all = cells.flat();
  if (all.some(({ verdict }) => verdict === 'violated')) return drillStatus.violated;
  return all.every(({ verdict }) => verdict === 'clean') ? drillStatus.clean : drillStatus.couldNotRun;
}

/**
 * Exit status of an ablation: 0 when nothing is violated with all fences and the absence of each shows, 1 when not, 3
 * when that is not known because something could not be played.
 */
export function statusOfAblation(cells: readonly (readonly Cell[])[], evidence: readonly FenceEvidence[]): number {
  const withAll = cells.map((row) => row.filter(({ column }) => missingIn(column).length === 0));
  const status = statusOfCells(withAll);
  if (status === drillStatus.violated) return status;
  const isWhole = cells.flat().every(({ played, asked }) => played === asked && asked > 0);
  if (evidence.some(({ kind }) => kind === 'none')) return isWhole ? drillStatus.violated : drillStatus.couldNotRun;
  return isWhole ? status : drillStatus.couldNotRun;
}
