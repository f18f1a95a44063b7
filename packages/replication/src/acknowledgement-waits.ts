/**
 * WAIT: who waits until how many replicas acknowledged which sequence. Kvrocks 2.14 (`src/commands/cmd_replication.cc`):
 * the target is the latest sequence of the whole log, not of the client's own writes.
 */
import type { Timer, Timers } from '@holdfast/base';

/** How often a pending WAIT asks the replicas again, for the case that a question was lost with a link. */
const askAgainMs = 100;

interface Waiting {
  readonly sequence: number;
  readonly replicas: number;
  readonly timeout: Timer | undefined;
  readonly complete: (acked: number) => void;
  readonly isGone: () => boolean;
}

export interface AcknowledgementSource {
  countAcked(sequence: number): number;
  /** Asks those that lack `sequence` to acknowledge at once. */
  askAcks(sequence: number): void;
}

export interface WaitRequest {
  readonly sequence: number;
  readonly replicas: number;
  /** 0: wait forever. */
  readonly timeoutMs: number;
  /** Called once, with how many replicas have acknowledged by then. */
  complete(acked: number): void;
  /** Whoever waits has left; nothing is called any more. */
  isGone(): boolean;
}

export class AcknowledgementWaits {
  readonly #source: AcknowledgementSource;
  readonly #timers: Timers;
  readonly #waiting = new Set<Waiting>();
  #asking: Timer | undefined;

  constructor(source: AcknowledgementSource, timers: Timers) {
    this.#source = source;
    this.#timers = timers;
  }

  get size(): number {
    return this.#waiting.size;
  }

  add(request: WaitRequest): void {
    const { sequence, replicas, timeoutMs } = request;
    const acked = this.#source.countAcked(sequence);
    if (acked >= replicas) {
      request.complete(acked);
      return;
    }
    const waiting: Waiting = {
      sequence,
      replicas,
      timeout: timeoutMs > 0 ? this.#timers.after(timeoutMs, () => this.#end(waiting)) : undefined,
      complete: (count) => request.complete(count),
      isGone: () => request.isGone(),
    };
    this.#waiting.add(waiting);
    this.#asking ??= this.#timers.every(askAgainMs, () => this.#ask());
    // The writes of the open tick are not sent yet: the first question follows them.
    this.#timers.soon(() => this.#ask());
  }

  /** An ack came: completes whoever has enough now. */
  onAck(): void {
    for (const waiting of this.#waiting)
      if (this.#source.countAcked(waiting.sequence) >= waiting.replicas) this.#end(waiting);
  }

  #end(waiting: Waiting): void {
    if (!this.#waiting.delete(waiting)) return;
    waiting.timeout?.cancel();
    if (this.#waiting.size === 0) {
      this.#asking?.cancel();
      this.#asking = undefined;
    }
    if (!waiting.isGone()) waiting.complete(this.#source.countAcked(waiting.sequence));
  }

  #ask(): void {
    for (const waiting of [...this.#waiting]) if (waiting.isGone()) this.#end(waiting);
    let highest = 0;
    for (const { sequence } of this.#waiting) highest = Math.max(highest, sequence);
    if (highest > 0) this.#source.askAcks(highest);
  }
}
