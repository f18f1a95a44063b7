/** The same drill on two systems, side by side. */
import Table from 'cli-table3';
import type { AnyReport } from '../drill-report.ts';

/** What a drill found on another system. Its violations are its result, and nobody's failure. */
export interface PeerReport {
  readonly system: 'redis-cluster';
  readonly version: string;
  /** `cluster-node-timeout`. */
  readonly nodeTimeoutMs: number;
  readonly report: AnyReport;
}

/** Both as text for people, with a line end: the peer's time line, and a table of what counts. */
export function formatComparison(ours: AnyReport, peer: PeerReport): string {
  const { report, version, nodeTimeoutMs } = peer;
  const table = new Table({
    head: ['', 'Holdfast', `Redis Cluster ${version}`],
    style: { head: [], border: [] },
    colWidths: [52, 34, 34],
    wordWrap: true,
  });
  const row = (what: string, of: (report: AnyReport) => string | number): void =>
    void table.push([what, of(ours), of(report)]);
  table.push(['failure detection', `lease ${ours.figures.leaseMs} ms`, `node timeout ${nodeTimeoutMs} ms`]);
  row('time without writes', ({ msWithoutWrites }) => `${msWithoutWrites} ms`);
  if (report.drill === 'hang') row('queued writes the resumed old master answered +OK', queuedAfterFence);
  row('acknowledged writes lost', ({ acknowledgedWritesLost }) => acknowledgedWritesLost);
  row('stale reads', ({ staleReads }) => staleReads);
  row('violations', ({ violations }) => violations.length);
  row('writes acknowledged', ({ figures }) => figures.writesAcknowledged);
  for (const [what] of ours.rows) row(what, ({ rows }) => rows.find(([name]) => name === what)?.[1] ?? '');
  const lines = [
    `the same on Redis Cluster ${version}:`,
    '',
    ...report.timeline.map(
      ({ event, sinceStopMs, detail }) => `${signed(sinceStopMs).padStart(8)} ms  ${event.padEnd(19)} ${detail}`,
    ),
    '',
    table.toString(),
    'Verdict and exit status are those of Holdfast alone.',
  ];
  return `${lines.join('\n')}\n`;
}

/** Writes that lay in the old master's buffers and that it acknowledged after it had lost its mastership. */
export function queuedAfterFence({ violations }: AnyReport): number {
  return violations.filter(
    ({ kind, operations }) => kind === 'acknowledged-after-fence' && operations[0]?.phase === 'queued',
  ).length;
}

function signed(ms: number): string {
  return ms < 0 ? String(ms) : `+${ms}`;
}
