/**
 * Drives one shard for the leader: looks at the stored record and at what was observed, asks the pure plans of fencing
 * what is to be done, and starts it. `drive` is synchronous and may be called at any time by anybody who changed
 * something; what is already under way is not started twice. Timers are armed for the very instant a plan names, so that
 * nothing is lost to polling between the end of a lease and the promotion.
 */
import { assert, OperationError } from '@holdfast/base';
import {
  checkShardSuccession,
  decideFailover,
  decideReach,
  electFor,
  isPromoted,
  planTransition,
  type FailoverDecision,
  type ReachDecision,
  type ShardRecord,
  type TransitionFacts,
  type TransitionStep,
} from '@holdfast/fencing';
import { ChangeRequests, refused, type RequestOutcome, type Why } from './change-requests.ts';
import { IsrChanges } from './isr-changes.ts';
import type { NodeWatch } from './node-watch.ts';
import { ShardChronicle } from './shard-chronicle.ts';
import { failoverFacts, transitionFacts } from './shard-facts.ts';
import { shardRecordOf, type ShardHost } from './shard-host.ts';
import { newProgress, type ShardProgress } from './shard-progress.ts';
import {
  performAnnounce,
  performFinish,
  performMove,
  performPromote,
  performRelease,
  performResign,
  type StepContext,
} from './shard-steps.ts';
import { StepRunner } from './step-runner.ts';

/** Between two heartbeats to a candidate that is about to catch up. */
const pollMs = 2;
/** An epoch that could not be taken is tried again. */
const retryMs = 50;

export class ShardDriver {
  readonly #host: ShardHost;
  readonly #index: number;
  readonly #chronicle: ShardChronicle;
  readonly #requests: ChangeRequests;
  readonly #isrChanges: IsrChanges;
  /** Of the present epoch; another epoch gets another one. */
  #steps: StepRunner;
  #progress: ShardProgress;
  #isTakingEpoch = false;
  /** Lease clock; before it no epoch is taken, the last attempt failed a moment ago. */
  #notBeforeMs = 0;
  /** Lease clock; before it the master is not asked again to leave for want of reach, it was a moment ago. */
  #askAgainMs = 0;
  #isStopped = false;

