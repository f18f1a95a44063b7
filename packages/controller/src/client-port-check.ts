/**
 * Does a node answer this controller what it does not answer the balancer? PING on the node's client port, while the
 * balancer does not hear it: only that tells a way that is broken from a node that answers nobody there (a stalled loop,
 * replies that wait for a replica, a lapsed lease, too many clients), which heartbeats on the control port do not show.
 */
import type { Clock, Connector, Timers } from '@holdfast/base';
import type { FenceTimes } from '@holdfast/fencing';
import { endpointOf } from './cluster-layout.ts';
import { NodeLink } from './node-link.ts';

export interface ClientPortCheckOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly connector: Connector;
  /** `host:port` that clients use, without a balancer. */
  readonly addr: string;
  readonly password: string;
  readonly times: FenceTimes;
}

export class ClientPortCheck {
  readonly #options: ClientPortCheckOptions;
  readonly #link: NodeLink;
  /** Lease clock of the first and the last of answers that followed one another without a gap. */
  #answers: { readonly firstMs: number; readonly lastMs: number } | undefined;
  #isInFlight = false;

  constructor(options: ClientPortCheckOptions) {
    this.#options = options;
    const { timers, connector, addr, password } = options;
    const endpoint = endpointOf(addr);
    this.#link = new NodeLink({ timers, connector, endpoint, password, connectTimeoutMs: this.#patienceMs });
  }

  get #patienceMs(): number {
    return 2 * this.#options.times.heartbeatMs;
  }

  /** Asks once more unless the last question is still open. Never rejects. */
  async ask(): Promise<void> {
    if (this.#isInFlight) return;
    this.#isInFlight = true;
    try {
      const reply = await this.#link.call(['PING'], this.#patienceMs);
      this.#note(reply === 'PONG');
    } catch {
      // Why it does not answer is nothing to be said here: it is not this controller's way that is in question.
      this.#note(false);
    }
    this.#isInFlight = false;
  }

  #note(isAnswer: boolean): void {
    const nowMs = this.#options.clock.leaseMs();
    if (!isAnswer) this.#answers = undefined;
    else if (this.#isGap(nowMs)) this.#answers = { firstMs: nowMs, lastMs: nowMs };
    else this.#answers = { firstMs: this.#answers?.firstMs ?? nowMs, lastMs: nowMs };
  }

  #isGap(nowMs: number): boolean {
    return this.#answers === undefined || nowMs - this.#answers.lastMs > 3 * this.#options.times.heartbeatMs;
  }

  /** For how long it has answered without a gap, up to now, ms; 0: it does not. */
  get answersForMs(): number {
    if (this.#answers === undefined || this.#isGap(this.#options.clock.leaseMs())) return 0;
    return this.#answers.lastMs - this.#answers.firstMs;
  }

  close(): void {
    this.#link.close();
  }
}
