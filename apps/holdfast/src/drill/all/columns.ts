/** Columns of an ablation: which fences are left on in each, and what each is to show. */
import { allFences, type Fence } from '../../option-values.ts';

export interface Column {
  /** As `--fences` takes it; `all` for all of them. */
  readonly name: string;
  readonly fences: readonly Fence[];
}

/**
 * - `alone`: no fence, each alone, all
 * - `full`: also every pair, each of which lacks one fence only
 */
export type Ablation = 'alone' | 'full';

export const allColumn: Column = { name: 'all', fences: allFences };

const none: Column = { name: 'none', fences: [] };

/** From no fence to all of them. */
export function columnsOf(ablation: Ablation): readonly Column[] {
  const alone = allFences.map((fence): Column => ({ name: fence, fences: [fence] }));
  const pairs = allFences.toReversed().map((missing) => columnWith(allFences.filter((fence) => fence !== missing)));
  return [none, ...alone, ...(ablation === 'full' ? pairs : []), allColumn];
}

function columnWith(fences: readonly Fence[]): Column {
  return { name: fences.join(','), fences };
}

/** The fences that are off in a column. */
export function missingIn({ fences }: Column): readonly Fence[] {
  return allFences.filter((fence) => !fences.includes(fence));
}