  /** For a controller that has just read the store. */
  constructor(host: ShardHost, index: number) {
    this.#host = host;
    this.#index = index;
    this.#chronicle = new ShardChronicle(host, index);
    this.#progress = newProgress(this.record.epoch, host.clock.leaseMs(), undefined);
    this.#steps = this.#newSteps();
    this.#isrChanges = new IsrChanges(host, index);
    this.#requests = new ChangeRequests({
      host,
      index,
      steps: () => this.#steps,
      takeEpoch: (decision) => this.#takeEpoch(decision),
    });
  }

  #newSteps(): StepRunner {
    return new StepRunner({ host: this.#host, index: this.#index, drive: () => this.drive() });
  }

  get record(): ShardRecord {
    return shardRecordOf(this.#host, this.#index);
  }

  /** The name of what is being done, for people; null when nothing is. */
  get step(): string | null {
    if (this.#isTakingEpoch) return 'take-epoch';
    if (this.record.transition === null) return this.#requests.isHolding ? 'hold' : null;
    return this.#steps.current ?? 'wait';
  }

  stop(): void {
    this.#isStopped = true;
    this.#steps.stop();
    this.#requests.stop();
  }

  /** True from the first SHARD to the candidate on: this controller grants the epoch that is being brought about. */
  get isGranting(): boolean {
    return this.#progress.epoch === this.record.epoch && this.#progress.isGranting;
  }

  get isPromoted(): boolean {
    return isPromoted(this.#facts());
  }

  /** True when nothing announced is still waiting to become true: topology and bindings may go to everybody. */
  get isSettled(): boolean {
    const { transition } = this.record;
    return transition === null || !transition.announced || this.isPromoted;
  }

  /** True when the shard's record may go to nodes other than the candidate. */
  get mayTellNodes(): boolean {
    return this.record.transition === null || this.isPromoted;
  }

  /** The old master of a switchover, as long as it holds clients for their redirection. */
  get holdingNodeId(): string | undefined {
    const { transition } = this.record;
    return transition?.kind === 'switchover' && !this.#progress.isReleased ? transition.fromMasterId : undefined;
  }

  onReply(watch: NodeWatch): void {
    if (this.mayTellNodes) this.#isrChanges.consider(watch);
    this.drive();
  }

  drive(): void {
    // While the end of a transition is being written, the record alone does not say what it was asked for.
    if (this.#isStopped || this.#isTakingEpoch || !this.#host.mayAct || this.#steps.isRunning('finish')) return;
    try {
      if (this.#progress.epoch !== this.record.epoch) this.#beginEpoch(undefined);
      if (this.record.transition === null) this.#decide();
      else this.#continue();
    } catch (error) {
      this.#host.fatal(error);
    }
  }

  /**
   * Replaces a master that need not be ill.
   * @param acceptDataLoss a node outside the ISR may be promoted when no member can.
   * @throws OperationError CONTROLLER_REFUSED when no node qualifies or something is under way.
   */
  async failover(preferredId: string | undefined, acceptDataLoss: boolean): Promise<RequestOutcome> {
    this.#checkIdle();
    return this.#requests.failover(preferredId, acceptDataLoss);
  }

  /**
   * Moves the master without losing a write.
   * @throws OperationError CONTROLLER_REFUSED when no node qualifies, does not catch up, or something is under way.
   */
  async switchover(preferredId: string | undefined): Promise<RequestOutcome> {
    this.#checkIdle();
    const outcome = this.#requests.switchover(preferredId);
    this.drive();
    return outcome;
  }

  #checkIdle(): void {
    if (this.#isStopped || !this.#host.mayAct) throw refused('this controller does not lead any more');
    if (this.record.transition !== null || this.#isTakingEpoch)
      throw refused(`a ${this.record.transition?.kind ?? 'failover'} of shard ${this.#index} is under way`);
  }

  // Before the epoch is taken.

  #decide(): void {
    const decision = decideFailover(failoverFacts(this.#host, this.#index));
    switch (decision.kind) {
      case 'none':
        this.#considerReach();
        return this.#requests.drive();
      case 'take-epoch':
        return this.#takeEpoch(decision);
      case 'wait':
        this.#requests.fail(`${decision.cause}: ${decision.reason}`);
        return this.#tell('failover-waits', decision.cause, decision.reason);
      case 'alarm':
        this.#requests.fail(decision.reason);
        return this.#tell('alarm', 'epoch-above-store', `${decision.reason}; nothing is granted`);
      default:
        decision satisfies never;
    }
  }

  /** The master is well; do its clients reach it? */
  #considerReach(): void {
    const decision = decideReach(failoverFacts(this.#host, this.#index), this.#host.reach(this.#index));
    switch (decision.kind) {
      case 'none':
        return this.#chronicle.endTrouble();
      case 'wait':
        return this.#tell('switchover-waits', decision.cause, decision.reason);
      case 'switch-over':
        return this.#leaveUnreached(decision);
      default:
        decision satisfies never;
    }
  }

  #leaveUnreached({ candidateId, cause }: ReachDecision & { kind: 'switch-over' }): void {
    const nowMs = this.#host.clock.leaseMs();
    if (this.#requests.isBusy || nowMs < this.#askAgainMs) return;
    this.#askAgainMs = nowMs + this.#host.times.leaseMs;
    this.#switchOver(candidateId, { cause, cutsAtOnce: true }).catch((error: unknown) => {
      if (!(error instanceof OperationError)) return this.#host.fatal(error);
      if (!this.#isStopped) this.#tell('switchover-waits', cause, error.message);
    });
  }

  async #switchOver(candidateId: string, why: Why): Promise<void> {
    await this.#requests.switchover(candidateId, why);
  }

  #tell(kind: string, cause: string, reason: string): void {
    this.#chronicle.tellTrouble(kind, cause, reason, this.record.epoch);
  }

  /** Withholds what is granted now, then writes the next epoch. From here on there is no way back to the old one. */
  #takeEpoch(decision: FailoverDecision & { kind: 'take-epoch' }): void {
    const nowMs = this.#host.clock.leaseMs();
    if (nowMs < this.#notBeforeMs) return this.#steps.wakeAt(this.#notBeforeMs);
    const before = this.record;
    const { record } = decision;
    checkShardSuccession(before, record);
    this.#isTakingEpoch = true;
    this.#host.grants(this.#index).withhold(before.epoch);
    const heardMs = this.#lastServedMs(before, record);
    this.#host
      .commit((mirror) =>
        mirror.shards[this.#index]?.value === before ? { shards: new Map([[this.#index, record]]) } : undefined,
      )
      .then(
        (isTaken) => {
          if (isTaken) this.#beginEpoch(heardMs);
        },
        (error: unknown) => this.#notTaken(error),
      )
      .catch((error: unknown) => this.#host.fatal(error))
      .finally(() => {
        this.#isTakingEpoch = false;
        this.#host.onChanged();
      });
  }

  /** Since when clients may have gone without the old master, for the timings; undefined: a planned change. */
  #lastServedMs(before: ShardRecord, { transition }: ShardRecord): number | undefined {
    if (transition?.kind !== 'switchover') return this.#host.watch(before.masterId)?.heardMs;
    if (transition.cutsAtOnce !== true) return undefined;
    const [balancer] = this.#host.reach(this.#index).balancers;
    const silentMs = balancer?.silentMs.get(before.masterId);
    return silentMs === undefined ? undefined : this.#host.clock.leaseMs() - silentMs;
  }

  #notTaken(error: unknown): void {
    if (!(error instanceof OperationError)) throw error;
    if (this.#isStopped) return;
    this.#notBeforeMs = this.#host.clock.leaseMs() + retryMs;
    this.#host.logger.warn('the next epoch was not taken', { shard: this.#index, error: error.message });
  }

  // After the epoch is taken.

  #beginEpoch(heardMs: number | undefined): void {
    this.#steps.stop();
    this.#steps = this.#newSteps();
    this.#progress = newProgress(this.record.epoch, this.#host.clock.leaseMs(), heardMs);
    this.#chronicle.tellStarted(this.record, this.#progress);
  }

  #continue(): void {
    const facts = this.#facts();
    this.#chronicle.note(facts, this.#progress);
    const plan = planTransition(facts);
    if (plan.kind === 'done') return;
    if (plan.kind === 'wait') {
      const isCatchingUp = typeof facts.resignation === 'number';
      const pollAtMs = isCatchingUp ? facts.nowMs + pollMs : Infinity;
      const untilMs = Math.min(plan.untilMs ?? Infinity, pollAtMs);
      if (untilMs < Infinity) this.#steps.wakeAt(untilMs, isCatchingUp ? this.record.masterId : undefined);
      return;
    }
    for (const step of plan.steps) this.#perform(step);
    // Other steps may be waiting for an instant, which a step that takes its time must not hide.
    if (facts.promisesEndMs !== undefined && facts.nowMs < facts.promisesEndMs) this.#steps.wakeAt(facts.promisesEndMs);
  }

  #perform(step: TransitionStep): void {
    const context: StepContext = { host: this.#host, index: this.#index, progress: this.#progress };
    const steps = this.#steps;
    switch (step.kind) {
      case 'withhold':
        // Every controller does by itself, as soon as it sees the record; a majority has not answered yet.
        return void this.#host.grants(this.#index).withhold(step.epoch);
      case 'resign':
        return steps.start('resign', () => performResign(context, step.nodeId, step.epoch));
      case 'announce':
        return steps.start('announce', () => performAnnounce(context));
      case 'promote':
        return steps.start('promote', async () => {
          await performPromote(context);
          steps.delay('promote', this.#host.clock.leaseMs() + this.#host.times.heartbeatMs);
        });
      case 'move-balancer':
        return steps.start('move-balancer', async () => {
          await performMove(context);
          this.#chronicle.tellMoved(this.record, context.progress);
        });
      case 'release':
        return steps.start('release', () => performRelease(context, step.nodeId, step.epoch));
      case 'finish':
        return steps.start('finish', () => this.#finish(context));
      case 'elect-again':
        return this.#electAgain(step.excluded, step.reason);
      default:
        step satisfies never;
    }
  }

  #electAgain(excluded: readonly string[], reason: string): void {
    const decision = electFor(failoverFacts(this.#host, this.#index), { kind: 'failover', cause: reason, excluded });
    assert(decision.kind !== 'none' && decision.kind !== 'alarm', 'an election ends with somebody or with nobody');
    if (decision.kind === 'take-epoch') return this.#takeEpoch(decision);
    this.#tell('failover-waits', reason, `${reason}, and ${decision.reason}`);
  }

  async #finish(context: StepContext): Promise<void> {
    const { record } = this;
    if (!(await performFinish(context))) return;
    this.#chronicle.tellDone(record, context.progress);
    const { marks } = context.progress;
    const endedMs = marks.movedMs ?? marks.promotedMs ?? this.#host.clock.leaseMs();
    this.#requests.settle(record, endedMs);
    this.#host.onChanged();
  }

  #facts(): TransitionFacts {
    return transitionFacts(this.#host, this.#index, this.#progress);
  }
}
