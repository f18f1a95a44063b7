/** From what happened in a drill to its verdict: violations, figures and the time line. */
import {
  acknowledgedAfterFence,
  isAcknowledged,
  judge,
  longestGapWithoutWrites,
  type Evidence,
  type Operation,
} from '@holdfast/history';
import { masterOf } from './cluster.ts';
import type { CommonFigures, DrillReport, DrillViolation } from './drill-report.ts';
import type { HangRun } from './hang.ts';
import type { ParkedFigures } from './parked.ts';
import type { Path, QueueFigures } from './queued-writes.ts';
import type { Difference } from './read-back.ts';
import type { TimelineEntry, Watch } from './watch.ts';

export interface HangFigures extends CommonFigures {
  readonly oldMaster: string;
  readonly newMaster: string | null;
  /** Writes laid into the old master's socket buffers around its stop, and what became of them. */
  readonly queued: Readonly<Record<Path, QueueFigures>>;
  /** Clients that waited at the old master when it was stopped. */
  readonly parked: ParkedFigures;
  /**
   * Answers of the old master after its fence to writes that a read had shown to be in effect: it was stopped while it
   * sent them. They are true, and no violation.
   */
  readonly lateAnswers: number;
}

export type HangReport = DrillReport<'hang', HangFigures>;

/** Judges a run. */
export function judgeHang(run: HangRun, fences: readonly string[]): HangReport {
  const evidence = run.watch.evidence(run.before, [run.pause]);
  const { operations } = run.recorder;
  const verdict = judge(operations, evidence);
  const firstWriteMs = firstWriteElsewhere(run);
  const figures = { ...figuresOf(run, evidence), lateAnswers: verdict.lateAnswers };
  return {
    version: 1,
    drill: 'hang',
    fences,
    seed: run.plan.seed,
    violations: [
      ...verdict.violations,
      ...availabilityViolations(run, firstWriteMs),
      ...run.parked.violations,
      ...wholeViolations(run.wholeMs, run.watch),
      ...replicaViolations(run.replicas, operations),
    ],
    acknowledgedWritesLost: verdict.acknowledgedWritesLost,
    staleReads: verdict.staleReads,
    msWithoutWrites: Math.round(msWithoutWrites(run, evidence)),
    timeline: timelineOf(run, evidence, firstWriteMs),
    figures,
    rows: rowsOf(figures),
    unjudgedKeys: verdict.unjudgedKeys,
  };
}

function loadOf(run: HangRun): Operation[] {
  return run.recorder.operations.filter(({ phase, shard }) => phase === 'load' && shard === run.plan.shard);
}

/** When a client first got a write acknowledged by another node than the stopped one. */
function firstWriteElsewhere(run: HangRun): number | null {
  let firstMs: number | null = null;
  for (const operation of loadOf(run)) {
    if (operation.op !== 'write' || !isAcknowledged(operation)) continue;
    if (operation.node === null || operation.node === run.oldMaster.id) continue;
    if (firstMs === null || operation.completedMs < firstMs) firstMs = operation.completedMs;
  }
  return firstMs;
}

function msWithoutWrites(run: HangRun, evidence: Evidence): number {
  const load = loadOf(run);
  const wrong = new Set<Operation>(acknowledgedAfterFence(load, evidence).map(({ write }) => write));
  const rightful = load.filter((operation) => !wrong.has(operation));
  const gap = longestGapWithoutWrites(rightful, { fromMs: run.pause.fromMs - 200, toMs: run.loadEndMs });
  return gap.toMs - gap.fromMs;
}

function availabilityViolations(run: HangRun, firstWriteMs: number | null): DrillViolation[] {
  if (firstWriteMs !== null && firstWriteMs <= run.pause.untilMs) return [];
  const message = 'no client got a write acknowledged by another node while the master stood still';
  return [{ kind: 'writes-not-resumed', message, operations: [] }];
}

/** Says that the shard's nodes did not come to have one log. */
export function wholeViolations(wholeMs: number | null, watch: Watch): DrillViolation[] {
  if (wholeMs !== null) return [];
  const nodes = watch.latestShard.nodes.map(
    (node) => `${node.address} ${node.role}${node.isAlive ? '' : ' (dead)'} at ${node.sequence}`,
  );
  const message = `after the load the nodes did not come to have the same log: ${nodes.join(', ')}`;
  return [{ kind: 'not-whole', message, operations: [] }];
}

