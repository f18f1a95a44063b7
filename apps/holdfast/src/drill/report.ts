/** A drill's report for people: the time line, a table of figures, the violations grouped by kind. */
import Table from 'cli-table3';
import type { AnyReport, DrillViolation } from './drill-report.ts';

const examplesPerKind = 3;

/** The report as text, without colours, with a line end. */
export function formatReport(report: AnyReport): string {
  const { figures } = report;
  const lines = [
    `drill ${report.drill}, fences ${report.fences.length > 0 ? report.fences.join(',') : 'none'}, seed ${report.seed}`,
    '',
    ...report.timeline.map(
      ({ event, sinceStopMs, detail }) => `${withSign(sinceStopMs).padStart(8)} ms  ${event.padEnd(19)} ${detail}`,
    ),
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

function withSign(ms: number): string {
  return ms < 0 ? String(ms) : `+${ms}`;
}

function figuresTable(report: AnyReport): string {
  const { figures } = report;
  const table = new Table({ style: { head: [], border: [] } });
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
    ...group.slice(0, examplesPerKind).map(({ message }) => `  ${message}`),
    ...(group.length > examplesPerKind ? [`  and ${group.length - examplesPerKind} more (--output json has all)`] : []),
  ]);
}
