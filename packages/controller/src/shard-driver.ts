/**
 * Drives one shard: looks at the stored record and at what was observed, asks the pure plans of fencing what is to be
 * done, and starts it. `drive` is synchronous and may be called at any time by anybody who changed something; what is
 * already under way is not started twice. Timers are armed for the very instant a plan names, so that nothing is lost to
 * polling between the end of a lease and the promotion.
 */
import { OperationError, type Timer } from '@holdfast/base';
import {
  checkShardSuccession,
  decideFailover,
  decideSwitchover,
  elect,
  electFor,
  grant,
  isPromoted,
  noteToken,
  planTransition,
  promisesEndMs,
  startGrantor,
  withhold,
  type FailoverDecision,
  type FailoverFacts,
  type Grantor,
  type Heartbeat,
  type NodeView,
  type ShardRecord,
  type SwitchoverDecision,
  type TransitionFacts,
  type TransitionStep,
} from '@holdfast/fencing';
import type { NodeWatch } from './node-watch.ts';
import { shardRecordOf, type ShardHost } from './shard-host.ts';
import { holdClients, refused, unholdClients, type OperatorRequest, type RequestOutcome } from './operator-request.ts';
import { ShardChronicle } from './shard-chronicle.ts';
import { newProgress, type ShardProgress } from './shard-progress.ts';
import {
  performAnnounce,
  performFinish,
  performMove,
  performPromote,
  performRelease,
  performResign,
} from './shard-steps.ts';

/** After a step failed it is tried again. */
const retryMs = 50;
/** Between two heartbeats to a candidate that is about to catch up. */
const pollMs = 2;

export class ShardDriver {
  readonly #host: ShardHost;
  readonly #index: number;
  readonly #chronicle: ShardChronicle;
  #grantor: Grantor;
  #progress: ShardProgress;
  #request: OperatorRequest | undefined;
  #isTakingEpoch = false;
  #isStopped = false;
  #timer: Timer | undefined;
  /** Steps under way, and when those that failed may be tried again (lease clock). */
  readonly #running = new Set<string>();
  readonly #notBeforeMs = new Map<string, number>();

  /** For a controller that has just read the store: it answers a whole lease for what its predecessor promised. */
  constructor(host: ShardHost, index: number) {
    this.#host = host;
    this.#index = index;
    this.#chronicle = new ShardChronicle(host, index);
    const nowMs = host.clock.leaseMs();
    this.#grantor = startGrantor(nowMs, this.record.leaseMs);
    this.#progress = newProgress(this.record.epoch, nowMs, undefined);
  }

