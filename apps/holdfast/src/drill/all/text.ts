/** The tables of `drill all` for people: as text without colours, and as Markdown for documents. */
import Table from 'cli-table3';
import { allFences } from '../../option-values.ts';
import { missingIn } from './columns.ts';
import type { FenceEvidence, Shown } from './evidence.ts';
import { kindsOf, type Cell, type Play, type Spread } from './outcome.ts';

/** What is said when a play has ended. */
export function playLine({ planned, outcome }: Play, isOneColumn: boolean): string {
  const name = isOneColumn ? planned.drillCase.name : `${planned.drillCase.name} with ${planned.column.name}`;
  if (outcome.kind === 'not-run') return `${name}: could not run: ${outcome.reason}`;
  const { report, tookMs } = outcome;
  const kinds = kindsOf([report]).map(([kind, count]) => `${kind} ${count}`);
  const unread = report.unjudgedKeys.length === 0 ? [] : [`${report.unjudgedKeys.length} keys not read back`];
  const found = [...kinds, ...unread].join(', ') || 'clean';
  return `${name}: ${found}; ${report.msWithoutWrites} ms without writes (${Math.round(tookMs / 1000)} s)`;
}

const head = ['case', 'violations', 'writes lost', 'stale reads', 'ms without writes', 'promotions', 'verdict'];

/** The table of one column, with a line for whatever needs one. */
export function allTable(cells: readonly Cell[], form: Form): string {
  const rows = cells.map((cell) => [
    cell.drillCase.name,
    shown(cell, cell.violations),
    shown(cell, cell.acknowledgedWritesLost),
    shown(cell, cell.staleReads),
    spread(cell.msWithoutWrites),
    spread(cell.promotions),
    verdictOf(cell),
  ]);
  return [table([head, ...rows], form), ...details(cells, form, true)].join('\n');
}

function shown({ played }: Cell, count: number): string {
  return played === 0 ? '-' : String(count);
}

/** Median, and the worst where that is another one. */
function spread(values: Spread | null): string {
  if (values === null) return '-';
  return values.median === values.most ? String(values.median) : `${values.median} (worst ${values.most})`;
}

function verdictOf({ verdict, played, asked, violatedRuns }: Cell): string {
  if (played === 0) return 'could not run';
  const runs = asked === 1 ? '' : ` in ${verdict === 'violated' ? violatedRuns : played} of ${asked} runs`;
  return `${verdict}${runs}`;
}

/** The table case x fences; a cell is violations / lost / stale / ms. */
export function ablationTable(cells: readonly (readonly Cell[])[], form: Form): string {
  const columns = cells[0]?.map(({ column }) => (column.fences.length === 0 ? 'none' : column.name)) ?? [];
  const rows = cells.map((row) => [row[0]?.drillCase.name ?? '', ...row.map(cellText)]);
  const legend = 'A cell: violations / acknowledged writes lost / stale reads / ms without writes.';
  return [table([['case', ...columns], ...rows], form), '', legend, ...details(cells.flat(), form, false)].join('\n');
}

function cellText(cell: Cell): string {
  if (cell.played === 0) return '-';
  const { violations, acknowledgedWritesLost, staleReads, msWithoutWrites, unjudgedKeys } = cell;
  const text = [violations, acknowledgedWritesLost, staleReads, msWithoutWrites?.median ?? '-'].join(' / ');
  return unjudgedKeys > 0 || cell.played < cell.asked ? `${text} ?` : text;
}

type Form = 'text' | 'markdown';

/**
 * Kinds of violations, reasons for not running, keys that nobody could read: a line for each cell that has any. Where
 * there is one column violations are no one's purpose, and what the first of each kind says is told too.
 */
function details(cells: readonly Cell[], form: Form, isOneColumn: boolean): string[] {
  const lines = cells.flatMap((cell) => {
    const found = [
      ...cell.kinds.map(([kind, count]) => `${kind} ${count}`),
      ...(cell.unjudgedKeys > 0 ? [`${cell.unjudgedKeys} keys could not be read back`] : []),
      ...cell.reasons.map((reason) => `could not run: ${reason}`),
    ];
    if (found.length === 0) return [];
    const name = isOneColumn ? cell.drillCase.name : `${cell.drillCase.name}, ${cell.column.name}`;
    const examples = isOneColumn ? [...cell.examples].map(([kind, message]) => `${kind}: ${message}`) : [];
    const [mark, inset] = form === 'markdown' ? ['- ', '  - '] : ['', '  '];
    return [`${mark}${name}: ${found.join(', ')}`, ...examples.map((line) => `${inset}${line}`)];
  });
  return lines.length === 0 ? [] : ['', ...lines];
}

function table(rows: readonly (readonly string[])[], form: Form): string {
  const [first = [], ...rest] = rows;
  if (form === 'markdown') {
    const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
    return [line(first), line(first.map((_, index) => (index === 0 ? '---' : '---:'))), ...rest.map(line)].join('\n');
  }
  const text = new Table({ head: [...first], style: { head: [], border: [], compact: true } });
  for (const row of rest) text.push([...row]);
  return text.toString();
}

/** A line or two for each fence: what its absence does. */
export function evidenceLines(evidence: readonly FenceEvidence[]): string[] {
  return evidence.flatMap((each) => {
    if (each.kind === 'none') return [`Without ${each.fence}: nothing shows it in these cases.`];
    return [shownLine(each), ...(each.violation === undefined ? [] : [shownLine(each.violation)])];
  });
}

function shownLine(shown: Shown): string {
  const { fence, cell, alsoMissing } = shown;
  const fences = cell.column.fences.length === 0 ? 'no fence' : cell.column.name;
  const also = alsoMissing.length === 0 ? 'nothing else missing' : `${alsoMissing.join(' and ')} missing too`;
  return `Without ${fence}: ${cell.drillCase.name} with ${fences}, ${also}: ${shownText(shown)}.`;
}

function shownText({ kind, kinds, cell, withFence }: Shown): string {
  const ms = (of: Cell | undefined): string => `${of?.msWithoutWrites?.median ?? '-'} ms`;
  if (kind === 'time') return `nothing violated, but ${ms(cell)} without writes; ${ms(withFence)} with it`;
  const found = kinds.map(([name, count]) => `${name} ${count}`).join(', ');
  return withFence === undefined ? found : `${found}; none of that with it`;
}

/** One sentence: what the status says. */
export function conclusion(
  cells: readonly (readonly Cell[])[],
  evidence: readonly FenceEvidence[] | undefined,
): string {
  const judged =
    evidence === undefined ? cells.flat() : cells.flat().filter(({ column }) => missingIn(column).length === 0);
  const count = (verdict: Cell['verdict']): number => judged.filter((cell) => cell.verdict === verdict).length;
  const fences = evidence === undefined ? '' : ' with all fences';
  const parts = [`${count('clean')} of ${judged.length} cases clean${fences}`];
  if (count('violated') > 0) parts.push(`${count('violated')} violated`);
  if (count('unknown') > 0) parts.push(`${count('unknown')} not known`);
  if (evidence !== undefined) {
    const seen = evidence.filter(({ kind }) => kind !== 'none').length;
    parts.push(`the absence of ${seen} of ${allFences.length} fences shows`);
  }
  return `${parts.join('; ')}.`;
}
