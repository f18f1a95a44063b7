/** A report as text: the core table, the other figures, the goals, and how noisy the machine was. */
import { cellsOf, ratio, valuesOf, type Cell, type Quantity } from './compare.ts';
import { warningsOf } from './noise.ts';
import type { Figure, Judgement, Report } from './report.ts';
import type { ServerName } from './servers.ts';
import { median } from './statistics.ts';

type Row = readonly string[];

/** @returns columns as wide as their widest cell; the first is set left, the others right. */
export function columns(rows: readonly Row[]): string {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, cell.length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** @returns three digits that count, without an exponent. */
export function shown(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '-';
  const size = Math.abs(value);
  if (size >= 100) return value.toFixed(0);
  return value.toFixed(size >= 10 ? 1 : size >= 0.095 || size === 0 ? 2 : 3);
}

export function renderReport(report: Report): string {
  const parts = [
    `Holdfast ${report.holdfast}, ${report.startedAt}, ${report.machine.cores} x ${report.machine.processor}, ` +
      `${report.machine.kernel}, ${report.machine.client}`,
    ...(report.measurements.length > 0 ? [...coreTables(report), memoryTable(report)] : []),
    ...figureTables(report.figures),
    goalTable(report.goals),
    ...skippedLines(report),
    noiseLines(report),
  ];
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

const nameOf = ({ test, pipeline, valueBytes }: Cell): string => `${test} P${pipeline} ${valueBytes} B`;

/** Holdfast's own figures, and below them how they compare. */
function coreTables(report: Report): string[] {
  const { measurements, rounds } = report;
  const cells = cellsOf(measurements);
  const own = ['p50Ms', 'p99Ms', 'p999Ms', 'cpuSecondsPerMillion', 'writtenPerUserByte'] as const satisfies Quantity[];
  const middle = (cell: Cell, quantity: Quantity): number => median(valuesOf(measurements, cell, 'holdfast', quantity));
  const figures = [
    ['Holdfast', 'k/s', 'p50 ms', 'p99 ms', 'p99.9 ms', 'CPU us', 'B/user B'],
    ...cells.map((cell) => [
      nameOf(cell),
      shown(middle(cell, 'perSecond') / 1000),
      ...own.map((quantity) => shown(middle(cell, quantity))),
    ]),
  ];
  const others = report.servers.filter(({ name }) => name !== 'holdfast');
  const compared = ['perSecond', 'p99Ms', 'cpuSecondsPerMillion'] as const satisfies Quantity[];
  const times = (cell: Cell, other: ServerName, quantity: Quantity): string => {
    const value = ratio(measurements, cell, [other], quantity);
    return value === undefined ? '' : `${shown(value)}x`;
  };
  const ratios = [
    ['Holdfast /', ...others.flatMap(({ name }) => [`${name} k/s`, 'p99', 'CPU'])],
    ...cells.map((cell) => [
      nameOf(cell),
      ...others.flatMap(({ name }) => compared.map((quantity) => times(cell, name, quantity))),
    ]),
  ];
  const legend = `CPU us: of the server process, per command. Figures and ratios are medians of rounds: ${rounds}.`;
  return others.length === 0 ? [columns(figures), legend] : [columns(figures), `${columns(ratios)}\n${legend}`];
}

function memoryTable({ memory, servers }: Report): string {
  const mega = (values: readonly number[]): string => shown(median(values) / 1e6);
  const rows = servers.map(({ name, title, version }) => {
    const own = memory.filter(({ server }) => server === name);
    return [`${title} ${version}`, mega(own.map((one) => one.idleBytes)), mega(own.map((one) => one.peakBytes))];
  });
  return columns([['memory, MB', 'idle', 'peak'], ...rows]);
}

/** A table per section: a row per figure, a column per server. */
function figureTables(figures: readonly Figure[]): string[] {
  const sections = [...new Set(figures.map(({ section }) => section))];
  return sections.map((section) => {
    const own = figures.filter((figure) => figure.section === section);
    const whose = [...new Set(own.map(({ of }) => of))];
    const rows = new Map(own.map(({ name, unit }) => [name, unit]));
    return columns([
      [section, ...whose, ''],
      ...[...rows].map(([name, unit]) => [
        name,
        ...whose.map((of) => shownMedian(own.find((one) => one.name === name && one.of === of))),
        unit,
      ]),
    ]);
  });
}

function shownMedian(figure: Figure | undefined): string {
  return figure === undefined ? '' : shown(median(figure.values));
}

const words = { aim: 'aim met', must: 'met', missed: 'MISSED', unknown: 'not measured' } as const;

function goalTable(goals: readonly Judgement[]): string {
  const measured = goals.filter(({ verdict }) => verdict !== 'unknown');
  const rows = measured.map(({ goal, must, aim, better, value, verdict }) => {
    const sign = better === 'higher' ? '>=' : '<=';
    return [goal, shown(value), `${sign} ${shown(must)}`, aim === null ? '' : `${sign} ${shown(aim)}`, words[verdict]];
  });
  const missed = measured.filter(({ verdict }) => verdict === 'missed').length;
  const last = `${measured.length - missed} of ${measured.length} goals met, ${goals.length - measured.length} not measured`;
  return measured.length === 0 ? last : `${columns([['goal', 'is', 'must', 'aim', ''], ...rows])}\n${last}`;
}

function skippedLines({ skipped }: Report): string[] {
  return skipped.length === 0
    ? []
    : [skipped.map(({ what, reason, failed }) => `${failed ? 'FAILED' : 'left out'}: ${what}: ${reason}`).join('\n')];
}

function noiseLines({ noise, seconds }: Report): string {
  const load = (values: readonly number[]): string => values.map((value) => value.toFixed(1)).join(' ');
  const percent = (part: number): string => `${(100 * part).toFixed(1)} %`;
  const line =
    `noise: load ${load(noise.loadBefore)} before, ${load(noise.loadAfter)} after; host took ${percent(noise.stolenShare)}, ` +
    `others ${percent(noise.othersShare)} of the processors; rounds apart ${percent(noise.spreadMedian)} (median), ` +
    `${percent(noise.spreadMax)} (most); ${Math.round(seconds)} s in all`;
  return [line, ...warningsOf(noise).map((warning) => `WARNING: ${warning}`)].join('\n');
}
