import type { Transport, TransportEvents } from '../transport.ts';

class MemoryTransport implements Transport {
  readonly peer: string;
  pendingBytes = 0;
  borrowedBytes = 0;
  other!: MemoryTransport;
  #events: TransportEvents | undefined;
  #held: Buffer[] = [];
  #paused = false;
  #closed = false;
  #ended = false;

  constructor(peer: string) {
    this.peer = peer;
  }

  listen(events: TransportEvents): void {
    this.#events = events;
    this.#flush();
  }

  write(bytes: Uint8Array): boolean {
    if (this.#closed || this.#ended) return false;
    this.other.deliver(Buffer.from(bytes));
    return true;
  }

  deliver(chunk: Buffer): void {
    this.#held.push(chunk);
    queueMicrotask(() => this.#flush());
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#flush();
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    queueMicrotask(() => this.other.peerEnded());
  }

  peerEnded(): void {
    this.#events?.onEnd?.();
    if (this.#ended) this.#close();
  }

  destroy(): void {
    this.#close();
  }

  reset(): void {
    this.#close(new Error('reset'));
  }

  #close(error?: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    queueMicrotask(() => this.#events?.onClose(error));
    this.other.#close(error);
  }

  #flush(): void {
    while (this.#events && !this.#paused && this.#held.length > 0) {
      const chunk = this.#held.shift();
      if (chunk) this.#events.onData(chunk);
    }
  }
}

/** Two ends of one in-memory stream; data arrives in a later microtask, in order. */
export function transportPair(): [Transport, Transport] {
  const left = new MemoryTransport('right');
  const right = new MemoryTransport('left');
  left.other = right;
  right.other = left;
  return [left, right];
}
