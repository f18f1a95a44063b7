/** From what happened in a `kill` drill to its verdict. */
import { judge, longestGapWithoutWrites, type Operation } from '@holdfast/history';
import type { Kill, KillRun } from './kill.ts';
import type { TimelineEntry } from './watch.ts';
import { replicaViolations, wholeViolations, type DrillReport } from './verdict.ts';

export interface KillFigures {
  readonly shard: number;
  readonly leaseMs: number;
  readonly clients: number;
  readonly kills: number;
  readonly killsOfMasters: number;
  /** Kills that found the node still down from the one before. */
  readonly killsOfDownNodes: number;
  /** Promotions of the shard during the run. */
  readonly promotions: number;
  readonly operations: number;
  readonly writesAcknowledged: number;
  readonly readsAnswered: number;
  readonly refused: number;
  readonly unknown: number;
  readonly clientCounts: Readonly<Record<string, number>>;
  readonly controllerPollsFailed: number;
}

export type KillReport = DrillReport<'kill', KillFigures>;

/** Judges a run by the clients' history alone. */
export function judgeKill(run: KillRun, fences: readonly string[]): KillReport {
  const { operations } = run.recorder;
  const verdict = judge(operations, { masterships: [], pauses: [] });
  const load = operations.filter(({ phase, shard }) => phase === 'load' && shard === run.plan.shard);
  const gap = longestGapWithoutWrites(load, { fromMs: 0, toMs: run.loadEndMs });
  return {
    version: 1,
    drill: 'kill',
    fences,
    seed: run.plan.seed,
    violations: [
      ...verdict.violations,
      ...wholeViolations(run.wholeMs, run.watch),
      ...replicaViolations(run.replicas, operations),
    ],
    acknowledgedWritesLost: verdict.acknowledgedWritesLost,
    staleReads: verdict.staleReads,
    msWithoutWrites: Math.round(gap.toMs - gap.fromMs),
    timeline: timelineOf(run),
    figures: figuresOf(run, operations),
    unjudgedKeys: verdict.unjudgedKeys,
  };
}

function timelineOf({ kills, watch }: KillRun): TimelineEntry[] {
  const killed = kills.map(({ atMs, address, role, epoch, wasDown }) => ({
    event: 'killed',
    atMs,
    detail: `${address}, ${role} in epoch ${epoch}${wasDown ? ', still down' : ''}`,
  }));
  const promoted = watch.promotions.map(({ atMs, message }) => ({ event: 'promoted', atMs, detail: message }));
  return [...killed, ...promoted]
    .sort((a, b) => a.atMs - b.atMs)
    .map(({ event, atMs, detail }) => {
      return { event, atMs: Math.round(atMs), sinceStopMs: Math.round(atMs - lastKillMs(kills, atMs)), detail };
    });
}

function lastKillMs(kills: readonly Kill[], beforeMs: number): number {
  return kills.findLast(({ atMs }) => atMs <= beforeMs)?.atMs ?? beforeMs;
}

function figuresOf({ plan, leaseMs, kills, watch, counts }: KillRun, operations: readonly Operation[]): KillFigures {
  const count = (matches: (operation: Operation) => boolean): number => operations.filter(matches).length;
  return {
    shard: plan.shard,
    leaseMs,
    clients: plan.clients,
    kills: kills.length,
    killsOfMasters: kills.filter(({ role }) => role === 'master').length,
    killsOfDownNodes: kills.filter(({ wasDown }) => wasDown).length,
    promotions: watch.promotions.length,
    operations: operations.length,
    writesAcknowledged: count(({ op, outcome }) => op === 'write' && outcome === 'ok'),
    readsAnswered: count(({ op, outcome }) => op === 'read' && outcome === 'ok'),
    refused: count(({ outcome }) => outcome === 'failed'),
    unknown: count(({ outcome }) => outcome === 'unknown'),
    clientCounts: Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1))),
    controllerPollsFailed: watch.failedPolls.count,
  };
}
