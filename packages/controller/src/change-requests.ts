/**
 * A change of master that somebody asked for, from the question to its answer: an operator's failover or switchover, or
 * the switchover away from a master that the balancer does not reach. Of a shard there is one at a time. Nothing of it is stored before the next epoch is taken, so a controller that dies here
 * leaves a master whose hold ends by itself.
 */
import { assert, messageOf, OperationError } from '@holdfast/base';
import {
  decideSwitchover,
  elect,
  electFor,
  type FailoverDecision,
  type ShardRecord,
  type SwitchoverDecision,
} from '@holdfast/fencing';
import { failoverFacts, nodeViews } from './shard-facts.ts';
import { shardRecordOf, type ShardHost } from './shard-host.ts';
import { throwIfError } from './shard-steps.ts';
import type { StepRunner } from './step-runner.ts';

/** Between two heartbeats to a candidate that is about to catch up. */
const pollMs = 2;

export interface RequestOutcome {
  readonly newMasterId: string;
  readonly epoch: number;
  readonly durationMs: number;
}

/** For the record of the next epoch, see `Transition`. */
export interface Why {
  readonly cause: string;
  readonly cutsAtOnce: boolean;
}

const operatorsWish: Why = { cause: 'operator', cutsAtOnce: false };

interface ChangeRequest {
  readonly kind: 'failover' | 'switchover';
  /** Lease clock. */
  readonly beganMs: number;
  readonly candidateId: string;
  readonly why: Why;
  /** Switchover: who was asked to hold its clients, on the lease clock when, and what it answered. */
  held: { readonly nodeId: string; readonly epoch: number; readonly beganMs: number } | undefined;
  heldSequence: number | undefined;
  /** The next epoch was asked for: there may be no way back. */
  isCommitted: boolean;
  resolve(outcome: RequestOutcome): void;
  reject(error: OperationError): void;
}

/** CONTROLLER_REFUSED: the request cannot be carried out now; the message says why. */
export function refused(reason: string): OperationError {
  return new OperationError('CONTROLLER_REFUSED', reason, { outcome: 'not-applied' });
}

export interface ChangeRequestsOptions {
  readonly host: ShardHost;
  readonly index: number;
  /** Of the present epoch. */
  steps(): StepRunner;
  takeEpoch(decision: FailoverDecision & { kind: 'take-epoch' }): void;
}

export class ChangeRequests {
  readonly #options: ChangeRequestsOptions;
  #request: ChangeRequest | undefined;

  constructor(options: ChangeRequestsOptions) {
    this.#options = options;
  }

  /** True while something was asked for and is not answered. */
  get isBusy(): boolean {
    return this.#request !== undefined;
  }

  /** True between the HOLD of a switchover and its commit. */
  get isHolding(): boolean {
    return this.#request?.kind === 'switchover';
  }

  get #record(): ShardRecord {
    return shardRecordOf(this.#options.host, this.#options.index);
  }

  /** @throws OperationError CONTROLLER_REFUSED when no node qualifies. */
  failover(preferredId: string | undefined, acceptDataLoss: boolean): Promise<RequestOutcome> {
    this.#checkIdle();
    const { host, index } = this.#options;
    const decision = electFor(failoverFacts(host, index), {
      kind: 'failover',
      cause: 'operator',
      excluded: [this.#record.masterId],
      preferredId,
      acceptDataLoss,
    });
    assert(decision.kind !== 'none' && decision.kind !== 'alarm', 'an election ends with somebody or with nobody');
    if (decision.kind === 'wait') throw refused(decision.reason);
    const outcome = this.#add('failover', decision.record.masterId, operatorsWish);
    this.#options.takeEpoch(decision);
    return outcome;
  }

  /** @throws OperationError CONTROLLER_REFUSED when no node qualifies. */
  switchover(preferredId: string | undefined, why: Why = operatorsWish): Promise<RequestOutcome> {
    this.#checkIdle();
    const { host, index } = this.#options;
    const { record, views, replication } = failoverFacts(host, index);
    const elected = elect({ views, excluded: [record.masterId], isr: record.isr, replication, preferredId });
    if (elected.kind === 'nobody') throw refused(elected.reason);
    return this.#add('switchover', elected.candidate.nodeId, why);
  }

  #checkIdle(): void {
    if (this.#request === undefined) return;
    throw refused(`a ${this.#request.kind} of shard ${this.#options.index} was asked for already`);
  }

  #add(kind: ChangeRequest['kind'], candidateId: string, why: Why): Promise<RequestOutcome> {
    const beganMs = this.#options.host.clock.leaseMs();
    return new Promise((resolve, reject) => {
      const before = { held: undefined, heldSequence: undefined, isCommitted: false };
      this.#request = { kind, beganMs, candidateId, why, ...before, resolve, reject };
    });
  }

