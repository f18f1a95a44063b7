/** `holdfast drill`: from the command line to the exit status. */
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { FatalError, OperationError, messageOf } from '@holdfast/base';
import { leaseClockMs, realRandom, realTimers, tcpConnector } from '@holdfast/base/real';
import { encodeHistory } from '@holdfast/history';
import type { DrillCluster } from './cluster.ts';
import type { DrillWorld } from './drill-world.ts';
import { caseNamed, type PlayedCase } from './cases/index.ts';
import { parseDrill, type DrillOptions } from './options.ts';
import type { Recorder, RunClock } from './recorder.ts';
import { formatReport } from './report.ts';

/** Exit statuses of a drill. */
export const drillStatus = { clean: 0, violated: 1, usage: 2, couldNotRun: 3 } as const;

/** Makes the cluster a drill runs against; `say` takes what it does, a line each; `signal` ends a start. */
export type Launch = (options: DrillOptions, say: (line: string) => void, signal: AbortSignal) => Promise<DrillCluster>;

/** A node that was killed often waits up to 5 s for its restart. */
const settleMs = 15_000;

/**
 * Runs `holdfast drill <args>`.
 * @returns the exit status; everything was printed.
 */
export async function runDrill(args: readonly string[], launch: Launch): Promise<number> {
  const parsed = parseDrill(args);
  if (parsed.kind === 'exit') {
    process.stdout.write(parsed.stdout);
    process.stderr.write(parsed.stderr);
    return parsed.status;
  }
  try {
    return await drill(parsed.options, launch);
  } catch (error) {
    const isForeseen = [OperationError, RangeError, FatalError].some((kind) => error instanceof kind);
    const text = isForeseen || !(error instanceof Error) ? messageOf(error) : (error.stack ?? error.message);
    process.stderr.write(`drill could not run: ${text}\n`);
    return drillStatus.couldNotRun;
  }
}

async function drill(options: DrillOptions, launch: Launch): Promise<number> {
  const history = options.history === undefined ? undefined : openHistory(options.history);
  const progress = (line: string): void => void process.stderr.write(`${line}\n`);
  // Listened to from before the first process starts, so that no moment leaves processes or directories behind.
  const starting = new AbortController();
  const interrupted = interruption();
  interrupted.catch(() => starting.abort());
  const launching = launch(options, progress, starting.signal);
  try {
    const cluster = await Promise.race([launching, interrupted]);
    const seed = options.seed ?? realRandom.u32() >>> 1;
    const { clock, recorder, report } = await Promise.race([play(cluster, options, seed, progress), interrupted]);
    if (history !== undefined) writeHistory(history, clock, recorder, report);
    await print(options.output === 'json' ? `${JSON.stringify(report, null, 2)}\n` : formatReport(report));
    if (report.violations.length > 0) return drillStatus.violated;
    return report.unjudgedKeys.length > 0 ? drillStatus.couldNotRun : drillStatus.clean;
  } finally {
    const launched = await launching.catch(() => undefined);
    await launched?.close();
  }
}

/**
 * Resolves when the text has left this process: a report of violations can be longer than a pipe holds.
 * @throws OperationError when nobody can read it: a verdict that was not given is none.
 */
function print(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    // An error of the stream is also told as an event, which without a listener ends the process.
    process.stdout.once('error', () => undefined);
    process.stdout.write(text, (error) => {
      if (error === null || error === undefined) return resolve();
      const message = `the report cannot be written: ${messageOf(error)}`;
      reject(new OperationError('DRILL_REPORT', message, { outcome: 'unknown', cause: error }));
    });
  });
}

/** Rejects at the first SIGINT or SIGTERM; a second one ends the process as usual. */
function interruption(): Promise<never> {
  return new Promise<never>((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => reject(new RangeError(`ended by ${signal}`)));
  });
}

interface Played extends PlayedCase {
  readonly clock: RunClock;
}

async function play(
  cluster: DrillCluster,
  options: DrillOptions,
  seed: number,
  progress: (line: string) => void,
): Promise<Played> {
  const { shard, clients, fences } = options;
  const loadMs = options.seconds * 1000;
  const startedMs = leaseClockMs();
  const clock = { nowMs: () => leaseClockMs() - startedMs, startedWallMs: Date.now() };
  const world: DrillWorld = { connector: tcpConnector, timers: realTimers, clock, progress };
  const plan = { shard, clients, loadMs, settleMs, seed };
  return { clock, ...(await caseNamed(options.drill).run(cluster, plan, world, fences)) };
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

function writeHistory(
  fd: number,
  clock: RunClock,
  { operations }: Recorder,
  { drill: name, seed }: Played['report'],
): void {
  const startedAt = new Date(clock.startedWallMs).toISOString();
  writeFileSync(fd, encodeHistory({ header: { source: `drill ${name}`, seed, startedAt }, operations }));
  closeSync(fd);
}