  get record(): ShardRecord {
    return shardRecordOf(this.#host, this.#index);
  }

  /** The name of what is being done, for people; null when nothing is. */
  get step(): string | null {
    if (this.#isTakingEpoch) return 'take-epoch';
    if (this.record.transition === null) return this.#request === undefined ? null : 'hold';
    return [...this.#running][0] ?? 'wait';
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#fail('the controller is stopping');
  }

  /** What the next heartbeat to `watch` says, and with it whether a lease is granted. */
  compose(watch: NodeWatch): Heartbeat {
    const { masterId, processId, leaseMs, epoch, transition } = this.record;
    const token = watch.reply?.leaseToken ?? '';
    const silent: Heartbeat = { masterId, leaseMs, epoch, token: '', controllerId: '' };
    if (!this.#host.isLeased) return { ...silent, token };
    // A node that is not armed would take its own name for a grant, counted from arrival as upstream does.
    if (watch.reply?.armed !== true) return { ...silent, masterId: '-' };
    if (watch.node.id !== masterId || watch.reply.processId !== processId) return silent;
    if (transition !== null && !this.#progress.isGranting && !isPromoted(this.#transitionFacts())) return silent;
    const granted = grant(this.#grantor, { epoch, token, leaseMs });
    if (granted.kind === 'not-granted') return silent;
    this.#grantor = granted.grantor;
    return { ...silent, token };
  }

  onReply(watch: NodeWatch, arrivedMs: number): void {
    const { masterId } = this.record;
    if (watch.node.id === masterId) this.#grantor = noteToken(this.#grantor, watch.reply?.leaseToken ?? '', arrivedMs);
    this.drive();
  }

  /** True when nothing announced is still waiting to become true: topology and bindings may go to everybody. */
  get isSettled(): boolean {
    const { transition } = this.record;
    return transition === null || !transition.announced || isPromoted(this.#transitionFacts());
  }

  /** True when the shard's record may go to nodes other than the candidate. */
  get mayTellNodes(): boolean {
    return this.record.transition === null || isPromoted(this.#transitionFacts());
  }

  /** The old master of a switchover, as long as it holds clients for their redirection. */
  get holdingNodeId(): string | undefined {
    const { transition } = this.record;
    return transition?.kind === 'switchover' && !this.#progress.isReleased ? transition.fromMasterId : undefined;
  }

  drive(): void {
    if (this.#isStopped || this.#isTakingEpoch) return;
    try {
      if (this.record.transition === null) this.#decide();
      else this.#continue();
    } catch (error) {
      this.#host.fatal(error);
    }
  }

  /**
   * Replaces a master that need not be ill.
   * @throws OperationError CONTROLLER_REFUSED when no node qualifies or something is under way.
   */
  async failover(preferredId: string | undefined): Promise<RequestOutcome> {
    const { masterId } = this.record;
    this.#checkIdle();
    const request = { kind: 'failover', cause: 'operator', excluded: [masterId], preferredId } as const;
    const decision = electFor(this.#failoverFacts(), request);
    if (decision.kind !== 'take-epoch') throw refused(decision.kind === 'none' ? 'nothing to do' : decision.reason);
    const outcome = this.#newRequest('failover', decision.record.masterId);
    this.#takeEpoch(decision);
    return outcome;
  }

  /**
   * Moves the master without losing a write.
   * @throws OperationError CONTROLLER_REFUSED when no node qualifies, does not catch up, or something is under way.
   */
  async switchover(preferredId: string | undefined): Promise<RequestOutcome> {
    this.#checkIdle();
    const { record, views, replication } = this.#failoverFacts();
    const elected = elect({ views, excluded: [record.masterId], isr: record.isr, replication, preferredId });
    if (elected.kind === 'nobody') throw refused(elected.reason);
    const outcome = this.#newRequest('switchover', elected.candidate.nodeId);
    this.drive();
    return outcome;
  }

  #checkIdle(): void {
    if (this.record.transition !== null || this.#isTakingEpoch)
      throw refused(`a ${this.record.transition?.kind ?? 'failover'} of shard ${this.#index} is under way`);
    if (this.#request !== undefined)
      throw refused(`a ${this.#request.kind} of shard ${this.#index} was asked for already`);
  }

  #newRequest(kind: OperatorRequest['kind'], candidateId: string): Promise<RequestOutcome> {
    const beganMs = this.#host.clock.leaseMs();
    return new Promise((resolve, reject) => {
      this.#request = { kind, beganMs, candidateId, holdBeganMs: undefined, heldSequence: undefined, resolve, reject };
    });
  }

  #fail(reason: string): void {
    const request = this.#request;
    this.#request = undefined;
    request?.reject(refused(reason));
  }

  // Before the epoch is taken.

  #decide(): void {
    const decision = decideFailover(this.#failoverFacts());
    switch (decision.kind) {
      case 'none':
        this.#chronicle.endTrouble();
        return this.#switch();
      case 'take-epoch':
        return this.#takeEpoch(decision);
      case 'wait':
        this.#fail(`${decision.cause}: ${decision.reason}`);
        return this.#tell('failover-waits', decision.cause, decision.reason);
      case 'alarm':
        this.#fail(decision.reason);
        return this.#tell('alarm', 'epoch-above-store', `${decision.reason}; nothing is granted`);
      default:
        decision satisfies never;
    }
  }

  #tell(kind: string, cause: string, reason: string): void {
    this.#chronicle.tellTrouble(kind, cause, reason, this.record.epoch);
  }

  #switch(): void {
    const request = this.#request;
    if (request?.kind !== 'switchover') return;
    const decision = decideSwitchover({
      record: this.record,
      views: this.#views(),
      isLeased: this.#host.isLeased,
      candidateId: request.candidateId,
      heldSequence: request.heldSequence,
      holdBeganMs: request.holdBeganMs,
      times: this.#host.times,
      nowMs: this.#host.clock.leaseMs(),
    });
    this.#performSwitch(request, decision);
  }

  #performSwitch(request: OperatorRequest, decision: SwitchoverDecision): void {
    const { masterId, epoch } = this.record;
    switch (decision.kind) {
      case 'hold': {
        const { nodeId, holdMs } = decision;
        request.holdBeganMs = this.#host.clock.leaseMs();
        return this.#start('hold', () => this.#hold(request, nodeId, epoch, holdMs));
      }
      case 'commit': {
        const { candidateId } = request;
        const asked = {
          kind: 'switchover',
          cause: 'operator',
          excluded: [masterId],
          preferredId: candidateId,
        } as const;
        const elected = electFor(this.#failoverFacts(), asked);
        if (elected.kind === 'take-epoch') return this.#takeEpoch(elected);
        return this.#fail(elected.kind === 'none' ? 'nothing to do' : elected.reason);
      }
      case 'wait':
        this.#wakeAt(Math.min(decision.untilMs, this.#host.clock.leaseMs() + pollMs), request.candidateId);
        return;
      case 'give-up':
        if (decision.isHeld) unholdClients(this.#host, masterId, epoch);
        return this.#fail(decision.reason);
      default:
        decision satisfies never;
    }
  }

  async #hold(request: OperatorRequest, nodeId: string, epoch: number, holdMs: number): Promise<void> {
    try {
      request.heldSequence = await holdClients(this.#host, nodeId, epoch, holdMs);
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      if (this.#request === request) this.#fail(`the master did not hold its clients: ${error.message}`);
    }
  }

  /** Withholds what is granted now, then writes the next epoch. From here on there is no way back to the old one. */
  #takeEpoch(decision: FailoverDecision & { kind: 'take-epoch' }): void {
    const { record } = decision;
    const before = this.record;
    checkShardSuccession(before, record);
    this.#isTakingEpoch = true;
    this.#timer?.cancel();
    this.#grantor = withhold(this.#grantor, record.epoch - 1);
    const oldMaster = this.#host.watch(before.masterId);
    const isPlanned = record.transition?.kind === 'switchover';
    const heardMs = isPlanned ? undefined : oldMaster?.heardMs;
    const progress = newProgress(record.epoch, this.#host.clock.leaseMs(), heardMs);
    const write = this.#host.commit((mirror) =>
      mirror.shards[this.#index]?.value === before ? { shards: new Map([[this.#index, record]]) } : undefined,
    );
    write
      .then(
        () => {
          this.#progress = progress;
          this.#running.clear();
          this.#notBeforeMs.clear();
          this.#chronicle.tellStarted(record, progress);
        },
        (error: unknown) => this.#stepFailed('take-epoch', error),
      )
      .finally(() => {
        this.#isTakingEpoch = false;
        this.#host.onChanged();
        this.drive();
      });
  }

  // After the epoch is taken.

  #continue(): void {
    const facts = this.#transitionFacts();
    this.#chronicle.note(facts, this.#progress);
    const plan = planTransition(facts);
    if (plan.kind === 'done') return;
    if (plan.kind === 'wait') {
      const isCatchingUp = typeof facts.resignation === 'number';
      const pollAtMs = isCatchingUp ? facts.nowMs + pollMs : Infinity;
      const untilMs = Math.min(plan.untilMs ?? Infinity, pollAtMs);
      if (untilMs < Infinity) this.#wakeAt(untilMs, isCatchingUp ? this.record.masterId : undefined);
      return;
    }
    for (const step of plan.steps) this.#perform(step);
    // Other steps may be waiting for an instant, which a step that takes its time must not hide.
    if (facts.promisesEndMs !== undefined && facts.nowMs < facts.promisesEndMs) this.#wakeAt(facts.promisesEndMs);
  }

  #perform(step: TransitionStep): void {
    const context = { host: this.#host, index: this.#index, progress: this.#progress };
    switch (step.kind) {
      case 'withhold':
        return this.#withhold(step.epoch);
      case 'resign':
        return this.#start('resign', () => performResign(context, step.nodeId, step.epoch));
      case 'announce':
        return this.#start('announce', () => performAnnounce(context));
      case 'promote':
        return this.#start('promote', async () => {
          await performPromote(context);
          this.#notBeforeMs.set('promote', this.#host.clock.leaseMs() + this.#host.times.heartbeatMs);
        });
      case 'move-balancer':
        return this.#start('move-balancer', async () => {
          await performMove(context);
          this.#chronicle.tellMoved(this.record, this.#progress);
        });
      case 'release':
        return this.#start('release', () => performRelease(context, step.nodeId, step.epoch));
      case 'finish':
        return this.#start('finish', () => this.#finish());
      case 'elect-again':
        return this.#electAgain(step.excluded, step.reason);
      default:
        step satisfies never;
    }
  }

  /** This controller is all there are: its own promises are the majority. */
  #withhold(epoch: number): void {
    this.#grantor = withhold(this.#grantor, epoch);
    const answers = [{ controllerId: '', promiseEndsMs: this.#grantor.promiseEndsMs }];
    this.#progress.promisesEndMs = promisesEndMs(answers, []);
    this.#host.timers.soon(() => this.drive());
  }

  #electAgain(excluded: readonly string[], reason: string): void {
    const decision = electFor(this.#failoverFacts(), { kind: 'failover', cause: reason, excluded });
    if (decision.kind === 'take-epoch') return this.#takeEpoch(decision);
    const why = decision.kind === 'none' ? '' : decision.reason;
    this.#tell('failover-waits', reason, `${reason}, and ${why}`);
  }

  async #finish(): Promise<void> {
    const { record } = this;
    const { epoch, masterId } = record;
    await performFinish({ host: this.#host, index: this.#index, progress: this.#progress });
    this.#chronicle.tellDone(record, this.#progress);
    const request = this.#request;
    this.#request = undefined;
    const { marks } = this.#progress;
    const endedMs = marks.movedMs ?? marks.promotedMs ?? this.#host.clock.leaseMs();
    if (request?.candidateId === masterId)
      request.resolve({ newMasterId: masterId, epoch, durationMs: endedMs - request.beganMs });
    else request?.reject(refused(`${masterId} became master instead of ${request.candidateId}, which was lost`));
    this.#host.onChanged();
  }

  // Facts and timers.

  #views(): NodeView[] {
    const shard = this.#host.mirror().cluster.value.shards[this.#index];
    const { masterId, transition } = this.record;
    const lastMaster = this.#host.watch(transition?.fromMasterId ?? masterId);
    const sinceMs = (lastMaster?.heardMs ?? 0) - this.#host.times.leaseMs;
    return (shard?.nodes ?? []).flatMap(({ id }) => this.#host.watch(id)?.view(sinceMs) ?? []);
  }

  #failoverFacts(): FailoverFacts {
    return {
      record: this.record,
      views: this.#views(),
      isLeased: this.#host.isLeased,
      replication: 'async',
      withheldThrough: this.#grantor.withheldThrough,
      times: this.#host.times,
      wallMs: this.#host.clock.wallMs(),
    };
  }

  #transitionFacts(): TransitionFacts {
    const { promisesEndMs: endsMs, resignation, isRefused, balancer, isReleased } = this.#progress;
    return {
      record: this.record,
      views: this.#views(),
      isLeased: this.#host.isLeased,
      version: this.#host.mirror().cluster.value.version,
      promisesEndMs: endsMs,
      resignation,
      isRefused,
      balancer,
      isReleased,
      times: this.#host.times,
      nowMs: this.#host.clock.leaseMs(),
    };
  }

  /** Starts a step unless it is under way or failed a moment ago. */
  #start(name: string, run: () => Promise<void>): void {
    if (this.#running.has(name)) return;
    const notBeforeMs = this.#notBeforeMs.get(name) ?? 0;
    if (this.#host.clock.leaseMs() < notBeforeMs) return this.#wakeAt(notBeforeMs);
    const progress = this.#progress;
    this.#running.add(name);
    run()
      .catch((error: unknown) => this.#stepFailed(name, error))
      .finally(() => {
        if (progress === this.#progress) this.#running.delete(name);
        this.drive();
      });
  }

  #stepFailed(name: string, error: unknown): void {
    if (!(error instanceof OperationError)) return this.#host.fatal(error);
    this.#host.logger.warn('a step failed and is tried again', {
      shard: this.#index,
      step: name,
      error: error.message,
    });
    this.#notBeforeMs.set(name, this.#host.clock.leaseMs() + retryMs);
  }

  /** Drives again at an instant of the lease clock; with `pollId` the node is asked for its news first. */
  #wakeAt(atMs: number, pollId?: string): void {
    this.#timer?.cancel();
    const delayMs = Math.max(1, Math.ceil(atMs - this.#host.clock.leaseMs()));
    this.#timer = this.#host.timers.after(delayMs, () => {
      if (pollId !== undefined) this.#host.watch(pollId)?.beatNow();
      this.drive();
    });
  }
}
