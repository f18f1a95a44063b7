/** A transport whose operating system takes bytes only when the test says so. */
import type { Transport, TransportEvents } from '@holdfast/base';

export class Socket implements Transport {
  readonly peer = '10.0.0.9:5555';
  /** Everything written and accepted. */
  sent: Buffer = Buffer.alloc(0);
  closed = false;
  /** Bytes the operating system still takes. */
  room = Infinity;
  events: TransportEvents | undefined;
  #pending: Buffer = Buffer.alloc(0);

  get pendingBytes(): number {
    return this.#pending.length;
  }

  listen(events: TransportEvents): void {
    this.events = events;
  }

  write(bytes: Uint8Array): boolean {
    if (this.closed) return false;
    this.#pending = Buffer.concat([this.#pending, bytes]);
    this.#take();
    return this.#pending.length === 0;
  }

  /** The operating system takes more; nobody is told, as for writes below the high-water mark. */
  accept(bytes: number): void {
    this.room += bytes;
    this.#take();
  }

  #take(): void {
    const taken = this.#pending.subarray(0, this.room);
    this.room -= taken.length;
    this.sent = Buffer.concat([this.sent, taken]);
    this.#pending = this.#pending.subarray(taken.length);
  }

  /** What was accepted since the last call, as text. */
  take(): string {
    const text = this.sent.toString('latin1');
    this.sent = Buffer.alloc(0);
    return text;
  }

  pause(): void {}
  resume(): void {}
  end(): void {
    this.destroy();
  }
  destroy(): void {
    this.closed = true;
  }
  reset(): void {
    this.destroy();
  }
}
