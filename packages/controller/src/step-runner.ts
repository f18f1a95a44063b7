/**
 * Steps under way for one epoch of one shard: none is started twice, one that failed waits a moment, and what a step of
 * an epoch that is over reports touches nothing.
 */
import { OperationError, type Timer } from '@holdfast/base';
import type { ShardHost } from './shard-host.ts';

/** After a step failed it is tried again. */
const retryMs = 50;

export interface StepRunnerOptions {
  readonly host: ShardHost;
  readonly index: number;
  /** Something ended, or an instant has come: look again. */
  drive(): void;
}

export class StepRunner {
  readonly #options: StepRunnerOptions;
  readonly #running = new Set<string>();
  /** Lease clock. */
  readonly #notBeforeMs = new Map<string, number>();
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(options: StepRunnerOptions) {
    this.#options = options;
  }

  /** Name of a step under way; undefined: none is. */
  get current(): string | undefined {
    return [...this.#running][0];
  }

  isRunning(name: string): boolean {
    return this.#running.has(name);
  }

  /** What is under way goes on, and nothing is made of its end. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  /** Starts a step unless it is under way or failed a moment ago. */
  start(name: string, run: () => Promise<void>): void {
    const { host, drive } = this.#options;
    if (this.#isStopped || this.#running.has(name)) return;
    const notBeforeMs = this.#notBeforeMs.get(name) ?? 0;
    if (host.clock.leaseMs() < notBeforeMs) return this.wakeAt(notBeforeMs);
    this.#running.add(name);
    run()
      .catch((error: unknown) => this.#failed(name, error))
      .finally(() => {
        this.#running.delete(name);
        if (!this.#isStopped) drive();
      });
  }

  /** `name` is not started before this instant of the lease clock. */
  delay(name: string, untilMs: number): void {
    this.#notBeforeMs.set(name, untilMs);
  }

  #failed(name: string, error: unknown): void {
    const { host, index } = this.#options;
    if (!(error instanceof OperationError)) return host.fatal(error);
    if (this.#isStopped) return;
    host.logger.warn('a step failed and is tried again', { shard: index, step: name, error: error.message });
    this.delay(name, host.clock.leaseMs() + retryMs);
  }

  /** Drives again at an instant of the lease clock; with `pollId` the node is asked for its news first. */
  wakeAt(atMs: number, pollId?: string): void {
    const { host, drive } = this.#options;
    if (this.#isStopped) return;
    this.#timer?.cancel();
    const delayMs = Math.max(1, Math.ceil(atMs - host.clock.leaseMs()));
    this.#timer = host.timers.after(delayMs, () => {
      if (pollId !== undefined) host.watch(pollId)?.beatNow();
      drive();
    });
  }
}
