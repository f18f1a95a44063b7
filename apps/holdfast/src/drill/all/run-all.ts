/** Plays what is planned, one play after the other, each in a fresh world, and keeps what came of it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { FatalError, OperationError, messageOf } from '@holdfast/base';
import { leaseClockMs } from '@holdfast/base/real';
import { encodeHistory } from '@holdfast/history';
import { runsOnLoopback } from '../options.ts';
import type { PlayOptions, PlayedDrill } from '../play-drill.ts';
import type { DrillHost } from '../world/index.ts';
import type { Outcome, Play } from './outcome.ts';
import { columnsFor, planPlays, type AllOptions, type PlannedPlay } from './play-plan.ts';
import { playLine } from './text.ts';

/** As `playDrill`. */
export type PlayOne = (options: PlayOptions, host: DrillHost) => Promise<PlayedDrill>;

/**
 * Plays all of it. A play that cannot run is told and left out; nothing short of the host's signal ends the others, and
 * what was played by then is kept.
 * @throws OperationError DRILL_HISTORY when a history cannot be written.
 */
export async function runAll(options: AllOptions, host: DrillHost, playOne: PlayOne): Promise<readonly Play[]> {
  if (options.history !== undefined) makeDirectory(options.history);
  const plays: Play[] = [];
  const planned = planPlays(options);
  const isOneColumn = columnsFor(options).length === 1;
  for (const each of planned) {
    const outcome = await outcomeOf(each, options, host, playOne);
    const play = { planned: each, outcome };
    plays.push(play);
    if (!host.signal.aborted) host.progress(`[${plays.length}/${planned.length}] ${playLine(play, isOneColumn)}`);
  }
  return plays;
}

async function outcomeOf(
  planned: PlannedPlay,
  options: AllOptions,
  host: DrillHost,
  playOne: PlayOne,
): Promise<Outcome> {
  if (host.signal.aborted) return { kind: 'not-run', reason: messageOf(host.signal.reason) };
  const { drillCase, column, seconds, seed, fileName } = planned;
  const { network, shards, clients, leaseMs, keep } = options;
  if (network === 'loopback' && !runsOnLoopback(drillCase))
    return { kind: 'not-run', reason: 'it needs --network namespaces' };
  const history = options.history === undefined ? undefined : join(options.history, fileName);
  const shard = Math.min(1, shards - 1);
  const { fences } = column;
  const [loadAverage = 0] = loadavg();
  const startedMs = leaseClockMs();
  const asked = {
    drill: drillCase.name,
    network,
    shards,
    shard,
    clients,
    seconds,
    fences,
    leaseMs,
    seed,
    history,
    keep,
  };
  let played: PlayedDrill;
  try {
    played = await playOne(asked, { ...host, progress: (line) => host.progress(`    ${line}`) });
  } catch (error) {
    if (host.signal.aborted) return { kind: 'not-run', reason: messageOf(host.signal.reason) };
    if (![FatalError, OperationError, RangeError].some((kind) => error instanceof kind)) throw error;
    return { kind: 'not-run', reason: messageOf(error) };
  }
  if (history !== undefined) writeHistory(history, played);
  return { kind: 'played', report: played.report, tookMs: Math.round(leaseClockMs() - startedMs), loadAverage };
}

function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true });
  } catch (error) {
    const message = `cannot make the directory for histories ${directory}: ${messageOf(error)}`;
    throw new OperationError('DRILL_HISTORY', message, { outcome: 'not-applied', cause: error });
  }
}

function writeHistory(path: string, { report, startedWallMs, operations }: PlayedDrill): void {
  const startedAt = new Date(startedWallMs).toISOString();
  const header = { source: `drill ${report.drill}`, seed: report.seed, startedAt };
  try {
    writeFileSync(path, encodeHistory({ header, operations }));
  } catch (error) {
    const message = `cannot write the history to ${path}: ${messageOf(error)}`;
    throw new OperationError('DRILL_HISTORY', message, { outcome: 'not-applied', cause: error });
  }
}
