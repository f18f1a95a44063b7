/** `holdfast drill all`: every case, with all fences or with some of them taken away, and one table of what came of it. */
import { realRandom } from '@holdfast/base/real';
import { playDrill } from '../play-drill.ts';
import { asDrill, print } from '../run.ts';
import type { DrillHost } from '../world/index.ts';
import { fenceEvidence, statusOfAblation, statusOfCells } from './evidence.ts';
import { parseAll } from './options.ts';
import { cellsOf } from './outcome.ts';
import { columnsFor, type AllOptions } from './play-plan.ts';
import { reportOf, type AllResult } from './report.ts';
import { runAll, type PlayOne } from './run-all.ts';
import { ablationTable, allTable, conclusion, evidenceLines } from './text.ts';

/**
 * Runs `holdfast drill all <args>`.
 * @returns the exit status; everything was printed.
 * @throws CommanderError for wrong usage and for `--help`.
 */
export function run(args: readonly string[]): Promise<number> {
  const options = parseAll(args, () => realRandom.u32() >>> 1);
  return asDrill(async (host) => {
    const { text, status } = await playAll(options, host, playDrill);
    await print(text);
    return status;
  });
}

/** Plays all of it and says what came of it, in the form that was asked for. */
export async function playAll(
  options: AllOptions,
  host: DrillHost,
  playOne: PlayOne,
): Promise<{ readonly text: string; readonly status: number }> {
  const plays = await runAll(options, host, playOne);
  const cells = cellsOf(options.cases, columnsFor(options), plays);
  const evidence = options.ablation === undefined ? undefined : fenceEvidence(cells, options.leaseMs);
  const status = evidence === undefined ? statusOfCells(cells) : statusOfAblation(cells, evidence);
  return { text: textOf(options, { plays, cells, evidence, status }), status };
}

function textOf(options: AllOptions, result: AllResult): string {
  const { output, ablation, fences, seed, runs, leaseMs } = options;
  if (output === 'json') return `${JSON.stringify(reportOf(options, result), null, 2)}\n`;
  const { cells, evidence } = result;
  const columns = ablation === undefined ? `fences ${fences.fences.join(',') || 'none'}` : 'by fences';
  const title = `drill all, ${columns}, lease ${leaseMs} ms, seed ${seed}${runs === 1 ? '' : `, ${runs} runs`}`;
  const table = evidence === undefined ? allTable(cells.flat(), output) : ablationTable(cells, output);
  const lines = evidenceLines(evidence ?? []).map((line) => (output === 'markdown' ? `- ${line}` : line));
  return [title, '', table, '', ...lines, ...(lines.length > 0 ? [''] : []), conclusion(cells, evidence), ''].join(
    '\n',
  );
}
