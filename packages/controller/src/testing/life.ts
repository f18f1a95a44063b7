/**
 * One life of a controller process in a test, which can be killed or paused before any of its effects: a store write, a
 * command to a node, a call of the balancer. Of a dead one nothing reaches the world any more. A paused one stands still
 * as under SIGSTOP: what it was about to do, what is sent to it and what its timers owe it happens when it is resumed.
 */
import type { Timers, Transport } from '@holdfast/base';
import type { BalancerDriver } from '@holdfast/balancer';

const never = new Promise<never>(() => undefined);

/** Before which effect something happens to the process, counted from 0. */
export interface Fate {
  readonly dieAt?: number;
  readonly pauseAt?: number;
}

export class Life {
  readonly effects: string[] = [];
  /** Told when it is paused or killed. */
  onStill: () => void = () => undefined;
  #state: 'running' | 'paused' | 'dead' = 'running';
  #fate: Fate;
  #owed: (() => void)[] = [];

  /** Where effects are counted from. */
  #from = 0;

  constructor(fate: Fate = {}) {
    this.#fate = fate;
  }

  /** From here on effects are counted anew, and this befalls it. */
  fateFromNow(fate: Fate): void {
    this.#fate = fate;
    this.#from = this.effects.length;
  }

  get effectsSinceFate(): readonly string[] {
    return this.effects.slice(this.#from);
  }

  get isOver(): boolean {
    return this.#state === 'dead';
  }

  get isPaused(): boolean {
    return this.#state === 'paused';
  }

  kill(): void {
    this.#state = 'dead';
    this.#owed = [];
    this.onStill();
  }

  pause(): void {
    if (this.#state !== 'running') return;
    this.#state = 'paused';
    this.onStill();
  }

  resume(): void {
    if (this.#state !== 'paused') return;
    this.#state = 'running';
    this.#fate = {};
    for (const run of this.#owed.splice(0)) run();
  }

  /** Runs it now, when the process is resumed, or never. */
  when(run: () => void): void {
    if (this.#state === 'running') run();
    else if (this.#state === 'paused') this.#owed.push(run);
  }

  /** As `when`, for something that the world sees; what is to befall the process may befall it here. */
  effect(name: string, run: () => void): void {
    const count = this.effects.length - this.#from;
    if (this.#state === 'running' && count === this.#fate.dieAt) this.kill();
    if (this.#state === 'running' && count === this.#fate.pauseAt) this.pause();
    if (!this.isOver) this.effects.push(name);
    this.when(run);
  }

  /** The outcome of something under way, which only a running process learns. */
  outcome<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      promise.then(
        (value) => this.when(() => resolve(value)),
        (error: unknown) => this.when(() => reject(error as Error)),
      );
    });
  }

  /** An effect with an outcome. */
  perform<T>(name: string, run: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.effect(name, () => void this.outcome(run()).then(resolve, reject));
    });
  }
}

export function mortalTimers(timers: Timers, life: Life): Timers {
  return {
    after: (delayMs, run) => timers.after(delayMs, () => life.when(run)),
    every: (periodMs, run) => timers.every(periodMs, () => life.when(run)),
    soon: (run) => timers.soon(() => life.when(run)),
  };
}

export function mortalTransport(transport: Transport, life: Life): Transport {
  return {
    peer: transport.peer,
    pendingBytes: 0,
    borrowedBytes: 0,
    listen: ({ onData, onEnd, onDrain, onClose }) =>
      transport.listen({
        onData: (chunk) => life.when(() => onData(chunk)),
        onEnd: () => life.when(() => onEnd?.()),
        onDrain: () => life.when(() => onDrain?.()),
        onClose: (error) => life.when(() => onClose(error)),
      }),
    write: (bytes) => {
      const [, , family, , name = ''] = Buffer.from(bytes).toString().split('\r\n');
      // Heartbeats go on all the time; dying between any two of them adds nothing.
      if (name === 'HEARTBEAT' || family === 'PING') life.when(() => void transport.write(bytes));
      else life.effect(name, () => void transport.write(bytes));
      return true;
    },
    pause: () => transport.pause(),
    resume: () => transport.resume(),
    end: () => transport.end(),
    destroy: () => transport.destroy(),
    reset: () => transport.reset(),
  };
}

export function mortalBalancer(balancer: BalancerDriver, life: Life): BalancerDriver {
  return {
    name: balancer.name,
    apply: (desired) => life.perform('apply', () => balancer.apply(desired)),
    observe: () => (life.isOver ? never : life.outcome(balancer.observe())),
    probe: (request) => (life.isOver ? never : life.outcome(balancer.probe?.(request) ?? Promise.resolve([]))),
    cut: (address, backend) => life.perform('cut', () => balancer.cut(address, backend)),
  };
}
