/**
 * Calls to an etcd cluster: which member is asked, for how long, how often, and what a failure means.
 *
 * Two kinds of call. A *repeatable* one (reads, keep-alives) is asked of one member after another until one answers or
 * the time is up. One that is *sent once* (everything that writes) moves on only from members it certainly did not
 * reach; once it was sent, silence is the end of it and its outcome is unknown: a member that hangs may carry it out
 * much later.
 *
 * All calls go to the same member until it fails; then everyone moves to the next one, and watches that are open on it
 * are told (a member that hangs keeps its streams open without saying anything).
 */
import { FatalError, type Clock, type Logger, type Timers } from '@holdfast/base';
import { EtcdFailure, type EtcdEndpoint, type EtcdMethod, type EtcdMethods } from './etcd-rpc.ts';

export interface EtcdCredentials {
  readonly user: string;
  readonly password: string;
}

export interface EtcdCallsOptions {
  /** At least one. */
  readonly endpoints: readonly EtcdEndpoint[];
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  /** The longest any call takes, in milliseconds. */
  readonly requestTimeoutMs: number;
  readonly credentials?: EtcdCredentials | undefined;
}

export interface RunOptions {
  readonly repeatable: boolean;
  /** On the lease clock; the default is requestTimeoutMs from now. */
  readonly deadlineMs?: number;
  /** How long one member is waited for when the call is repeatable. */
  readonly attemptMs?: number;
}

export interface Answer<Reply> {
  readonly reply: Reply;
  /** Lease clock at the moment the answered attempt was sent. */
  readonly sentMs: number;
}

/** Between two rounds over all members: doubles from the first to the last while nobody answers. */
const pauseFirstMs = 50;
const pauseLastMs = 500;
/** A token is taken anew this often within one call. */
const authenticationsMax = 2;

export class EtcdCalls {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly requestTimeoutMs: number;
  readonly name: string;
  readonly #endpoints: readonly EtcdEndpoint[];
  readonly #credentials: EtcdCredentials | undefined;
  readonly #left = new Set<(endpoint: EtcdEndpoint) => void>();
  #current = 0;
  #seenRevision = 0;
  #token: string | undefined;
  #authenticating: Promise<string> | undefined;

  constructor(options: EtcdCallsOptions) {
    this.clock = options.clock;
    this.timers = options.timers;
    this.logger = options.logger;
    this.requestTimeoutMs = options.requestTimeoutMs;
    this.name = `etcd ${options.endpoints.map(({ name }) => name).join(',')}`;
    this.#endpoints = options.endpoints;
    this.#credentials = options.credentials;
  }

  /** The member that is asked at the moment. */
  get endpoint(): EtcdEndpoint {
    const endpoint = this.#endpoints[this.#current];
    if (endpoint === undefined) throw new FatalError('no etcd endpoint is configured', 2);
    return endpoint;
  }

  /** The highest revision any answer had; 0 before the first one. */
  get seenRevision(): number {
    return this.#seenRevision;
  }

  /** Calls `left` whenever a member is given up for the next one; returns the way to stop it. */
  onLeft(left: (endpoint: EtcdEndpoint) => void): () => void {
    this.#left.add(left);
    return () => void this.#left.delete(left);
  }

  /** Moves on to the next member, unless another caller did so already. */
  leave(endpoint: EtcdEndpoint): void {
    if (endpoint !== this.endpoint) return;
    this.#current = (this.#current + 1) % this.#endpoints.length;
    for (const left of [...this.#left]) left(endpoint);
  }

  /** Resolves after `delayMs`. */
  pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.timers.after(delayMs, resolve));
  }

