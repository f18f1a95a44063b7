/** Plays clients through their events on one cluster, and sums up what was seen. */
import { loadavg } from 'node:os';
import { OperationError } from '@holdfast/base';
import { realTimers, tcpConnector } from '@holdfast/base/real';
import type { Operation } from '@holdfast/history';
import type { DrillCluster } from '../cluster.ts';
import type { DrillHost } from '../world/index.ts';
import { drilledClients, type ClientEvent, type ClientSettings, type DrilledClient } from './client-list.ts';
import type { ClientDrillOptions } from './client-options.ts';
import { playClient, type PlayPlan, type PlayResult, type PlayTimes, type PlayWorld } from './client-play.ts';
import type { ClientDrillReport, ClientRow, PlayedRun } from './client-report.ts';
import type { Prepared } from './preparation.ts';

const lanes = 8;
const playTimes: PlayTimes = {
  paceMs: 20,
  steadyMs: 1000,
  holdMs: 3000,
  recoverWithinMs: 20_000,
  watchMs: 1500,
  startWithinMs: 20_000,
  settleMs: 15_000,
};

/** Outcomes of preparations by the names of clients. */
export type PreparedClients = ReadonlyMap<string, Prepared>;

export interface Drilled {
  readonly report: ClientDrillReport;
  readonly operations: readonly Operation[];
}

interface Row {
  readonly client: DrilledClient;
  readonly settings: ClientSettings;
  readonly event: ClientEvent;
  readonly runs: PlayedRun[];
  readonly failures: string[];
  about: { readonly library: string; readonly version: string } | undefined;
}

/**
 * Plays every client that is ready through every event, as often as asked. A play that cannot be played costs only itself.
 * @returns the report, and with `history` all operations.
 */
export async function drillClients(
  cluster: DrillCluster,
  options: ClientDrillOptions,
  prepared: PreparedClients,
  { progress, signal }: DrillHost,
): Promise<Drilled> {
  const startedAt = new Date();
  const originMs = monotonicMs();
  const clock = { nowMs: () => monotonicMs() - originMs, startedWallMs: startedAt.getTime() };
  const world: PlayWorld = { connector: tcpConnector, timers: realTimers, clock, originMs, progress };
  const rows = rowsOf(options, prepared);
  const operations: Operation[] = [];
  const [loadAverage = 0] = loadavg();
  const { leaseMs } = await cluster.view();
  for (let run = 0; run < options.runs; run++) {
    for (const [at, row] of rows.entries()) {
      if (signal.aborted) break;
      const ready = prepared.get(row.client.name);
      if (ready?.kind !== 'ready') continue;
      const { client, settings, event } = row;
      progress(
        `${(clock.nowMs() / 1000).toFixed(0)} s: ${client.name}, ${event}, ${settings} (${at + 1} of ${rows.length}, run ${run + 1} of ${options.runs})`,
      );
      const plan: PlayPlan = { client, settings, event, shard: options.shard, lanes, name: `p${run}-${at}` };
      try {
        const result = await playClient(cluster, plan, ready, playTimes, world);
        row.about = result.about;
        row.runs.push(withoutHistory(result));
        if (options.history !== undefined) operations.push(...result.operations);
        progress(`  ${summaryOf(result)}`);
      } catch (error) {
        if (!(error instanceof OperationError)) throw error;
        row.failures.push(error.message);
        progress(`  not played: ${error.message}`);
      }
    }
  }
  const skipped = [...prepared].flatMap(([client, each]) =>
    each.kind === 'skipped' ? [{ client, reason: each.reason }] : [],
  );
  return { report: reportOf(rows, { startedAt, leaseMs, loadAverage, skipped }), operations };
}

/** CLOCK_MONOTONIC, which client programs read too. */
function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

function rowsOf(options: ClientDrillOptions, prepared: PreparedClients): Row[] {
  const rows: Row[] = [];
  for (const client of drilledClients) {
    if (!options.clients.includes(client.name) || prepared.get(client.name)?.kind !== 'ready') continue;
    for (const settings of options.settings.filter((each) => client.settings.includes(each)))
      for (const event of options.events)
        if (event !== 'swap' || client.canReadReplicas)
          rows.push({ client, settings, event, runs: [], failures: [], about: undefined });
  }
  return rows;
}

function withoutHistory({ operations: _operations, about: _about, times: _times, ...run }: PlayResult): PlayedRun {
  return run;
}

function summaryOf({ figures, violations }: PlayResult): string {
  const text = (ms: number | null): string => (ms === null ? 'never' : `${Math.round(ms)} ms`);
  const errors = figures.errors.reduce((sum, { count }) => sum + count, 0);
  const { msToRecover, msToRecoverAll, msWithoutWrites, msAfterCut } = figures;
  return (
    `recovered after ${text(msToRecover)} (${text(msAfterCut)} after the cut, all lanes ${text(msToRecoverAll)}), ` +
    `${text(msWithoutWrites)} without writes, ${errors} errors, ${violations.length} violations`
  );
}

function reportOf(
  rows: readonly Row[],
  run: Pick<ClientDrillReport, 'leaseMs' | 'loadAverage' | 'skipped'> & { readonly startedAt: Date },
): ClientDrillReport {
  const played = rows.flatMap(({ runs }) => runs);
  const sum = (of: (run: PlayedRun) => number): number => played.reduce((total, each) => total + of(each), 0);
  return {
    version: 1,
    drill: 'clients',
    ...run,
    startedAt: run.startedAt.toISOString(),
    violations: sum(({ violations }) => violations.length),
    acknowledgedWritesLost: sum((each) => each.acknowledgedWritesLost),
    staleReads: sum((each) => each.staleReads),
    neverRecovered: played.filter(({ figures }) => figures.lanesLost > 0).length,
    rows: rows.map(({ client, settings, event, runs, failures, about }): ClientRow => {
      const { library, version } = about ?? { library: client.program.name, version: '-' };
      return { client: client.name, library, version, settings, event, runs, failures };
    }),
  };
}
