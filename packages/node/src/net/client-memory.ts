/**
 * A bound on what all clients together make the node hold: requests that have not ended, queues of MULTI, watched keys,
 * replies nobody reads. One client alone is bounded by the limits of a request and of a reply; ten thousand of them are
 * not, so there is one budget (`maxmemory-clients`, as in Redis 7), and when it is exceeded the largest clients go.
 *
 * Nobody keeps an exact sum: sockets drain on their own. Instead growth is reported, and after so much of it everybody
 * is measured. Between two measurements at most that much, and one reply, can be held beyond the budget.
 */
import type { Logger } from '@holdfast/base';

/** Reported growth after which all clients are measured. */
const measureEveryBytes = 16 * 1024 * 1024;

export interface MeasuredClient {
  readonly peer: string;
  /** Bytes held for it. */
  readonly memoryBytes: number;
  /** CLIENT NO-EVICT: goes only when no other is left. */
  readonly noEvict: boolean;
  destroy(): void;
}

export class ClientMemory {
  /** Clients cut so far. */
  evicted = 0;
  readonly #clients: Iterable<MeasuredClient>;
  readonly #limitBytes: () => number;
  readonly #logger: Logger;
  #grownBytes = 0;

  /** @param limitBytes the budget; 0 means none. */
  constructor(clients: Iterable<MeasuredClient>, limitBytes: () => number, logger: Logger) {
    this.#clients = clients;
    this.#limitBytes = limitBytes;
    this.#logger = logger;
  }

  /** No reply may be larger than what all clients may hold; undefined without a budget. */
  get replyBytesMax(): number | undefined {
    return this.#limitBytes() || undefined;
  }

  /** Some client's buffers took `bytes`. May cut any client, the caller included. */
  grew(bytes: number): void {
    this.#grownBytes += bytes;
    if (this.#grownBytes >= measureEveryBytes) this.enforce();
  }

  /** Measures everybody and cuts the largest until the rest fits. */
  enforce(): void {
    this.#grownBytes = 0;
    const limit = this.#limitBytes();
    if (limit === 0) return;
    let total = 0;
    for (const client of this.#clients) total += client.memoryBytes;
    if (total <= limit) return;
    const measured = [...this.#clients].map((client) => ({ client, bytes: client.memoryBytes }));
    measured.sort((a, b) => Number(a.client.noEvict) - Number(b.client.noEvict) || b.bytes - a.bytes);
    for (const { client, bytes } of measured) {
      if (total <= limit) break;
      total -= bytes;
      this.evicted++;
      this.#logger.warn('cut a client: all clients together hold more than maxmemory-clients', {
        peer: client.peer,
        bytes,
        limit,
      });
      client.destroy();
    }
  }
}