  /** What was asked for cannot be done any more. */
  fail(reason: string): void {
    const request = this.#request;
    this.#request = undefined;
    request?.reject(refused(reason));
  }

  /** The controller ends or leads no more: clients that are held are given back unless the next epoch was asked for. */
  stop(): void {
    const request = this.#request;
    this.#request = undefined;
    if (request === undefined) return;
    if (request.held !== undefined && !request.isCommitted)
      unholdClients(this.#options.host, request.held.nodeId, request.held.epoch);
    const message = 'the controller does not lead any more; what was asked for may go on, look at the status';
    request.reject(new OperationError('CONTROLLER_TERM_ENDED', message, { outcome: 'unknown' }));
  }

  /** A transition is through. */
  settle({ masterId, epoch }: ShardRecord, endedMs: number): void {
    const request = this.#request;
    this.#request = undefined;
    if (request?.candidateId === masterId)
      request.resolve({ newMasterId: masterId, epoch, durationMs: endedMs - request.beganMs });
    else request?.reject(refused(`${masterId} became master instead of ${request.candidateId}, which was lost`));
  }

  /** Goes on with a switchover that has not taken its epoch yet. */
  drive(): void {
    const request = this.#request;
    if (request?.kind !== 'switchover') return;
    const { host, index } = this.#options;
    const decision = decideSwitchover({
      record: this.#record,
      views: nodeViews(host, index),
      isLeased: host.isLeased,
      candidateId: request.candidateId,
      heldSequence: request.heldSequence,
      holdBeganMs: request.held?.beganMs,
      times: host.times,
      nowMs: host.clock.leaseMs(),
    });
    this.#perform(request, decision);
  }

  #perform(request: ChangeRequest, decision: SwitchoverDecision): void {
    const { host, steps } = this.#options;
    const { masterId, epoch } = this.#record;
    switch (decision.kind) {
      case 'hold': {
        const { nodeId, holdMs } = decision;
        request.held = { nodeId, epoch, beganMs: host.clock.leaseMs() };
        return steps().start('hold', () => this.#hold(request, { nodeId, epoch, holdMs }));
      }
      case 'commit':
        return this.#commit(request);
      case 'wait':
        return steps().wakeAt(Math.min(decision.untilMs, host.clock.leaseMs() + pollMs), request.candidateId);
      case 'give-up':
        if (decision.isHeld) unholdClients(host, masterId, epoch);
        return this.fail(decision.reason);
      default:
        decision satisfies never;
    }
  }

  #commit(request: ChangeRequest): void {
    const { host, index, takeEpoch } = this.#options;
    const decision = electFor(failoverFacts(host, index), {
      ...request.why,
      kind: 'switchover',
      excluded: [this.#record.masterId],
      preferredId: request.candidateId,
    });
    assert(decision.kind !== 'none' && decision.kind !== 'alarm', 'an election ends with somebody or with nobody');
    if (decision.kind === 'wait') return this.fail(decision.reason);
    request.isCommitted = true;
    takeEpoch(decision);
  }

  async #hold(request: ChangeRequest, hold: Hold): Promise<void> {
    try {
      request.heldSequence = await holdClients(this.#options.host, hold);
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      if (this.#request === request) this.fail(`the master did not hold its clients: ${error.message}`);
    }
  }
}

interface Hold {
  readonly nodeId: string;
  readonly epoch: number;
  readonly holdMs: number;
}

/**
 * HOLD: the master admits nothing more and says its sequence.
 * @throws OperationError when it did not; the hold, if any, was given back.
 */
async function holdClients(host: ShardHost, { nodeId, epoch, holdMs }: Hold): Promise<number> {
  const watch = host.watch(nodeId);
  if (watch === undefined) throw refused(`node ${nodeId} is not watched`);
  try {
    const reply = await watch.command(['CLUSTERX', 'HOLD', String(epoch), String(Math.ceil(holdMs))], holdMs);
    throwIfError(watch, 'HOLD', reply);
    const sequence = Number(reply);
    if (Number.isSafeInteger(sequence)) return sequence;
    throw refused(`node ${nodeId} answered HOLD with '${String(reply)}'`);
  } catch (error) {
    unholdClients(host, nodeId, epoch);
    throw error;
  }
}

/** The hold ends by itself; this only ends it earlier. */
function unholdClients(host: ShardHost, nodeId: string, epoch: number): void {
  const watch = host.watch(nodeId);
  watch?.command(['CLUSTERX', 'UNHOLD', String(epoch)]).catch((error: unknown) => {
    host.logger.warn('UNHOLD did not reach the master', { node: nodeId, error: messageOf(error) });
  });
}
