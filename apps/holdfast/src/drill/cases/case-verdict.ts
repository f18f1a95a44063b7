/** From what happened in a case to its report: violations, figures, the time line and the table. */
import {
  acknowledgedAfterFence,
  isAcknowledged,
  judge,
  longestGapWithoutWrites,
  type Evidence,
  type Operation,
  type Verdict,
} from '@holdfast/history';
import type { AnyReport, CommonFigures, DrillReport, DrillViolation } from '../drill-report.ts';
import { median } from '../median.ts';
import { replicaViolations, wholeViolations } from '../verdict.ts';
import { clockSlackMs, promotionsIn, type SeenEvent, type TimelineEntry, type Watch } from '../watch.ts';
import type { CaseFacts, Fault } from './case-run.ts';
import { addressViolations, topologyViolations } from './topology-watch.ts';

export interface FaultFigures {
  readonly name: string;
  readonly atMs: number;
  readonly lastedMs: number;
  /** Promotions of the drilled shard from its beginning to that of the next. */
  readonly promotions: number;
  /** Longest time in that span in which no client got a write acknowledged by a rightful master. */
  readonly msWithoutWrites: number;
}

export interface CaseFigures extends CommonFigures {
  readonly faults: readonly FaultFigures[];
  /** Of the faults after which somebody else is to be master; 0 when there are none. */
  readonly medianMsWithoutWrites: number;
  /** Clients that knew nothing but the internal address of one node. */
  readonly direct: DirectFigures;
  /** Answers after a fence that may be true all the same. */
  readonly lateAnswers: number;
  /** Answers to clients that only asked for the topology. */
  readonly topologyAnswers: number;
}

export interface DirectFigures {
  readonly sent: number;
  readonly acknowledged: number;
  readonly refused: number;
  readonly unanswered: number;
}

/** What only one case measures. */
export interface Measured {
  readonly figures?: Readonly<Record<string, unknown>>;
  readonly rows?: readonly (readonly [string, string])[];
  readonly violations?: readonly DrillViolation[];
}

/** A fault with the span it is judged for: to the beginning of the next one. */
interface Span {
  readonly fault: Fault;
  readonly endMs: number;
}

/** Judges a case. */
export function judgeCase<Extra>(
  name: string,
  facts: CaseFacts<Extra>,
  fences: readonly string[],
  measured: Measured,
): AnyReport {
  const evidence = facts.watch.evidence(facts.before, facts.pauses);
  const { operations } = facts.load.recorder;
  const verdict = judge(operations, evidence);
  const spans = spansOf(facts);
  const writes = rightfulWrites(facts, evidence);
  const faults = spans.map((span) => faultFigures(span, facts.watch, writes));
  const moving = faults.filter((_, at) => facts.faults[at]?.expects.promotions === 'some');
  const medianMsWithoutWrites = median(moving.map(({ msWithoutWrites }) => msWithoutWrites));
  const figures = { ...figuresOf(facts, verdict), faults, medianMsWithoutWrites, ...measured.figures };
  const report: DrillReport<string, CaseFigures> = {
    version: 1,
    drill: name,
    fences,
    seed: facts.plan.seed,
    violations: [
      ...verdict.violations,
      ...topologyViolations(facts.topologyAnswers, evidence),
      ...addressViolations(facts.internal, facts.topologyAnswers, facts.followed),
      ...servedAfterRepoint(facts, evidence),
      ...spans.flatMap((span) => expectationViolations(span, facts, writes)),
      ...(measured.violations ?? []),
      ...wholeViolations(facts.wholeMs, facts.watch),
      ...replicaViolations(facts.replicas, operations),
    ],
    acknowledgedWritesLost: verdict.acknowledgedWritesLost,
    staleReads: verdict.staleReads,
    msWithoutWrites: Math.max(0, ...faults.map(({ msWithoutWrites }) => msWithoutWrites)),
    timeline: timelineOf(facts, evidence),
    figures,
    rows: [...faultRows(faults), ...directRows(figures), ...(measured.rows ?? [])],
    unjudgedKeys: verdict.unjudgedKeys,
  };
  return report;
}

function spansOf<Extra>({ faults, loadEndMs }: CaseFacts<Extra>): Span[] {
  return faults.map((fault, at) => ({ fault, endMs: faults[at + 1]?.fromMs ?? loadEndMs }));
}

/** Writes of load clients to the drilled shard that a master acknowledged while it was one. */
function rightfulWrites<Extra>({ load, plan }: CaseFacts<Extra>, evidence: Evidence): readonly Operation[] {
  const ofLoad = load.recorder.operations.filter(
    ({ op, phase, shard }) => op === 'write' && phase === 'load' && shard === plan.shard,
  );
  const late = acknowledgedAfterFence(ofLoad, evidence).filter(({ excuse }) => excuse === null);
  const wrong = new Set<Operation>(late.map(({ write }) => write));
  return ofLoad.filter((operation) => isAcknowledged(operation) && !wrong.has(operation));
}

