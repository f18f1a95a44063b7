/** From what happened in a `kill` drill to its verdict. */
import { judge, longestGapWithoutWrites, type Operation } from '@holdfast/history';
import type { CommonFigures, DrillReport } from './drill-report.ts';
import type { Kill, KillRun } from './kill.ts';
import type { TimelineEntry } from './watch.ts';
import { median } from './median.ts';
import { replicaViolations, wholeViolations } from './verdict.ts';

export interface KillFigures extends CommonFigures {
  readonly kills: number;
  readonly killsOfMasters: number;
  /** Kills that found the node still down from the one before. */
  readonly killsOfDownNodes: number;
  /**
   * Median time without writes after the kills that ask for a failover and nothing else: of a master, another node being
   * there, and no other kill before writes can be expected again. Null when there were none.
   */
  readonly medianMsWithoutWrites: number | null;
}

export type KillReport = DrillReport<'kill', KillFigures>;

/** Judges a run by the clients' history alone. */
export function judgeKill(run: KillRun, fences: readonly string[]): KillReport {
  const { operations } = run.recorder;
  const verdict = judge(operations, { masterships: [], pauses: [] });
  const load = operations.filter(({ phase, shard }) => phase === 'load' && shard === run.plan.shard);
  const figures = { ...figuresOf(run, operations), medianMsWithoutWrites: medianGap(run, load) };
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
    figures,
    rows: rowsOf(figures),
    unjudgedKeys: verdict.unjudgedKeys,
  };
}

function rowsOf({ kills, killsOfMasters, killsOfDownNodes, medianMsWithoutWrites }: KillFigures): [string, string][] {
  const medianText =
    medianMsWithoutWrites === null ? 'no such kill' : `median ${medianMsWithoutWrites} ms without writes`;
  return [
    ['kills', `${kills}: ${killsOfMasters} of masters, ${killsOfDownNodes} of nodes still down`],
    ['master alone killed', medianText],
  ];
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

/** A failover takes a lease and what comes after it; no other kill may fall into that. */
const afterLeaseMs = 1000;
const leadMs = 200;

function medianGap({ kills, leaseMs, loadEndMs }: KillRun, load: readonly Operation[]): number | null {
  const gaps = kills.flatMap(({ atMs, role, wasDown, hadOther }, at) => {
    const nextMs = kills[at + 1]?.atMs ?? loadEndMs;
    if (role !== 'master' || wasDown || !hadOther || nextMs < atMs + leaseMs + afterLeaseMs) return [];
    const gap = longestGapWithoutWrites(load, { fromMs: atMs - leadMs, toMs: nextMs });
    return [Math.round(gap.toMs - gap.fromMs)];
  });
  return gaps.length === 0 ? null : median(gaps);
}

function figuresOf(
  { plan, leaseMs, kills, watch, counts }: KillRun,
  operations: readonly Operation[],
): Omit<KillFigures, 'medianMsWithoutWrites'> {
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
