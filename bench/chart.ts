/**
 * The core figures as a picture, SVG without script or font of its own. A panel per pipeline; in it a group of bars per
 * command. Bars are drawn relative to the fastest server of their group, since commands differ by a factor of fifty, and
 * carry their figure: thousands of requests per second, and CPU microseconds per command.
 */
import { cellsOf, valuesOf, type Cell } from './compare.ts';
import type { Report } from './report.ts';
import type { ServerName } from './servers.ts';
import { median } from './statistics.ts';
import { shown } from './tables.ts';

const colours: Readonly<Record<ServerName, string>> = {
  holdfast: '#d1495b',
  redis: '#8d99ae',
  'kvrocks-1': '#2e86ab',
  'kvrocks-8': '#7fb7d4',
  bare: '#c9cdd2',
};

const margin = 24;
const labelWidth = 108;
const barsWidth = 190;
const figuresWidth = 112;
const panelWidth = labelWidth + barsWidth + figuresWidth + 20;
const barHeight = 11;
const groupGap = 9;
const headHeight = 92;
const panelHead = 26;
const footHeight = 40;

interface Bar {
  readonly server: ServerName;
  readonly perSecond: number;
  readonly cpuSecondsPerMillion: number;
}

interface Group {
  readonly label: string;
  readonly bars: readonly Bar[];
}

export function renderChart(report: Report): string {
  const pipelines = [...new Set(report.measurements.map(({ pipeline }) => pipeline))].sort((a, b) => a - b);
  const panels = pipelines.map((pipeline) => ({ pipeline, groups: groupsOf(report, pipeline) }));
  const heights = panels.map(({ groups }) => panelHead + groups.reduce((sum, group) => sum + heightOf(group), 0));
  const height = headHeight + Math.max(0, ...heights) + footHeight;
  const width = Math.max(760, 2 * margin + panels.length * panelWidth);
  const body = [
    text({ x: margin, y: 30, size: 18, weight: 600 }, `Holdfast ${report.holdfast} beside others on the same machine`),
    text(
      { x: margin, y: 50, size: 12, fill: '#555' },
      `${report.startedAt.slice(0, 10)}, ${report.machine.cores} x ${report.machine.processor}, ` +
        `${report.clients} connections, medians of ${report.rounds} ${report.rounds === 1 ? 'round' : 'rounds'}`,
    ),
    ...legend(report),
    ...panels.flatMap(({ pipeline, groups }, i) => panel(margin + i * panelWidth, pipeline, groups)),
    text(
      { x: margin, y: height - 16, size: 11, fill: '#555' },
      'Bars: requests per second, relative to the fastest of the command. Figures: thousands per second; CPU of the server per command.',
    ),
  ];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
      `font-family="system-ui, 'DejaVu Sans', sans-serif">`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    ...body,
    '</svg>',
    '',
  ].join('\n');
}

function heightOf(group: Group): number {
  return group.bars.length * barHeight + groupGap;
}

function groupsOf(report: Report, pipeline: number): Group[] {
  const { measurements, servers } = report;
  const first = measurements[0]?.valueBytes;
  const cells = cellsOf(measurements).filter((cell) => cell.pipeline === pipeline);
  return cells.map((cell) => ({
    label: cell.valueBytes === first ? cell.test : `${cell.test} ${bytes(cell.valueBytes)}`,
    bars: servers
      .map(({ name }) => ({
        server: name,
        perSecond: middle(report, cell, name, 'perSecond'),
        cpuSecondsPerMillion: middle(report, cell, name, 'cpuSecondsPerMillion'),
      }))
      .filter(({ perSecond }) => Number.isFinite(perSecond)),
  }));
}

function middle(
  report: Report,
  cell: Cell,
  server: ServerName,
  quantity: 'perSecond' | 'cpuSecondsPerMillion',
): number {
  return median(valuesOf(report.measurements, cell, server, quantity));
}

const bytes = (count: number): string => (count % 1024 === 0 ? `${count / 1024} KiB` : `${count} B`);

function legend({ servers }: Report): string[] {
  let x = margin;
  return servers.flatMap(({ name, title, version }) => {
    const label = `${title} ${version}`;
    const parts = [
      `<rect x="${x}" y="64" width="12" height="12" fill="${colours[name]}"/>`,
      text({ x: x + 17, y: 74, size: 12 }, label),
    ];
    x += 34 + label.length * 6.6;
    return parts;
  });
}

function panel(x: number, pipeline: number, groups: readonly Group[]): string[] {
  const parts = [
    text({ x, y: headHeight + 14, size: 13, weight: 600 }, pipeline === 1 ? 'no pipeline' : `pipelines of ${pipeline}`),
  ];
  let y = headHeight + panelHead;
  for (const group of groups) {
    const middleOfGroup = y + (group.bars.length * barHeight) / 2 + 4;
    parts.push(text({ x: x + labelWidth - 8, y: middleOfGroup, size: 12, anchor: 'end' }, group.label));
    const fastest = Math.max(...group.bars.map(({ perSecond }) => perSecond));
    for (const { server, perSecond, cpuSecondsPerMillion } of group.bars) {
      const length = fastest > 0 ? (perSecond / fastest) * barsWidth : 0;
      const left = x + labelWidth;
      parts.push(
        `<rect x="${left}" y="${y}" width="${length.toFixed(1)}" height="${barHeight - 2}" fill="${colours[server]}"/>`,
        text(
          { x: left + length + 4, y: y + barHeight - 3, size: 9, fill: '#444' },
          `${shown(perSecond / 1000)} k/s, ${shown(cpuSecondsPerMillion)} us`,
        ),
      );
      y += barHeight;
    }
    y += groupGap;
  }
  return parts;
}

interface TextStyle {
  readonly x: number;
  readonly y: number;
  readonly size: number;
  readonly weight?: number;
  readonly fill?: string;
  readonly anchor?: 'end';
}

function text({ x, y, size, weight, fill = '#222', anchor }: TextStyle, content: string): string {
  const more = `${weight === undefined ? '' : ` font-weight="${weight}"`}${anchor === undefined ? '' : ` text-anchor="${anchor}"`}`;
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" font-size="${size}" fill="${fill}"${more}>${escaped(content)}</text>`;
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
