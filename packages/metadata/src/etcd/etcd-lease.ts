/**
 * One etcd lease: keys attached to it live as long as this process keeps it alive.
 *
 * etcd's clock decides when it ends; this process may only believe in it for as long as etcd certainly does. etcd counts
 * from when it carried a renewal out, which is after it was sent, so `sent + TTL` on the lease clock (which counts pauses
 * and suspends) is a bound that is never late. The instant the answer arrived says nothing: a process that was stopped
 * for an hour finds an old answer in its socket.
 */
import type { Timer } from '@holdfast/base';
import type { EtcdCalls } from './etcd-calls.ts';
import { EtcdFailure } from './etcd-rpc.ts';

/** A renewal every third of the TTL: two may fail. */
const renewalsPerTtl = 3;

export class EtcdLease {
  readonly id: string;
  readonly #calls: EtcdCalls;
  readonly #ttlMs: number;
  readonly #lost = new AbortController();
  #deadlineMs: number;
  #renewal: Timer | undefined;
  #expiry: Timer | undefined;
  #revoking: Promise<void> | undefined;

  private constructor(calls: EtcdCalls, id: string, grant: { readonly ttlMs: number; readonly sentMs: number }) {
    this.id = id;
    this.#calls = calls;
    this.#ttlMs = grant.ttlMs;
    this.#deadlineMs = grant.sentMs + grant.ttlMs;
    this.#armExpiry();
    this.#armRenewal();
  }

  /**
   * @param ttlMs is rounded up to whole seconds; etcd grants at least one and a half of its own election timeouts.
   * @throws EtcdFailure; a lease whose grant was not answered ends by itself.
   */
  static async grant(calls: EtcdCalls, ttlMs: number): Promise<EtcdLease> {
    const { reply, sentMs } = await calls.run(
      'leaseGrant',
      { ttlS: Math.ceil(ttlMs / 1000) },
      // A second lease beside a forgotten one is harmless: nothing hangs on either yet.
      { repeatable: true },
    );
    return new EtcdLease(calls, reply.lease, { ttlMs: reply.ttlS * 1000, sentMs });
  }

  /** False from the deadline on, also when no timer could run yet. */
  get alive(): boolean {
    if (!this.#lost.signal.aborted && this.#calls.clock.leaseMs() >= this.#deadlineMs) this.#end();
    return !this.#lost.signal.aborted;
  }

  /** Aborted once: expired here or in etcd, or given up. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Stops believing in it at once, and tells etcd, so that nobody has to wait for the TTL. Never rejects. */
  revoke(): Promise<void> {
    this.#revoking ??= this.#revoke();
    return this.#revoking;
  }

  async #revoke(): Promise<void> {
    this.#end();
    try {
      await this.#calls.run('leaseRevoke', { lease: this.id }, { repeatable: true });
    } catch (error) {
      if (!(error instanceof EtcdFailure)) throw error;
      if (error.refusal === 'lease-not-found') return;
      this.#calls.logger.info('an etcd lease could not be given up; it ends by itself', { reason: error.message });
    }
  }

  #end(): void {
    this.#renewal?.cancel();
    this.#expiry?.cancel();
    this.#lost.abort();
  }

  #armExpiry(): void {
    this.#expiry?.cancel();
    const leftMs = this.#deadlineMs - this.#calls.clock.leaseMs();
    this.#expiry = this.#calls.timers.after(Math.max(0, leftMs), () => {
      // Timers may fire a little early against the lease clock.
      if (this.alive) this.#armExpiry();
    });
  }

  #armRenewal(): void {
    this.#renewal = this.#calls.timers.after(this.#ttlMs / renewalsPerTtl, () => void this.#renew());
  }

  async #renew(): Promise<void> {
    if (!this.alive) return;
    const attemptMs = this.#ttlMs / (2 * renewalsPerTtl);
    const keepAlive = { repeatable: true, deadlineMs: this.#deadlineMs, attemptMs } as const;
    try {
      const { reply, sentMs } = await this.#calls.run('leaseKeepAlive', { lease: this.id }, keepAlive);
      // Given up meanwhile, or the answer took longer than the lease lasts.
      if (!this.alive) return;
      if (reply.ttlS <= 0) return this.#end();
      this.#deadlineMs = Math.max(this.#deadlineMs, sentMs + reply.ttlS * 1000);
      this.#armExpiry();
      this.#armRenewal();
    } catch (error) {
      if (!(error instanceof EtcdFailure)) throw error;
      if (!this.alive) return;
      this.#calls.logger.warn('an etcd lease could not be renewed', { reason: error.message });
      this.#armRenewal();
    }
  }
}
