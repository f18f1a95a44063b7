/** `holdfast drill <case>`: from the command line to the exit status. */
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { FatalError, OperationError, messageOf } from '@holdfast/base';
import { encodeHistory } from '@holdfast/history';
import { parseDrill, type DrillOptions, type OtherCommand } from './options.ts';
import type { AnyReport } from './drill-report.ts';
import { formatComparison, playOnPeer, requirePeer, type Peer, type PlayedPeer } from './peer/index.ts';
import { drillStatus, playDrill, type PlayedCluster } from './play-drill.ts';
import { formatReport } from './report.ts';
import type { DrillHost } from './world/index.ts';

/**
 * Runs `holdfast drill <args>` for a case.
 * @param others subcommands that are read elsewhere, for the help.
 * @returns the exit status; everything was printed.
 */
export function runDrill(args: readonly string[], others: readonly OtherCommand[]): Promise<number> {
  const parsed = parseDrill(args, others);
  if (parsed.kind === 'run') return asDrill((host) => drill(parsed.options, host));
  process.stdout.write(parsed.stdout);
  process.stderr.write(parsed.stderr);
  return Promise.resolve(parsed.status);
}

/**
 * Does what a subcommand of `holdfast drill` does: with progress on standard error, in order ended by Ctrl-C, and with
 * status 3 and its reason when it cannot go on.
 * @param work returns the exit status.
 */
export async function asDrill(work: (host: DrillHost) => Promise<number>): Promise<number> {
  const progress = (line: string): void => void process.stderr.write(`${line}\n`);
  try {
    // Listened to from before the first process starts, so that no moment leaves processes or directories behind.
    return await work({ progress, signal: interruption(progress) });
  } catch (error) {
    const isForeseen = [OperationError, RangeError, FatalError].some((kind) => error instanceof kind);
    const text = isForeseen || !(error instanceof Error) ? messageOf(error) : (error.stack ?? error.message);
    process.stderr.write(`drill could not run: ${text}\n`);
    return drillStatus.couldNotRun;
  }
}

async function drill(options: DrillOptions, host: DrillHost): Promise<number> {
  const { peer, output } = options;
  if (peer !== undefined) requirePeer(peer);
  const history = options.history === undefined ? undefined : openHistory(options.history);
  const played = await playDrill(options, host);
  if (history !== undefined) writeHistory(history, `drill ${options.drill}`, played);
  if (output === 'text') await print(formatReport(played.report));
  // One JSON document: it waits for the peer's part.
  if (peer === undefined && output === 'json') await print(asJson(played.report));
  if (peer !== undefined) await compare(options, peer, played.report, host);
  return played.status;
}

/** Plays the same on another system and prints both; its violations are no failure of ours. */
async function compare(options: DrillOptions, system: Peer, ours: AnyReport, host: DrillHost): Promise<void> {
  const { drill: name, output } = options;
  const history = options.history === undefined ? undefined : openHistory(`${options.history}.${system}`);
  host.progress(`the same on ${system}`);
  let played: PlayedPeer;
  try {
    played = await playOnPeer(options, ours.seed, host);
  } catch (error) {
    if (output === 'json') await print(asJson(ours));
    throw error;
  }
  const { peer } = played;
  if (history !== undefined) writeHistory(history, `drill ${name} on ${system}`, { ...played, report: peer.report });
  await print(output === 'json' ? asJson({ ...ours, peer }) : `\n${formatComparison(ours, peer)}`);
}

function asJson(document: unknown): string {
  return `${JSON.stringify(document, null, 2)}\n`;
}

/**
 * Resolves when the text has left this process: a report of violations can be longer than a pipe holds.
 * @throws OperationError when nobody can read it: a verdict that was not given is none.
 */
export function print(text: string): Promise<void> {
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

/** Aborted by the first SIGINT, SIGTERM or SIGHUP; the second one ends this process, which still clears up what it can. */
function interruption(say: (line: string) => void): AbortSignal {
  const ending = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (ending.signal.aborted) process.exit(drillStatus.couldNotRun);
      say(`${signal}: ending the drill`);
      ending.abort(new RangeError(`ended by ${signal}`));
    });
  }
  return ending.signal;
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

function writeHistory(fd: number, source: string, { report, startedWallMs, operations }: PlayedCluster): void {
  const startedAt = new Date(startedWallMs).toISOString();
  const header = { source, seed: report.seed, startedAt };
  writeFileSync(fd, encodeHistory({ header, operations }));
  closeSync(fd);
}
