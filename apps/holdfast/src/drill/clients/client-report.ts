/** The report of `drill clients`: JSON as it is, and the table for people in text or Markdown. */
import type { Violation } from '@holdfast/history';
import Table from 'cli-table3';
import type { ClientFigures, ErrorKind } from './client-figures.ts';
import type { ClientEvent, ClientSettings } from './client-list.ts';

/** One play, without its history. */
export interface PlayedRun {
  readonly figures: ClientFigures;
  readonly toldErrors: readonly ErrorKind[];
  readonly endedEarly: string | null;
  readonly violations: readonly Violation[];
  readonly acknowledgedWritesLost: number;
  readonly staleReads: number;
  readonly staleReplicaReads: number;
  readonly replicaLateMs: number;
  readonly unjudgedKeys: readonly string[];
}

/** All plays of one client with one kind of settings through one event. */
export interface ClientRow {
  readonly client: string;
  readonly library: string;
  readonly version: string;
  readonly settings: ClientSettings;
  readonly event: ClientEvent;
  readonly runs: readonly PlayedRun[];
  /** Why a play could not be played, one for each. */
  readonly failures: readonly string[];
}

/** The form of `--output json`; `version` rises when a reader of the former form would misread it. */
export interface ClientDrillReport {
  readonly version: 1;
  readonly drill: 'clients';
  /** ISO 8601. */
  readonly startedAt: string;
  readonly leaseMs: number;
  /** Load average of the last minute at the start: what the figures were measured beside. */
  readonly loadAverage: number;
  readonly violations: number;
  readonly acknowledgedWritesLost: number;
  readonly staleReads: number;
  /** Plays in which some lane did not write again. */
  readonly neverRecovered: number;
  readonly rows: readonly ClientRow[];
  readonly skipped: readonly { readonly client: string; readonly reason: string }[];
}

const headings = [
  'client',
  'version',
  'event',
  'settings',
  'to recover, ms',
  'all lanes, ms',
  'without writes, ms',
  'longest wait, ms',
  'errors shown',
  'lost / stale',
];

/** The report as text, without colours, with a line end. */
export function formatClientReport(report: ClientDrillReport, form: 'text' | 'markdown'): string {
  const rows = report.rows.map(cellsOf);
  const lines = form === 'markdown' ? markdownTable(rows) : [textTable(rows)];
  lines.push(
    '',
    ...errorLines(report.rows, form),
    ...report.skipped.map((each) => `skipped: ${each.client}: ${each.reason}`),
  );
  const { acknowledgedWritesLost: lost, staleReads: stale, neverRecovered } = report;
  lines.push(
    '',
    `lease ${report.leaseMs} ms, ${report.startedAt}, load average ${report.loadAverage.toFixed(1)} at the start. ` +
      `Acknowledged writes lost: ${lost}. Stale reads: ${stale}. Violations: ${report.violations}. ` +
      `Plays that did not recover: ${neverRecovered}.`,
  );
  return `${lines.join('\n')}\n`;
}

function cellsOf({ client, version, event, settings, runs, failures }: ClientRow): string[] {
  const head = [client, version, event, settings];
  if (runs.length === 0)
    return [
      ...head,
      ...headings
        .slice(4)
        .map(() => '-')
        .slice(1),
      `not played: ${failures[0] ?? ''}`,
    ];
  const figure = (of: (figures: ClientFigures) => number | null): string =>
    spread(runs.map(({ figures }) => of(figures)));
  const errors = runs.map(({ figures }) => sumOf(figures.errors.map(({ count }) => count)));
  const lost = sumOf(runs.map((run) => run.acknowledgedWritesLost));
  const stale = sumOf(runs.map((run) => run.staleReads));
  return [
    ...head,
    figure(({ msToRecover }) => msToRecover),
    figure(({ msToRecoverAll }) => msToRecoverAll),
    figure(({ msWithoutWrites }) => msWithoutWrites),
    figure(({ longestWaitMs }) => longestWaitMs),
    spread(errors),
    `${lost} / ${stale}`,
  ];
}

/** Median, and the worst when it is another; `never` counts as the worst. */
export function spread(values: readonly (number | null)[]): string {
  const sorted = values.map((value) => value ?? Infinity).sort((a, b) => a - b);
  const median = sorted[Math.floor((sorted.length - 1) / 2)] ?? Infinity;
  const worst = sorted.at(-1) ?? Infinity;
  const text = (value: number): string => (value === Infinity ? 'never' : String(Math.round(value)));
  return text(median) === text(worst) ? text(median) : `${text(median)} (${text(worst)})`;
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

/** One lane writes to each other shard: what is longer than this is no pause between two of its writes. */
const elsewhereMs = 250;

/** What the errors of a row were, over all its runs, and what else no figure of the table shows. */
function errorLines(rows: readonly ClientRow[], form: 'text' | 'markdown'): string[] {
  const lines: string[] = [];
  for (const { client, event, settings, runs } of rows) {
    const shown = sumKinds(runs.flatMap(({ figures }) => figures.errors));
    const told = sumKinds(runs.flatMap(({ toldErrors }) => toldErrors));
    const ended = runs.filter(({ endedEarly }) => endedEarly !== null).length;
    const stale = Math.max(0, ...runs.map(({ replicaLateMs }) => replicaLateMs));
    const elsewhere = Math.max(0, ...runs.map(({ figures }) => figures.msWithoutWritesElsewhere ?? 0));
    const parts = [
      ...(shown.length > 0 ? [`shown: ${shown.map(describe).join('; ')}`] : []),
      ...(told.length > 0 ? [`told beside: ${told.map(describe).join('; ')}`] : []),
      ...(ended > 0 ? [`the process ended in ${ended} of ${runs.length} runs`] : []),
      ...(elsewhere > elsewhereMs ? [`other shards were without writes for up to ${Math.round(elsewhere)} ms`] : []),
      ...(stale > 0 ? [`replica reads were late by up to ${Math.round(stale)} ms`] : []),
    ];
    if (parts.length === 0) continue;
    lines.push(`${form === 'markdown' ? '- ' : ''}${client}, ${event}, ${settings}: ${parts.join('. ')}`);
  }
  return lines;
}

function describe({ kind, count }: ErrorKind): string {
  return `${count} x ${kind}`;
}

function sumKinds(kinds: readonly ErrorKind[]): ErrorKind[] {
  const counts = new Map<string, number>();
  for (const { kind, count } of kinds) counts.set(kind, (counts.get(kind) ?? 0) + count);
  return [...counts].map(([kind, count]) => ({ kind, count })).sort((a, b) => b.count - a.count);
}

function textTable(rows: readonly (readonly string[])[]): string {
  const table = new Table({ head: headings, style: { head: [], border: [] } });
  for (const row of rows) table.push([...row]);
  return table.toString();
}

function markdownTable(rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(headings), `|${headings.map(() => '---').join('|')}|`, ...rows.map(line)];
}