/** Writes that ended so long before a fault count for the gap around it, so that it is seen where it began. */
const leadMs = 200;

function faultFigures({ fault, endMs }: Span, watch: Watch, writes: readonly Operation[]): FaultFigures {
  const gap = longestGapWithoutWrites(writes, { fromMs: fault.fromMs - leadMs, toMs: endMs });
  return {
    name: fault.name,
    atMs: Math.round(fault.fromMs),
    lastedMs: Math.round(fault.untilMs - fault.fromMs),
    promotions: within(watch.promotions, fault.fromMs, endMs).length,
    msWithoutWrites: Math.round(gap.toMs - gap.fromMs),
  };
}

function within(events: readonly SeenEvent[], fromMs: number, toMs: number): SeenEvent[] {
  return events.filter(({ atMs }) => atMs >= fromMs - clockSlackMs && atMs < toMs - clockSlackMs);
}

function expectationViolations<Extra>(
  { fault, endMs }: Span,
  facts: CaseFacts<Extra>,
  writes: readonly Operation[],
): DrillViolation[] {
  const { name, expects, fromMs, untilMs } = fault;
  const violations: DrillViolation[] = [];
  const blame = (kind: DrillViolation['kind'], message: string, operations: readonly Operation[] = []): void =>
    void violations.push({ kind, message: `${name}: ${message}`, operations });
  const promotions = within(promotionsIn(facts.watch.events), fromMs, endMs);
  if (expects.promotions === 'none')
    for (const { message, atMs } of promotions)
      blame('unexpected-failover', `${message}, ${Math.round(atMs - fromMs)} ms after it began`);
  if (expects.promotions === 'some' && !promotions.some(({ shard }) => shard === facts.plan.shard))
    blame('no-failover', 'no other node became master');
  const [earliestMs, latestMs] = expects.writes === 'during' ? [(fromMs + untilMs) / 2, untilMs] : [untilMs, endMs];
  const resumed = writes.some(
    ({ invokedMs, completedMs }) => invokedMs >= earliestMs && (completedMs ?? Infinity) <= latestMs,
  );
  if (!resumed)
    blame(
      'writes-not-resumed',
      expects.writes === 'during'
        ? 'no client got a write acknowledged in its second half'
        : 'no client got a write acknowledged after it',
    );
  const shown = expects.errors === 'none' ? errorsIn(facts.load.recorder.operations, { fault, endMs }) : [];
  if (shown.length > 0) blame('unexpected-errors', `${shown.length} operations failed: ${reasonsOf(shown)}`, shown);
  return violations;
}

/** Between the repoint of an address and the end of the connections to the former master that came by it. */
const cutWithinMs = 50;

/** Answers that load clients got from a former master by the LB address, to what they asked when that led elsewhere. */
function servedAfterRepoint<Extra>({ watch, load, plan }: CaseFacts<Extra>, evidence: Evidence): DrillViolation[] {
  const { masterships } = evidence;
  return masterships.slice(1).flatMap(({ epoch }, at) => {
    const former = masterships[at];
    const moved = watch.events.find((event) => event.kind === 'lb-moved' && event.epoch === epoch);
    if (former === undefined || moved === undefined || moved.shard !== plan.shard) return [];
    const again = masterships.slice(at + 1).find(({ node }) => node === former.node)?.fromMs ?? Infinity;
    const fromMs = moved.atMs + cutWithinMs + clockSlackMs;
    const served = load.recorder.operations.filter(
      ({ phase, node, outcome, invokedMs, completedMs }) =>
        phase === 'load' &&
        node === former.node &&
        outcome === 'ok' &&
        invokedMs > fromMs &&
        (completedMs ?? Infinity) < again,
    );
    if (served.length === 0) return [];
    const message = `${served.length} operations were answered by ${former.node} by an address that led to the master of epoch ${epoch}`;
    return [{ kind: 'served-after-repoint', message, operations: served }];
  });
}

/** What was sent by the end of a fault and failed since its beginning, but not after the beginning of the next one. */
function errorsIn(operations: readonly Operation[], { fault, endMs }: Span): Operation[] {
  return operations.filter(({ phase, outcome, invokedMs, completedMs }) => {
    if (phase !== 'load' || outcome === 'ok' || invokedMs > fault.untilMs) return false;
    return completedMs !== null && completedMs >= fault.fromMs && completedMs < endMs;
  });
}

function reasonsOf(operations: readonly Operation[]): string {
  return [...new Set(operations.map(({ reason }) => reason ?? 'no answer'))].slice(0, 3).join('; ');
}

