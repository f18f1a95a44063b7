/**
 * The controller of the model: the pure controller side of fencing, a store that survives it, and nothing else. It can
 * be killed between any two steps; what it knew is gone, what it stored and what it sent is not.
 */
import type { NodeView } from '../candidate.ts';
import { decideFailover, electFor, type FailoverDecision, type FailoverFacts } from '../failover-plan.ts';
import { stepDetector, watchNode, type Detector } from '../failure-detector.ts';
import type { HeartbeatReply } from '../heartbeat.ts';
import { grant, noteToken, promisesEndMs, startGrantor, withhold, type Grantor } from '../lease-grantor.ts';
import {
  announce,
  checkShardSuccession,
  finish,
  publishedMasterId,
  shardMessageOf,
  type ShardRecord,
} from '../shard-record.ts';
import type { FenceTimes } from '../times.ts';
import { isPromoted, planTransition, type TransitionFacts, type TransitionStep } from '../transition-plan.ts';
import type { Message, PlantedFault } from './model-node.ts';
import { nodeIdOf } from './samples.ts';

/** What outlives the controller. */
export interface ModelStore {
  record: ShardRecord;
  version: number;
}

export interface ControllerWorld {
  readonly names: readonly string[];
  readonly times: FenceTimes;
  readonly store: ModelStore;
  readonly fault: PlantedFault | undefined;
  /** Takes the message to the node and its answer back, late or never. */
  send(name: string, message: Message): void;
  /** Called before each step; true: the controller dies here. */
  dies(step: string): boolean;
}

interface Watched {
  readonly name: string;
  detector: Detector;
  reply: HeartbeatReply | undefined;
  /** Lease clock at which the heartbeat in flight was sent. */
  sentMs: number | undefined;
}

/** Thrown out of a step by a controller that dies. */
class Died extends Error {}

export class ModelController {
  readonly #world: ControllerWorld;
  readonly #watched: Watched[];
  #grantor: Grantor;
  #nowMs: number;
  #promisesEndMs: number | undefined;
  #resignation: number | 'failed' | undefined;
  #resignSentMs: number | undefined;
  #promoteSentMs = -Infinity;
  #refusedEpoch = 0;
  #switchTo: string | undefined;
  isDead = false;

