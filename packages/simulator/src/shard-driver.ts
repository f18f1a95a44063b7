/**
 * Drives one shard while its controller leads: the controller package's ShardDriver without promises. What is to be done
 * comes from fencing's plans; here is only how it is sent, tried again and remembered.
 */
import {
  announce,
  decideFailover,
  decideSwitchover,
  electFor,
  finish,
  formatShardArguments,
  isPromoted,
  judgeIsrRequest,
  parseIsrRequest,
  planTransition,
  promisesEndMs,
  tellNode,
  publishedMasterId,
  shardMessageOf,
  type FailoverDecision,
  type FailoverFacts,
  type NodeView,
  type ShardRecord,
  type SwitchoverDecision,
  type TransitionFacts,
  type TransitionStep,
} from '@holdfast/fencing';
import type { Timer } from '@holdfast/base';
import type { ControlCommand } from './control-commands.ts';
import type { Controller } from './controller.ts';
import { mayHaveTopology } from './handover.ts';
import type { NodeWatch } from './node-watch.ts';
import { Leaving } from './reach.ts';
import type { SimNode } from './sim-node.ts';
import { askSwitch, newProgress, type Progress, type SwitchRequest } from './progress.ts';
import { topologyPayload } from './sim-topology.ts';
import type { Outcome, StoreState } from './store.ts';

const retryMs = 50;
const pollMs = 2;

export interface Operation {
  readonly kind: 'switchover' | 'failover' | 'accept-data-loss';
  readonly preferredId: string | undefined;
}

export class ShardDriver {
  readonly #controller: Controller;
  readonly #shard: number;
  #progress: Progress;
  #request: SwitchRequest | undefined;
  #isTakingEpoch = false;
  #isChangingIsr = false;
  readonly #leaving = new Leaving();
  #timer: Timer | undefined;
  readonly #running = new Set<string>();
  readonly #notBeforeMs = new Map<string, number>();

  constructor(controller: Controller, shard: number) {
    this.#controller = controller;
    this.#shard = shard;
    this.#progress = newProgress(this.record.epoch);
  }

  get record(): ShardRecord {
    return this.#controller.record(this.#shard);
  }

