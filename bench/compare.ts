/**
 * Ratios between servers. Each is taken within a round, where both servers met the same machine, and the median of the
 * rounds counts: a machine that gets slower in the course of an hour moves both sides of a ratio.
 */
import type { Measurement } from './report.ts';
import type { ServerName } from './servers.ts';
import { median } from './statistics.ts';

export type Quantity = 'perSecond' | 'p50Ms' | 'p99Ms' | 'p999Ms' | 'cpuSecondsPerMillion' | 'writtenPerUserByte';

/** One test, whatever the server. */
export interface Cell {
  readonly test: string;
  readonly pipeline: number;
  readonly valueBytes: number;
}

/** @returns the cells in the order in which they were first measured. */
export function cellsOf(measurements: readonly Measurement[]): Cell[] {
  const cells = new Map<string, Cell>();
  for (const { test, pipeline, valueBytes } of measurements) {
    const name = `${test} ${pipeline} ${valueBytes}`;
    if (!cells.has(name)) cells.set(name, { test, pipeline, valueBytes });
  }
  return [...cells.values()];
}

function valuesByRound(
  measurements: readonly Measurement[],
  cell: Cell,
  server: ServerName,
  quantity: Quantity,
): Map<number, number> {
  const values = new Map<number, number>();
  for (const one of measurements) {
    const isSame = one.test === cell.test && one.pipeline === cell.pipeline && one.valueBytes === cell.valueBytes;
    const value = one[quantity];
    if (isSame && one.server === server && value !== null) values.set(one.round, value);
  }
  return values;
}

/** @returns the values of all rounds. */
export function valuesOf(
  measurements: readonly Measurement[],
  cell: Cell,
  server: ServerName,
  quantity: Quantity,
): number[] {
  return [...valuesByRound(measurements, cell, server, quantity).values()];
}

/**
 * @param others the best of them in each round counts: the one with the most requests per second, or the least of
 *   anything else.
 * @returns Holdfast's value as a part of theirs, the median of rounds; undefined when no round has both.
 */
export function ratio(
  measurements: readonly Measurement[],
  cell: Cell,
  others: readonly ServerName[],
  quantity: Quantity,
): number | undefined {
  const ours = valuesByRound(measurements, cell, 'holdfast', quantity);
  const theirs = others.map((server) => valuesByRound(measurements, cell, server, quantity));
  const ratios: number[] = [];
  for (const [round, value] of ours) {
    const values = theirs.map((rounds) => rounds.get(round)).filter((one) => one !== undefined);
    const best = quantity === 'perSecond' ? Math.max(...values) : Math.min(...values);
    if (values.length > 0 && best > 0) ratios.push(value / best);
  }
  return ratios.length === 0 ? undefined : median(ratios);
}
