/**
 * The world of one run: virtual time, chance, the network, the judge. Nothing in it reads a real clock or waits for
 * anything; a run is a function of its seed (and of the fault that was planted).
 */
import { silentLogger, type Logger } from '@holdfast/base';
import { Dice } from './dice.ts';
import { EventHeap, type Planned } from './event-heap.ts';
import type { Cluster } from './cluster.ts';
import type { Judge } from './judge.ts';
import { Network } from './network.ts';

/** Faults of what the simulator itself stands in for; all false in a clean run. Planted by name (faults.ts). */
export interface Switches {
  readonly slewedClock: boolean;
  readonly resetKeepsLogId: boolean;
  readonly staleWalAfterRewind: boolean;
  readonly importServes: boolean;
  readonly leaseBeforeCut: boolean;
  readonly keylessPasses: boolean;
  readonly hotCachePromoted: boolean;
  readonly ackOwnEpoch: boolean;
}

export const noSwitches: Switches = {
  slewedClock: false,
  resetKeepsLogId: false,
  staleWalAfterRewind: false,
  importServes: false,
  leaseBeforeCut: false,
  keylessPasses: false,
  hotCachePromoted: false,
  ackOwnEpoch: false,
};

/** A promise that does not hold; ends the run. */
export class Violation extends Error {
  readonly promise: string;

  constructor(promise: string, message: string) {
    super(message);
    this.promise = promise;
  }
}

export interface TraceLine {
  readonly atMs: number;
  readonly actor: string;
  readonly event: string;
}

export interface WorldOptions {
  readonly seed: number;
  readonly switches: Switches;
  readonly isTraced: boolean;
}

export class World {
  readonly dice: Dice;
  /** Of the threads that commit: a stream of its own, so that seeds without them run as ever. */
  readonly writerDice: Dice;
  readonly commitsOnWorker: boolean;
  readonly switches: Switches;
  readonly network: Network;
  readonly heap: EventHeap = new EventHeap();
  readonly logger: Logger = silentLogger;
  readonly isTraced: boolean;
  readonly trace: TraceLine[] = [];
  /** Both are set once, when the scenario builds the world. */
  cluster!: Cluster;
  judge!: Judge;
  nowMs = 0;
  eventCount = 0;

  constructor({ seed, switches, isTraced }: WorldOptions) {
    this.dice = new Dice(seed);
    this.writerDice = new Dice((seed ^ 0x6139c) >>> 0);
    this.commitsOnWorker = this.writerDice.chance(0.5);
    this.switches = switches;
    this.isTraced = isTraced;
    this.network = new Network(this);
  }

  at(atMs: number, run: () => void): Planned {
    return this.heap.push(atMs, run);
  }

  after(delayMs: number, run: () => void): Planned {
    return this.heap.push(this.nowMs + delayMs, run);
  }

  /** Lets everything happen that falls before `untilMs`, or until `isEnough` says so after an event. */
  runUntil(untilMs: number, isEnough?: () => boolean): void {
    while (this.heap.nextMs <= untilMs) {
      const next = this.heap.pop();
      if (next?.run === undefined) continue;
      this.nowMs = next.atMs;
      this.eventCount++;
      next.run();
      if (isEnough !== undefined && isEnough()) return;
    }
    this.nowMs = untilMs;
  }

  /** A line of the readable trace. `event` is a function where making the text costs something. */
  note(actor: string, event: string | (() => string)): void {
    if (!this.isTraced) return;
    this.trace.push({ atMs: this.nowMs, actor, event: typeof event === 'string' ? event : event() });
  }

  /** Name of a node for people. */
  nameOf(nodeId: string): string {
    return this.cluster.nodeById(nodeId)?.name ?? nodeId;
  }

  fail(promise: string, message: string): never {
    throw new Violation(promise, message);
  }
}
