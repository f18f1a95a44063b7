/** A drill's report for people: the time line, a table of figures, the violations grouped by kind. */
import Table from 'cli-table3';
import type { AnyReport, DrillViolation } from './drill-report.ts';
import type { TimelineEntry } from './watch.ts';

const examplesPerKind = 3;
/** No rules between the rows of a table. */
const withoutRules = { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' };

/** The report as text, without colours, with a line end. */
export function formatReport(report: AnyReport): string {
  const { figures } = report;
  const lines = [
    `drill ${report.drill}, fences ${report.fences.length > 0 ? report.fences.join(',') : 'none'}, seed ${report.seed}`,
    '',
    ...report.timeline.flatMap(timelineLines),
    '',
    figuresTable(report),
  ];
  if (report.unjudgedKeys.length > 0)
    lines.push(`${report.unjudgedKeys.length} keys could not be read back; nothing is known about them.`);
  lines.push(...violationLines(report.violations));
  lines.push(
    report.violations.length === 0
      ? `Nothing was violated: ${figures.writesAcknowledged} acknowledged writes, all there.`
      : `${report.violations.length} violations.`,
  );
  return `${lines.join('\n')}\n`;
}

/** One line an entry; what begins a new fault stands apart from the one before. */
function timelineLines({ event, sinceStopMs, detail }: TimelineEntry, at: number): string[] {
  const line = `${withSign(sinceStopMs).padStart(8)} ms  ${event.padEnd(19)} ${shortIds(detail)}`;
  return event === 'fault' && at > 0 ? ['', line] : [line];
}

/** Ids of nodes, of which the first letters tell them apart. */
function shortIds(text: string): string {
  return text.replaceAll(/\b[0-9a-f]{40}\b/g, (id) => id.slice(0, 8));
}

function withSign(ms: number): string {
  return ms < 0 ? String(ms) : `+${ms}`;
}

function figuresTable(report: AnyReport): string {
  const { figures } = report;
  const table = new Table({ style: { head: [], border: [] }, chars: withoutRules });
  table.push(
    ['acknowledged writes lost', report.acknowledgedWritesLost],
    ['stale reads', report.staleReads],
    ['time without writes', `${report.msWithoutWrites} ms (lease ${figures.leaseMs} ms)`],
    ['operations', `${figures.operations} by ${figures.clients} clients`],
    ['answered', `${figures.writesAcknowledged} writes, ${figures.readsAnswered} reads`],
    ['refused, unknown', `${figures.refused}, ${figures.unknown}`],
    ['promotions', figures.promotions],
    ...report.rows.map((row) => [...row]),
  );
  return table.toString();
}

function violationLines(violations: readonly DrillViolation[]): string[] {
  const groups = new Map<string, DrillViolation[]>();
  for (const violation of violations) {
    const group = groups.get(violation.kind);
    if (group) group.push(violation);
    else groups.set(violation.kind, [violation]);
  }
  return [...groups].flatMap(([kind, group]) => [
    `${kind}: ${group.length}`,
    ...group.slice(0, examplesPerKind).map(({ message }) => `  ${shortIds(message)}`),
    ...(group.length > examplesPerKind ? [`  and ${group.length - examplesPerKind} more (--output json has all)`] : []),
  ]);
}