  /**
   * One call.
   * @throws EtcdFailure, within the deadline.
   * @throws FatalError when the store went back in time: nothing that was concluded from revisions holds then.
   */
  async run<M extends EtcdMethod>(
    method: M,
    request: EtcdMethods[M]['request'],
    options: RunOptions,
  ): Promise<Answer<EtcdMethods[M]['reply']>> {
    const deadlineMs = options.deadlineMs ?? this.clock.leaseMs() + this.requestTimeoutMs;
    let authentications = 0;
    let last = new EtcdFailure('not-sent', `${this.name} was not asked: the time was up before its turn came`);
    for (let attempt = 1; ; attempt++) {
      const leftMs = deadlineMs - this.clock.leaseMs();
      if (leftMs <= 0) throw last;
      const endpoint = this.endpoint;
      try {
        const token = await this.#tokenFor(method, deadlineMs);
        const attemptMs = options.repeatable ? Math.min(leftMs, options.attemptMs ?? this.#attemptMs) : leftMs;
        return await this.#once(endpoint, { method, request, token, attemptMs });
      } catch (error) {
        if (!(error instanceof EtcdFailure)) throw error;
        last = error;
        if (error.kind === 'refused') {
          if (error.refusal !== 'unauthenticated' || ++authentications > authenticationsMax) throw error;
          this.forgetToken();
          continue;
        }
        this.leave(endpoint);
        if (error.kind === 'no-answer' && !options.repeatable) throw error;
      }
      // Every member had its turn: a pause, so that a cluster that is down is not asked in a tight loop.
      if (attempt % this.#endpoints.length !== 0) continue;
      const round = attempt / this.#endpoints.length - 1;
      const pauseMs = Math.min(pauseFirstMs * 2 ** Math.min(round, 10), pauseLastMs);
      await this.pause(Math.max(0, Math.min(pauseMs, deadlineMs - this.clock.leaseMs())));
    }
  }

  /** The next call authenticates anew. */
  forgetToken(): void {
    this.#token = undefined;
  }

  /** A token for a stream; the same failures as `run`. */
  streamToken(): Promise<string | undefined> {
    return this.#tokenFor('range', this.clock.leaseMs() + this.requestTimeoutMs);
  }

  close(): void {
    for (const endpoint of this.#endpoints) endpoint.close();
  }

  /** Long enough for two fsyncs of a slow disk, short enough that another member can still answer. */
  get #attemptMs(): number {
    return this.requestTimeoutMs / 3;
  }

  async #once<M extends EtcdMethod>(
    endpoint: EtcdEndpoint,
    attempt: {
      readonly method: M;
      readonly request: EtcdMethods[M]['request'];
      readonly token: string | undefined;
      readonly attemptMs: number;
    },
  ): Promise<Answer<EtcdMethods[M]['reply']>> {
    const sentMs = this.clock.leaseMs();
    const seenBefore = this.#seenRevision;
    const call = endpoint.call(attempt.method, attempt.request, attempt.token);
    const timer = this.timers.after(attempt.attemptMs, () => call.cancel());
    try {
      const reply = await call.reply;
      this.#see(reply, seenBefore, endpoint);
      return { reply, sentMs };
    } finally {
      timer.cancel();
    }
  }

  #see(reply: EtcdMethods[EtcdMethod]['reply'], seenBefore: number, endpoint: EtcdEndpoint): void {
    if (!('revision' in reply)) return;
    // Reads are linearizable: what an earlier answer showed, a later question sees.
    if (reply.revision < seenBefore)
      throw new FatalError(
        `${endpoint.name} is at revision ${reply.revision} after revision ${seenBefore} was seen: etcd was emptied, restored from a backup, or is another cluster; start the controllers again once that is understood`,
        3,
      );
    this.#seenRevision = Math.max(this.#seenRevision, reply.revision);
  }

  async #tokenFor(method: EtcdMethod, deadlineMs: number): Promise<string | undefined> {
    if (this.#credentials === undefined || method === 'authenticate') return undefined;
    if (this.#token !== undefined) return this.#token;
    this.#authenticating ??= this.#authenticate(this.#credentials, deadlineMs).finally(() => {
      this.#authenticating = undefined;
    });
    return await this.#authenticating;
  }

  async #authenticate({ user, password }: EtcdCredentials, deadlineMs: number): Promise<string> {
    try {
      const { reply } = await this.run('authenticate', { user, password }, { repeatable: true, deadlineMs });
      this.#token = reply.token;
      return reply.token;
    } catch (error) {
      // The call this token was for has not been sent, whatever became of the authentication.
      if (error instanceof EtcdFailure && error.kind === 'no-answer') throw new EtcdFailure('not-sent', error.message);
      throw error;
    }
  }
}
