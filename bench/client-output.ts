/**
 * What redis-benchmark (redis-tools 7) prints about one test, read.
 *
 * With `-q` and `--csv` it says no p99.9, so its long form is read: a table of percentiles that halves the rest in each
 * line, and a summary. While it runs it overwrites one line with carriage returns; those are dropped.
 */

/** One run of the load client. Times are those from sending a pipeline to the reply. */
export interface ClientFigures {
  readonly requests: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

interface Row {
  readonly percent: number;
  readonly ms: number;
}

/**
 * @param text all of redis-benchmark's standard output, of a run with a single test.
 * @throws Error that quotes the output when it ended early or was told an error by the server.
 */
export function readClientOutput(text: string): ClientFigures {
  const lines = text.split(/[\r\n]+/);
  const refused = lines.find((line) => /^Error from server|^(ERR|WRONGTYPE|LOADING|NOAUTH|READONLY)\b/.test(line));
  if (refused !== undefined) throw new Error(`the server refused the load: ${refused}`);
  const requests = Number(/^\s*(\d+) requests completed in/m.exec(text)?.[1]);
  const perSecond = Number(/throughput summary: ([\d.]+) requests per second/.exec(text)?.[1]);
  const rows: Row[] = [];
  for (const line of lines) {
    const match = /^([\d.]+)% <= ([\d.]+) milliseconds/.exec(line);
    if (match !== null) rows.push({ percent: Number(match[1]), ms: Number(match[2]) });
    if (line.startsWith('Cumulative distribution')) break;
  }
  if (!Number.isFinite(requests) || !Number.isFinite(perSecond) || rows.length === 0)
    throw new Error(`redis-benchmark said nothing that can be read: ${text.slice(-500).trim() || '(no output)'}`);
  return {
    requests,
    perSecond,
    p50Ms: at(rows, 50),
    p99Ms: summaryP99(lines) ?? at(rows, 99),
    p999Ms: at(rows, 99.9),
    maxMs: at(rows, 100),
  };
}

/** The first line that covers the percentile: never better than what was measured. */
function at(rows: readonly Row[], percent: number): number {
  return (rows.find((row) => row.percent >= percent) ?? (rows.at(-1) as Row)).ms;
}

/** The summary has p99 itself; the table has 98.4 % and 99.2 %. */
function summaryP99(lines: readonly string[]): number | undefined {
  const head = lines.findIndex((line) => /^\s*avg\s+min\s+p50\s+p95\s+p99\s+max\s*$/.test(line));
  const value = Number(lines[head + 1]?.trim().split(/\s+/)[4]);
  return head >= 0 && Number.isFinite(value) ? value : undefined;
}
