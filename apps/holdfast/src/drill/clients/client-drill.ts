/** `holdfast drill clients`: client libraries as they are, each through each event. See docs/operating/clients.md. */
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { OperationError, messageOf } from '@holdfast/base';
import { encodeHistory, type Operation } from '@holdfast/history';
import { allFences } from '../../option-values.ts';
import { drillStatus } from '../play-drill.ts';
import { asDrill, print } from '../run.ts';
import { placesOf, withCluster, type ThrowAwaySettings } from '../throw-away-cluster.ts';
import { inDrillWorld, type DrillHost, type DrillTask } from '../world/index.ts';
import { drilledClients } from './client-list.ts';
import { parseClientDrill, type ClientDrillOptions } from './client-options.ts';
import { formatClientReport, type ClientDrillReport } from './client-report.ts';
import { drillClients, type Drilled, type PreparedClients } from './client-run.ts';
import { prepare, type Prepared } from './preparation.ts';

/**
 * Runs `holdfast drill clients <args>`.
 * @returns the exit status; everything was printed.
 */
export function run(args: readonly string[]): Promise<number> {
  const parsed = parseClientDrill(args);
  if (parsed.kind === 'run') return asDrill((host) => drill(parsed.options, host));
  process.stdout.write(parsed.stdout);
  process.stderr.write(parsed.stderr);
  return Promise.resolve(parsed.status);
}

async function drill(options: ClientDrillOptions, host: DrillHost): Promise<number> {
  const history = options.history === undefined ? undefined : openHistory(options.history);
  // Here, since the hosts of a world reach nothing outside it.
  const prepared = await prepareClients(options.clients, host);
  const { network, shards, leaseMs, keep } = options;
  const settings: ThrowAwaySettings = { shards, controllers: 1, hasEtcd: false, fences: allFences, leaseMs };
  const plan = { network, places: placesOf(settings), disks: [], keep };
  const { report, operations } = await inDrillWorld(plan, clientTask, { options, prepared, settings }, host);
  if (history !== undefined) writeHistory(history, report, operations);
  const { output } = options;
  await print(output === 'json' ? `${JSON.stringify(report, null, 2)}\n` : formatClientReport(report, output));
  if (report.violations > 0) return drillStatus.violated;
  return report.rows.some(({ failures }) => failures.length > 0) ? drillStatus.couldNotRun : drillStatus.clean;
}

interface ClientTaskInput {
  readonly options: ClientDrillOptions;
  readonly prepared: PreparedClients;
  readonly settings: ThrowAwaySettings;
}

/** The part of it that is played at the place `clients`. */
export const clientTask: DrillTask<ClientTaskInput, Drilled> = {
  module: import.meta.url,
  name: 'clientTask',
  call: (site, { options, prepared, settings }) =>
    withCluster(site, settings, (cluster) => drillClients(cluster, options, prepared, site)),
};

/** Makes the programs of clients ready, one after another: they share caches of their package managers. */
export async function prepareClients(
  names: readonly string[],
  { progress, signal }: DrillHost,
): Promise<Map<string, Prepared>> {
  const cacheRoot = fileURLToPath(new URL('../../../../../.cache/drill-clients', import.meta.url));
  const ofProgram = new Map<string, Prepared>();
  const prepared = new Map<string, Prepared>();
  for (const { name, program } of drilledClients) {
    if (!names.includes(name)) continue;
    let outcome = ofProgram.get(program.name);
    if (outcome === undefined) {
      outcome = await prepare(program, { cacheRoot, path: process.env['PATH'] ?? '', progress, signal });
      ofProgram.set(program.name, outcome);
    }
    if (outcome.kind === 'skipped') progress(`${name} is skipped: ${outcome.reason}`);
    prepared.set(name, outcome);
  }
  return prepared;
}

/** Opened before the run, so that a path that cannot be written costs nobody a run. */
function openHistory(path: string): number {
  try {
    return openSync(path, 'w');
  } catch (error) {
    const message = `cannot write the history to ${path}: ${messageOf(error)}`;
    throw new OperationError('DRILL_HISTORY', message, { outcome: 'not-applied', cause: error });
  }
}

function writeHistory(fd: number, { startedAt }: ClientDrillReport, operations: readonly Operation[]): void {
  writeFileSync(fd, encodeHistory({ header: { source: 'drill clients', seed: 0, startedAt }, operations }));
  closeSync(fd);
}
