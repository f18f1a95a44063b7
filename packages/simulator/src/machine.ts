/**
 * Machines and the threads that run on them.
 *
 * A machine has two clocks, as the design of the lease clock demands: the raw one (lease clock: differs from true time by
 * at most 0.4 %, half of what the promise's margin pays for) and the slewed one (wall clock and the runtime's timers:
 * up to 9 % off, which is what NTP may do to it). A `Lane` is one thread of one process: it can be stopped, and what
 * arrives meanwhile waits, as in socket buffers, and is worked off one after the other when it goes on.
 */
import type { Clock, Timer, Timers } from '@holdfast/base';
import type { Planned } from './event-heap.ts';
import type { World } from './world.ts';

export class Machine implements Clock {
  readonly name: string;
  /** Number in the network. */
  readonly host: number;
  readonly #world: World;
  #rawRate: number;
  #rawOffsetMs: number;
  readonly slewRate: number;
  #wallOffsetMs: number;
  #boots = 1;

  constructor(world: World, name: string) {
    const { dice } = world;
    this.#world = world;
    this.name = name;
    this.host = world.network.addHost(name);
    this.#rawRate = 1 + dice.between(-0.004, 0.004);
    this.#rawOffsetMs = dice.between(1000, 1_000_000);
    this.slewRate = 1 + dice.pick([-0.09, -0.09, 0.09, 0.09, dice.between(-0.09, 0.09)]);
    this.#wallOffsetMs = 1_700_000_000_000 + dice.between(-3000, 3000);
  }

  get bootId(): string {
    return `boot-${this.name}-${this.#boots}`;
  }

  /** The machine went down and came up again: its lease clock begins anew. */
  boot(): void {
    this.#boots += 1;
  }

  leaseMs(): number {
    const rate = this.#world.switches.slewedClock ? this.slewRate : this.#rawRate;
    return this.#rawOffsetMs + this.#world.nowMs * rate;
  }

  wallMs(): number {
    return Math.floor(this.#wallOffsetMs + this.#world.nowMs * this.slewRate);
  }

  /** From now on the lease clock is wrong. */
  spoilClock(rate: number): void {
    this.#rawOffsetMs += this.#world.nowMs * (this.#rawRate - rate);
    this.#rawRate = rate;
  }

  /** The lease clock missed `ms` of true time. */
  loseTime(ms: number): void {
    this.#rawOffsetMs -= ms * this.#rawRate;
  }

  stepWall(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }
}

interface Waiting {
  readonly isTimer: boolean;
  readonly channel: unknown;
  readonly run: () => void;
}

/** How long one thing keeps a thread that works off what had waited, ms. */
const backlogStepMs = 0.1;

export class Lane implements Timers {
  readonly machine: Machine;
  readonly #world: World;
  #isStopped = false;
  #isDraining = false;
  #isDead = false;
  /** Set while the thread is busy with one long turn: what `soon` planned comes late. */
  busyUntilMs = 0;
  #backlog: Waiting[] = [];

  constructor(world: World, machine: Machine) {
    this.#world = world;
    this.machine = machine;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /**
   * Something for this thread: now, later, or (dead) never.
   * @param channel what came by it is read in its order; different sockets are read in any order.
   */
  deliver(run: () => void, channel?: unknown, isTimer = false): void {
    if (this.#isDead) return;
    if (this.#isStopped || this.#isDraining) this.#backlog.push({ isTimer, channel, run });
    else run();
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Goes on: timers that fell due first, or what the sockets hold first; which of the two is the kernel's whim. */
  resume(): void {
    if (!this.#isStopped || this.#isDead) return;
    this.#isStopped = false;
    if (this.#world.dice.chance(0.5)) this.#backlog.sort((a, b) => Number(b.isTimer) - Number(a.isTimer));
    if (this.#isDraining || this.#backlog.length === 0) return;
    this.#isDraining = true;
    this.#drain();
  }

  #drain(): void {
    if (this.#isDead || this.#isStopped) {
      this.#isDraining = false;
      return;
    }
    const next = this.#takeNext();
    if (next === undefined) {
      this.#isDraining = false;
      return;
    }
    next.run();
    this.#world.at(this.#world.nowMs + backlogStepMs, () => this.#drain());
  }

  /** Any of the sockets that are ready; timers keep the place they were given. */
  #takeNext(): Waiting | undefined {
    const backlog = this.#backlog;
    const first = backlog[0];
    if (first === undefined || first.isTimer) return backlog.shift();
    const drawn = backlog[this.#world.dice.below(Math.min(4, backlog.length))] as Waiting;
    if (drawn.isTimer) return backlog.shift();
    const at =
      drawn.channel === undefined
        ? backlog.indexOf(drawn)
        : backlog.findIndex(({ channel }) => channel === drawn.channel);
    return backlog.splice(at, 1)[0];
  }

  kill(): void {
    this.#isDead = true;
    this.#backlog = [];
  }

  after(delayMs: number, run: () => void): Timer {
    // The runtime's timers count the slewed clock, and none comes early or in the same instant.
    const dueMs = this.#world.nowMs + Math.max(0.05, delayMs / this.machine.slewRate);
    const planned: Planned = this.#world.at(dueMs, () => {
      // Cancelled while it waited in a stopped thread: it does not fire.
      this.deliver(() => planned.run !== undefined && run(), undefined, true);
    });
    return { cancel: (): void => void (planned.run = undefined) };
  }

  every(periodMs: number, run: () => void): Timer {
    let timer: Timer;
    let isCancelled = false;
    const again = (): void => {
      run();
      if (!isCancelled) timer = this.after(periodMs, again);
    };
    timer = this.after(periodMs, again);
    return {
      cancel: (): void => {
        isCancelled = true;
        timer.cancel();
      },
    };
  }

  soon(run: () => void): void {
    const turnMs = this.#world.dice.chance(0.03) ? this.#world.dice.between(1, 25) : 0.03;
    this.#world.at(this.#world.nowMs + turnMs, () => this.deliver(run));
  }
}