/** Says where replicas differ from what was read through the master's address. */
export function replicaViolations(
  replicas: ReadonlyMap<string, readonly Difference[] | string>,
  operations: readonly Operation[],
): DrillViolation[] {
  const violations: DrillViolation[] = [];
  for (const [address, found] of replicas) {
    if (typeof found === 'string') {
      const message = `replica ${address} could not be compared with its master: ${found}`;
      violations.push({ kind: 'replica-differs', message, operations: [] });
      continue;
    }
    for (const { key, onMaster, onReplica } of found) {
      const message = `replica ${address} has ${key} = ${onReplica ?? '(absent)'}, its master ${onMaster ?? '(absent)'}`;
      const ofKey = operations.filter((operation) => operation.key === key);
      violations.push({ kind: 'replica-differs', message, operations: ofKey.slice(-4) });
    }
  }
  return violations;
}

function timelineOf(run: HangRun, evidence: Evidence, firstWriteMs: number | null): TimelineEntry[] {
  const { watch, pause } = run;
  const entries: TimelineEntry[] = [];
  const add = (event: string, atMs: number | null | undefined, detail: string): void => {
    if (atMs === null || atMs === undefined) return;
    entries.push({ event, atMs: Math.round(atMs), sinceStopMs: Math.round(atMs - pause.fromMs), detail });
  };
  const fromController = (event: string, kind: string): void => {
    const seen = watch.first(kind, pause.fromMs);
    add(event, seen?.atMs, seen === undefined ? '' : `epoch ${seen.epoch ?? '-'}: ${seen.message}`);
  };
  add('stopped', pause.fromMs, `${run.oldMaster.address} (SIGSTOP)`);
  fromController('suspected', 'master-suspected');
  fromController('lease ended', 'lease-ended');
  fromController('promoted', 'promoted');
  fromController('lb moved', 'lb-moved');
  add('first write', firstWriteMs, 'first acknowledgement by another node');
  add('resumed', pause.untilMs, `${run.oldMaster.address} (SIGCONT)`);
  const late = acknowledgedAfterFence(run.recorder.operations, evidence).filter(({ excuse }) => excuse === null);
  const firstLateMs = late.reduce((first, { write }) => Math.min(first, write.completedMs), Infinity);
  if (late.length > 0) add('fence broken', firstLateMs, `${late.length} writes acknowledged by the old master`);
  add('old master demoted', run.demotedMs, 'it calls itself a replica');
  add('converged', run.convergedMs, 'it has what its master had then');
  return entries.sort((a, b) => a.atMs - b.atMs);
}

function rowsOf({ queued, parked, oldMaster, newMaster, lateAnswers }: HangFigures): [string, string][] {
  const ends = ({ sent, acknowledged, refused, unanswered }: QueueFigures): string =>
    `${sent} sent: ${acknowledged} ok, ${refused} refused, ${unanswered} closed`;
  return [
    ['queued through the LB', ends(queued.lb)],
    ['queued directly', ends(queued.direct)],
    ['waiting at the old master', parkedText(parked)],
    ['master of the shard', `${oldMaster} -> ${newMaster ?? 'none'}`],
    ['late answers', `${lateAnswers} (to writes that were in effect before the fence)`],
  ];
}

/** What became of clients that waited, for people. */
export function parkedText({ parked, told, cut }: ParkedFigures): string {
  return `${parked} parked: ${told} told, ${cut} cut`;
}

function figuresOf(run: HangRun, evidence: Evidence): Omit<HangFigures, 'lateAnswers'> {
  const { operations } = run.recorder;
  const count = (matches: (operation: Operation) => boolean): number => operations.filter(matches).length;
  const newMaster = masterOf(run.watch.latestShard);
  return {
    shard: run.plan.shard,
    leaseMs: run.leaseMs,
    clients: run.plan.clients,
    oldMaster: run.oldMaster.address,
    newMaster: newMaster?.address ?? null,
    operations: operations.length,
    writesAcknowledged: count(({ op, outcome }) => op === 'write' && outcome === 'ok'),
    readsAnswered: count(({ op, outcome }) => op === 'read' && outcome === 'ok'),
    refused: count(({ outcome }) => outcome === 'failed'),
    unknown: count(({ outcome }) => outcome === 'unknown'),
    promotions: evidence.masterships.length - 1,
    queued: run.queue.figures,
    parked: run.parked.figures,
    clientCounts: Object.fromEntries([...run.counts].sort(([a], [b]) => (a < b ? -1 : 1))),
    controllerPollsFailed: run.watch.failedPolls.count,
  };
}