/** Of the controller's events those that tell a drill's story, and how they are called there. */
const told: Readonly<Record<string, string>> = {
  'master-suspected': 'suspected',
  'node-down': 'node suspected',
  'lease-ended': 'lease ended',
  resigned: 'resigned',
  promoted: 'promoted',
  'lb-moved': 'lb moved',
  'isr-shrunk': 'in-sync set shrunk',
  'isr-expanded': 'in-sync set grown',
  'leader-elected': 'leader elected',
};

function timelineOf<Extra>(facts: CaseFacts<Extra>, evidence: Evidence): TimelineEntry[] {
  const { marks, faults, watch, load, plan, places } = facts;
  const named = (text: string): string => text.replaceAll(/\b[0-9a-f]{40}\b/g, (id) => places.get(id) ?? id);
  const events = watch.events
    .filter(({ shard, kind }) => (shard === plan.shard || shard === null) && told[kind] !== undefined)
    .map(({ kind, atMs, epoch, message }) => {
      const detail = named(epoch === null ? message : `epoch ${epoch}: ${message}`);
      return { event: told[kind] ?? kind, atMs, detail };
    });
  const late = acknowledgedAfterFence(load.recorder.operations, evidence).filter(({ excuse }) => excuse === null);
  const broken = late
    .toSorted((a, b) => a.write.completedMs - b.write.completedMs)
    .slice(0, 1)
    .map(({ write }) => {
      const detail = `${late.length} writes acknowledged by a master that was none any more`;
      return { event: 'fence broken', atMs: write.completedMs, detail };
    });
  return [...marks, ...events, ...broken]
    .sort((a, b) => a.atMs - b.atMs)
    .map(({ event, atMs, detail }) => {
      const began = faults.findLast(({ fromMs }) => fromMs <= atMs) ?? faults[0];
      const sinceStopMs = Math.round(atMs - (began?.fromMs ?? 0));
      return { event, atMs: Math.round(atMs), sinceStopMs, detail };
    });
}

function figuresOf<Extra>(
  facts: CaseFacts<Extra>,
  { lateAnswers }: Verdict,
): Omit<CaseFigures, 'faults' | 'medianMsWithoutWrites'> {
  const { load, plan, watch, leaseMs } = facts;
  const { operations } = load.recorder;
  const count = (matches: (operation: Operation) => boolean): number => operations.filter(matches).length;
  const direct = operations.filter(({ phase }) => phase === 'direct');
  const ends = (outcome: Operation['outcome']): number => direct.filter((each) => each.outcome === outcome).length;
  return {
    shard: plan.shard,
    leaseMs,
    clients: plan.clients,
    operations: operations.length,
    writesAcknowledged: count(({ op, outcome }) => op === 'write' && outcome === 'ok'),
    readsAnswered: count(({ op, outcome }) => op === 'read' && outcome === 'ok'),
    refused: count(({ outcome }) => outcome === 'failed'),
    unknown: count(({ outcome }) => outcome === 'unknown'),
    promotions: watch.promotions.length,
    direct: {
      sent: direct.length,
      acknowledged: ends('ok'),
      refused: ends('failed'),
      unanswered: ends('unknown'),
    },
    lateAnswers,
    topologyAnswers: facts.topologyAnswers.length,
    clientCounts: Object.fromEntries([...load.counts].sort(([a], [b]) => (a < b ? -1 : 1))),
    controllerPollsFailed: watch.failedPolls.count,
  };
}

/** One line per kind of fault. */
function faultRows(faults: readonly FaultFigures[]): [string, string][] {
  return [...new Set(faults.map(({ name }) => name))].map((name) => {
    const same = faults.filter((fault) => fault.name === name);
    const gaps = same.map(({ msWithoutWrites }) => msWithoutWrites);
    const promotions = same.reduce((sum, fault) => sum + fault.promotions, 0);
    const time =
      same.length === 1
        ? `${gaps[0]} ms without writes`
        : `${same.length} times: median ${median(gaps)}, longest ${Math.max(...gaps)} ms without writes`;
    return [name, `${time}, ${promotions} promotion${promotions === 1 ? '' : 's'}`];
  });
}

type DirectRows = Pick<CaseFigures, 'direct' | 'lateAnswers' | 'topologyAnswers'>;

function directRows({ direct, lateAnswers, topologyAnswers }: DirectRows): [string, string][] {
  const { sent, acknowledged, refused, unanswered } = direct;
  return [
    ['asked of nodes directly', `${sent} sent: ${acknowledged} ok, ${refused} refused, ${unanswered} closed`],
    ['late answers', `${lateAnswers} (under way or in effect when the fence fell)`],
    ['answers on the topology', String(topologyAnswers)],
  ];
}