  get #nowMs(): number {
    return this.#controller.nowMs;
  }

  get isGranting(): boolean {
    return this.#controller.isLeading && this.#progress.epoch === this.record.epoch && this.#progress.isGranting;
  }

  get isPromoted(): boolean {
    return isPromoted(this.#transitionFacts());
  }

  get isSettled(): boolean {
    const { transition } = this.record;
    return transition === null || !transition.announced || this.isPromoted;
  }

  leadershipChanged(): void {
    this.#progress = newProgress(this.record.epoch);
    this.#request = undefined;
    this.#isTakingEpoch = false;
    this.#isChangingIsr = false;
    this.#running.clear();
    this.#notBeforeMs.clear();
    this.#timer?.cancel();
  }

  note(event: string): void {
    this.#controller.world.note(this.#controller.name, `shard ${this.#shard}: ${event}`);
  }

  drive(): void {
    if (!this.#controller.isLeading || this.#isTakingEpoch) return;
    if (this.#progress.epoch !== this.record.epoch) this.#enter();
    if (this.record.transition === null) this.#decide();
    else this.#continue();
  }

  /** Another epoch than before is in the store, by whomever. */
  #enter(): void {
    this.#progress = newProgress(this.record.epoch);
    this.#running.clear();
    this.#notBeforeMs.clear();
  }

  /** An operator's wish; dropped when it cannot be begun now. */
  operate({ kind, preferredId }: Operation): void {
    if (!this.#controller.isLeading || this.record.transition !== null || this.#isTakingEpoch || this.#request) return;
    const excluded = [this.record.masterId];
    const cause = 'operator';
    if (kind === 'switchover') {
      const asked = electFor(this.#failoverFacts(), { kind: 'switchover', cause, excluded, preferredId });
      if (asked.kind !== 'take-epoch') return;
      this.#request = askSwitch(asked.record.masterId);
      return this.drive();
    }
    const acceptDataLoss = kind === 'accept-data-loss';
    this.#take(electFor(this.#failoverFacts(), { kind: 'failover', cause, excluded, preferredId, acceptDataLoss }));
  }

  // Before the epoch is taken.

  #decide(): void {
    const decision = decideFailover(this.#failoverFacts());
    if (decision.kind === 'none') {
      this.#request ??= this.#leaving.next(this.#controller, this.#failoverFacts());
      return this.#switch();
    }
    this.#request = undefined;
    this.#take(decision);
  }

  #switch(): void {
    const request = this.#request;
    if (request === undefined) return;
    const decision = decideSwitchover({
      record: this.record,
      views: this.#views(),
      isLeased: true,
      candidateId: request.candidateId,
      heldSequence: request.heldSequence,
      holdBeganMs: request.holdBeganMs,
      times: this.#controller.world.cluster.times,
      nowMs: this.#nowMs,
    });
    this.#performSwitch(request, decision);
  }

  #performSwitch(request: SwitchRequest, decision: SwitchoverDecision): void {
    const { masterId, epoch } = this.record;
    switch (decision.kind) {
      case 'hold': {
        request.holdBeganMs = this.#nowMs;
        const { holdMs } = decision;
        this.#controller.watchOf(decision.nodeId)?.command({ kind: 'hold', epoch, holdMs }, holdMs, (reply) => {
          if (this.#request !== request) return;
          if (reply.kind === 'ok') request.heldSequence = reply.sequence;
          else this.#giveUpSwitch(masterId, epoch);
          this.drive();
        });
        return;
      }
      case 'commit': {
        this.#request = undefined;
        const { candidateId } = request;
        const asked = {
          kind: 'switchover',
          cause: 'operator',
          excluded: [masterId],
          preferredId: candidateId,
        } as const;
        return this.#take(electFor(this.#failoverFacts(), asked));
      }
      case 'wait':
        return this.#wakeAt(Math.min(decision.untilMs, this.#nowMs + pollMs), request.candidateId);
      case 'give-up':
        return this.#giveUpSwitch(masterId, epoch);
      default:
        decision satisfies never;
    }
  }

  #giveUpSwitch(masterId: string, epoch: number): void {
    this.#request = undefined;
    this.#controller.watchOf(masterId)?.command({ kind: 'unhold', epoch }, 500, () => undefined);
  }

  #take(decision: FailoverDecision): void {
    if (decision.kind !== 'take-epoch') return;
    const { record } = decision;
    const before = this.record;
    this.#isTakingEpoch = true;
    this.#timer?.cancel();
    this.#controller.withhold(this.#shard, record.epoch - 1);
    this.note(`takes epoch ${record.epoch} for ${this.#nameOf(record.masterId)} (${record.transition?.cause ?? ''})`);
    const change = (state: StoreState): StoreState | undefined =>
      state.shards[this.#shard] === before ? this.#withRecord(state, record) : undefined;
    this.#controller.commit('take-epoch', change, (outcome) => {
      this.note(`epoch ${record.epoch}: ${outcome}`);
      this.#controller.lane.after(outcome === 'applied' ? 0.1 : retryMs, () => {
        this.#isTakingEpoch = false;
        this.drive();
      });
    });
  }

  #nameOf(nodeId: string): string {
    return this.#controller.world.nameOf(nodeId);
  }

  #withRecord(state: StoreState, record: ShardRecord): StoreState {
    return { ...state, shards: state.shards.map((each, at) => (at === this.#shard ? record : each)) };
  }

  // After the epoch is taken.

  #continue(): void {
    this.#collectPromises();
    const facts = this.#transitionFacts();
    if (this.#progress.promotedMs === undefined && isPromoted(facts)) this.#progress.promotedMs = this.#nowMs;
    const plan = planTransition(facts);
    if (plan.kind === 'done') return;
    if (plan.kind === 'wait') {
      const isCatchingUp = typeof facts.resignation === 'number';
      const untilMs = Math.min(plan.untilMs ?? Infinity, isCatchingUp ? facts.nowMs + pollMs : Infinity);
      if (untilMs < Infinity) this.#wakeAt(untilMs, isCatchingUp ? this.record.masterId : undefined);
      return;
    }
    for (const step of plan.steps) this.#perform(step);
    if (facts.promisesEndMs !== undefined && facts.nowMs < facts.promisesEndMs) this.#wakeAt(facts.promisesEndMs);
  }

  #isAsked = 0;

  #collectPromises(): void {
    const { epoch, controllers } = this.record;
    const progress = this.#progress;
    if (this.#isAsked !== epoch || progress.promisesEndMs !== undefined) return;
    progress.promisesEndMs = promisesEndMs(this.#controller.withholdAnswers(this.#shard, epoch - 1), controllers);
  }

  #perform(step: TransitionStep): void {
    const progress = this.#progress;
    switch (step.kind) {
      case 'withhold':
        this.#controller.withhold(this.#shard, step.epoch);
        if (this.#isAsked !== this.record.epoch) {
          this.#isAsked = this.record.epoch;
          this.#wakeAt(this.#nowMs + 0.1);
        }
        return;
      case 'resign':
        return this.#start('resign', (done) => this.#resign(step.nodeId, step.epoch, done));
      case 'announce':
        return this.#start('announce', (done) => this.#announce(done));
      case 'promote':
        return this.#start('promote', (done) => this.#promote(done));
      case 'move-balancer':
        return this.#start('move-balancer', (done) => this.#move(done));
      case 'release':
        return this.#start('release', (done) => {
          const command = { kind: 'release', epoch: step.epoch } as const;
          const { suspectMs } = this.#controller.world.cluster.times;
          this.#controller.watchOf(step.nodeId)?.command(command, suspectMs, () => {
            progress.isReleased = true;
            done(true);
          });
        });
      case 'finish':
        return this.#start('finish', (done) => this.#finish(done));
      case 'elect-again': {
        const { excluded, reason } = step;
        return this.#take(electFor(this.#failoverFacts(), { kind: 'failover', cause: reason, excluded }));
      }
      default:
        step satisfies never;
    }
  }

  /** Starts a step unless it is under way or failed a moment ago. */
  #start(name: string, run: (done: (isDone: boolean) => void) => void): void {
    if (this.#running.has(name)) return;
    const notBeforeMs = this.#notBeforeMs.get(name) ?? 0;
    if (this.#nowMs < notBeforeMs) return this.#wakeAt(notBeforeMs);
    const progress = this.#progress;
    this.#running.add(name);
    this.note(`${name} (epoch ${progress.epoch})`);
    run((isDone) => {
      if (progress !== this.#progress) return;
      this.#running.delete(name);
      if (!isDone) this.#notBeforeMs.set(name, this.#nowMs + retryMs);
      this.drive();
    });
  }

  #resign(nodeId: string, epoch: number, done: (isDone: boolean) => void): void {
    const progress = this.#progress;
    const { leaseMs } = this.#controller.world.cluster.times;
    this.#controller.watchOf(nodeId)?.command({ kind: 'resign', epoch }, leaseMs, (reply) => {
      progress.resignation = reply.kind === 'ok' && reply.sequence !== undefined ? reply.sequence : 'failed';
      done(true);
    });
  }

  #announce(done: (isDone: boolean) => void): void {
    const { epoch } = this.#progress;
    const host = this.#controller.watchOf(this.record.masterId)?.node.machine.host ?? -1;
    const change = (state: StoreState): StoreState | undefined => {
      const record = state.shards[this.#shard];
      if (record?.epoch !== epoch || record.transition?.announced !== false) return undefined;
      const backends = state.backends.map((each, at) => (at === this.#shard ? host : each));
      return { ...this.#withRecord(state, announce(record)), version: state.version + 1, backends };
    };
    this.#controller.commit('announce', change, ended(done));
  }

  /** SHARD, SETNODES and the first heartbeats to the candidate, back to back. */
  #promote(done: (isDone: boolean) => void): void {
    const progress = this.#progress;
    const { record } = this;
    const watch = this.#controller.watchOf(record.masterId);
    if (watch === undefined) return done(false);
    if (!mayHaveTopology(this.#controller, watch.node)) return done(false);
    progress.isGranting = true;
    const { leaseMs, heartbeatMs } = this.#controller.world.cluster.times;
    watch.command(this.#topologyCommand(), leaseMs, (reply) => {
      if (reply.kind === 'refused') {
        progress.isRefused = true;
        this.note(`the candidate refuses: ${reply.error}`);
      } else watch.beatNow();
      this.#notBeforeMs.set('promote', this.#nowMs + heartbeatMs);
      done(reply.kind === 'ok');
    });
  }

  get #shardArgs(): readonly string[] {
    return formatShardArguments(shardMessageOf(this.record));
  }

  #topologyCommand(): ControlCommand {
    const { mirror, world } = this.#controller;
    const nodes = world.cluster.nodes.map(({ id, machine, shard }) => ({ id, host: machine.host, shard }));
    const masterIds = mirror.shards.map((record, shard) => {
      const masterId = publishedMasterId(record);
      return masterId === '-' ? (nodes.find((node) => node.shard === shard)?.id ?? '-') : masterId;
    });
    const payload = topologyPayload(nodes, masterIds, mirror.owners);
    return { kind: 'setnodes', shardArgs: this.#shardArgs, payload, version: mirror.version };
  }

  #move(done: (isDone: boolean) => void): void {
    const progress = this.#progress;
    this.#controller.applyBindings((isApplied) => {
      if (isApplied) progress.balancer = 'moved';
      else if (this.#nowMs >= (progress.promotedMs ?? this.#nowMs) + this.#controller.world.cluster.times.leaseMs)
        progress.balancer = 'failing';
      done(isApplied);
    });
  }

  #finish(done: (isDone: boolean) => void): void {
    const { epoch } = this.#progress;
    const wallMs = this.#controller.lane.machine.wallMs();
    const change = (state: StoreState): StoreState | undefined => {
      const record = state.shards[this.#shard];
      if (record?.epoch !== epoch || record.transition?.announced !== true) return undefined;
      return this.#withRecord(state, finish(record, wallMs));
    };
    this.#controller.commit('finish', change, ended(done));
  }

  // The in-sync set.

  onReply(watch: NodeWatch): void {
    const text = watch.reply?.isrRequest ?? '';
    const request = text === '' ? undefined : parseIsrRequest(text);
    if (request === undefined || watch.reply === undefined || this.#isChangingIsr || this.#isTakingEpoch) return;
    const from = { nodeId: watch.node.id, processId: watch.reply.processId };
    const decision = judgeIsrRequest(this.record, from, request, this.#views());
    if (decision.kind !== 'change') return;
    this.#isChangingIsr = true;
    this.note(`isr ${text}`);
    // Judged again against what is stored when it gets there, however late that is.
    const views = this.#views();
    const change = (state: StoreState): StoreState | undefined => {
      const judged = judgeIsrRequest(state.shards[this.#shard] as ShardRecord, from, request, views);
      return judged.kind === 'change' ? this.#withRecord(state, judged.record) : undefined;
    };
    this.#controller.commit('isr', change, () => {
      this.#isChangingIsr = false;
      this.reconcile(watch);
    });
  }

  // The topology reconciler: every node that answers gets what it lacks.

  reconcile(watch: NodeWatch): void {
    const { reply, node } = watch;
    if (reply === undefined || watch.isBusy || watch.isSuspect || !this.#controller.isLeading) return;
    const { record } = this;
    if (this.#isHolding(node.id)) return;
    const mayTellNodes = record.transition === null || this.isPromoted;
    const { version } = this.#controller.mirror;
    const isSettled = this.#mayHaveTopology(node);
    const facts = { record, reply, isLeased: true, mayTellNodes, version, isSettled };
    const { wantsShard, wantsTopology } = tellNode(facts);
    if (!wantsShard) return;
    watch.isBusy = true;
    const { leaseMs } = this.#controller.world.cluster.times;
    const command = wantsTopology ? this.#topologyCommand() : ({ kind: 'shard', args: this.#shardArgs } as const);
    watch.command(command, leaseMs, () => {
      watch.isBusy = false;
      watch.beatNow();
    });
  }

  /**
   * The source of a handover that was made takes the topology before everybody else, whatever else is going on: the
   * promotion of the destination's next master may be waiting for just that.
   */
  #mayHaveTopology(node: SimNode): boolean {
    const { mirror, drivers } = this.#controller;
    const isSource = mirror.job?.movedIn !== undefined && mirror.job.from === node.shard;
    return (isSource || drivers.every(({ isSettled }) => isSettled)) && mayHaveTopology(this.#controller, node);
  }

  /** The old master of a switchover, as long as it holds clients for their redirection. */
  #isHolding(nodeId: string): boolean {
    const { transition } = this.record;
    return transition?.kind === 'switchover' && !this.#progress.isReleased && transition.fromMasterId === nodeId;
  }

  // Facts and timers.

  #views(): NodeView[] {
    const { masterId, transition } = this.record;
    const lastMaster = this.#controller.watchOf(transition?.fromMasterId ?? masterId);
    const sinceMs = (lastMaster?.heardMs ?? 0) - this.#controller.world.cluster.times.leaseMs;
    return this.#controller.watches
      .filter(({ node }) => node.shard === this.#shard)
      .map((watch) => watch.view(sinceMs));
  }

  #failoverFacts(): FailoverFacts {
    const { cluster } = this.#controller.world;
    return {
      record: this.record,
      views: this.#views(),
      isLeased: true,
      replication: cluster.replication,
      withheldThrough: this.#controller.steward(this.#shard).grantor.withheldThrough,
      suspicions: this.#controller.suspicions(),
      times: { ...cluster.times, leaseMs: this.#controller.mirror.leaseMs },
      wallMs: this.#controller.lane.machine.wallMs(),
    };
  }

  #transitionFacts(): TransitionFacts {
    const { promisesEndMs: endsMs, resignation, isRefused, balancer, isReleased } = this.#progress;
    return {
      record: this.record,
      views: this.#views(),
      isLeased: true,
      version: this.#controller.mirror.version,
      promisesEndMs: endsMs,
      resignation,
      isRefused,
      balancer,
      isReleased,
      times: this.#controller.world.cluster.times,
      nowMs: this.#nowMs,
    };
  }

  #wakeAt(atMs: number, pollId?: string): void {
    this.#timer?.cancel();
    this.#timer = this.#controller.lane.after(Math.max(0.5, atMs - this.#nowMs), () => {
      if (pollId !== undefined) this.#controller.watchOf(pollId)?.beatNow();
      this.drive();
    });
  }
}

/** Applied and "not there any more" both mean that the step is through. */
function ended(done: (isDone: boolean) => void): (outcome: Outcome) => void {
  return (outcome) => done(outcome === 'applied' || outcome === 'conflict');
}