  /** A controller that has just read the store. */
  constructor(world: ControllerWorld, nowMs: number) {
    this.#world = world;
    this.#nowMs = nowMs;
    this.#watched = world.names.map((name) => ({
      name,
      detector: watchNode(nowMs),
      reply: undefined,
      sentMs: undefined,
    }));
    this.#grantor = startGrantor(nowMs, world.store.record.leaseMs);
  }

  /** An operator asks for a switchover to the node. */
  switchTo(name: string): void {
    this.#switchTo = name;
  }

  tick(nowMs: number): void {
    if (this.isDead) return;
    this.#nowMs = nowMs;
    try {
      for (const node of this.#watched) this.#watch(node);
      this.#drive();
      this.#spread();
    } catch (error) {
      if (!(error instanceof Died)) throw error;
      this.isDead = true;
    }
  }

  #watch(node: Watched): void {
    const { times } = this.#world;
    node.detector = stepDetector(node.detector, { kind: 'tick' }, { nowMs: this.#nowMs, times }).detector;
    if (node.sentMs !== undefined && this.#nowMs < node.sentMs + times.leaseMs) return;
    this.#heartbeat(node);
  }

  #heartbeat(node: Watched): void {
    const { store, times } = this.#world;
    const { epoch, masterId, leaseMs } = store.record;
    const sentMs = this.#nowMs;
    node.sentMs = sentMs;
    let token = '';
    if (nodeIdOf(node.name) === masterId && node.reply?.processId === store.record.processId) {
      const granted = grant(this.#grantor, { epoch, token: node.reply.leaseToken, leaseMs });
      if (granted.kind === 'granted') {
        this.#grantor = granted.grantor;
        token = node.reply.leaseToken;
      } else if (this.#world.fault === 'no-withhold') token = node.reply.leaseToken;
    }
    const isOldGranted = this.#world.fault === 'no-withhold' && store.record.transition !== null;
    const oldMasterId = store.record.transition?.fromMasterId ?? masterId;
    this.#world.send(node.name, {
      kind: 'heartbeat',
      heartbeat: {
        masterId: isOldGranted ? oldMasterId : masterId,
        leaseMs,
        epoch: isOldGranted ? epoch - 1 : epoch,
        token: isOldGranted ? (node.reply?.leaseToken ?? '') : token,
        controllerId: '',
      },
      answer: (reply) => {
        if (this.isDead || node.sentMs !== sentMs) return;
        node.detector = stepDetector(node.detector, { kind: 'reply' }, { nowMs: this.#nowMs, times }).detector;
        node.reply = reply;
        node.sentMs = this.#nowMs - times.leaseMs + times.heartbeatMs;
        this.#grantor = noteToken(this.#grantor, reply.leaseToken, this.#nowMs);
      },
    });
  }

  #views(): NodeView[] {
    return this.#watched.map(({ name, detector, reply }) => ({
      nodeId: nodeIdOf(name),
      isSuspect: detector.isSuspect,
      reply,
      wasAttached: true,
      lapsedForMs: 0,
    }));
  }

  #failoverFacts(): FailoverFacts {
    const { store, times } = this.#world;
    return {
      record: store.record,
      views: this.#views(),
      isLeased: true,
      replication: 'async',
      withheldThrough: this.#grantor.withheldThrough,
      times,
      wallMs: this.#nowMs,
    };
  }

  #drive(): void {
    const { store } = this.#world;
    for (let i = 0; i < 10; i++) {
      if (store.record.transition === null) {
        if (!this.#begin()) return;
        continue;
      }
      const plan = planTransition(this.#transitionFacts());
      if (plan.kind !== 'steps') return;
      for (const step of plan.steps) {
        this.#step(step.kind);
        if (!this.#perform(step)) return;
      }
    }
  }

  #begin(): boolean {
    const { store } = this.#world;
    let decision = decideFailover(this.#failoverFacts());
    if (decision.kind === 'none' && this.#switchTo !== undefined && this.#switchTo !== store.record.masterId) {
      const request = { kind: 'switchover', cause: 'operator', excluded: [], preferredId: this.#switchTo } as const;
      decision = electFor(this.#failoverFacts(), request);
    }
    this.#switchTo = undefined;
    return this.#take(decision);
  }

  #take(decision: FailoverDecision): boolean {
    if (decision.kind !== 'take-epoch') return false;
    this.#grantor = withhold(this.#grantor, decision.record.epoch - 1);
    this.#step('take-epoch');
    this.#commit(decision.record);
    this.#promisesEndMs = undefined;
    this.#resignation = undefined;
    this.#resignSentMs = undefined;
    this.#promoteSentMs = -Infinity;
    this.#step('took-epoch');
    return true;
  }

  #commit(record: ShardRecord): void {
    checkShardSuccession(this.#world.store.record, record);
    this.#world.store.record = record;
  }

  #step(name: string): void {
    if (this.#world.dies(name)) throw new Died();
  }

  #transitionFacts(): TransitionFacts {
    const { store, times, fault } = this.#world;
    const { epoch } = store.record;
    return {
      record: store.record,
      views: this.#views(),
      isLeased: true,
      version: store.version,
      promisesEndMs: fault === 'no-wait' ? 0 : this.#promisesEndMs,
      resignation: this.#resignation,
      isRefused: this.#refusedEpoch === epoch,
      balancer: 'moved',
      isReleased: true,
      times,
      nowMs: this.#nowMs,
    };
  }

  /** False when the answer has to come first. */
  #perform(step: TransitionStep): boolean {
    const { store } = this.#world;
    switch (step.kind) {
      case 'withhold': {
        this.#grantor = withhold(this.#grantor, step.epoch);
        const answers = [{ controllerId: '', promiseEndsMs: this.#grantor.promiseEndsMs }];
        this.#promisesEndMs = promisesEndMs(answers, store.record.controllers);
        return true;
      }
      case 'resign':
        return this.#resign(step.nodeId, step.epoch);
      case 'announce':
        this.#commit(announce(store.record));
        store.version += 1;
        return true;
      case 'promote':
        return this.#promote();
      case 'elect-again': {
        const request = { kind: 'failover', cause: step.reason, excluded: step.excluded } as const;
        return this.#take(electFor(this.#failoverFacts(), request));
      }
      case 'finish':
        this.#commit(finish(store.record, this.#nowMs));
        return true;
      case 'move-balancer':
      case 'release':
        throw new Error('the model has no balancer');
      default:
        return step satisfies never;
    }
  }

  #resign(nodeId: string, epoch: number): boolean {
    if (this.#resignSentMs !== undefined && this.#nowMs >= this.#resignSentMs + 300) this.#resignation = 'failed';
    if (this.#resignSentMs !== undefined) return this.#resignation === 'failed';
    this.#resignSentMs = this.#nowMs;
    const name = this.#watched.find((node) => nodeIdOf(node.name) === nodeId)?.name;
    if (name === undefined) return false;
    const answer = (sequence: number | undefined): void => {
      if (this.#world.store.record.transition?.fromEpoch !== epoch) return;
      this.#resignation ??= sequence ?? 'failed';
    };
    this.#world.send(name, { kind: 'resign', epoch, answer });
    return true;
  }

  #promote(): boolean {
    const { store, times } = this.#world;
    if (this.#nowMs < this.#promoteSentMs + times.heartbeatMs) return false;
    this.#promoteSentMs = this.#nowMs;
    const node = this.#watched.find(({ name }) => nodeIdOf(name) === store.record.masterId);
    if (node !== undefined) this.#push(node.name);
    return false;
  }

  #push(name: string): void {
    const { store } = this.#world;
    const { epoch } = store.record;
    const answer = (error: string | undefined): void => {
      if (error !== undefined && nodeIdOf(name) === store.record.masterId) this.#refusedEpoch = epoch;
    };
    this.#world.send(name, { kind: 'shard', message: shardMessageOf(store.record), answer });
    const masterId = publishedMasterId(store.record);
    this.#world.send(name, { kind: 'topology', version: store.version, masterId });
  }

  /** The topology reconciler: everybody gets what the store says once nothing is in the way. */
  #spread(): void {
    const { record, version } = this.#world.store;
    if (record.transition !== null && !isPromoted(this.#transitionFacts())) return;
    for (const { name, reply, detector } of this.#watched) {
      if (reply === undefined || detector.isSuspect) continue;
      if (reply.epoch < record.epoch || reply.version < version) this.#push(name);
    }
  }
}
