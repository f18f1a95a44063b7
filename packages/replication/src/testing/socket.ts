/** A transport whose operating system takes bytes only when the test says so. */
import type { Transport, TransportEvents } from '@holdfast/base';

export class Socket implements Transport {
  readonly peer: string = '10.0.0.9:5555';
  closed: boolean = false;
  /** Bytes the operating system still takes. */
  room: number = Infinity;
  events: TransportEvents | undefined;
  #sent: Uint8Array[] = [];
  #pending: Uint8Array[] = [];

  get pendingBytes(): number {
    return this.#pending.reduce((bytes, piece) => bytes + piece.length, 0);
  }

  get borrowedBytes(): number {
    return this.pendingBytes;
  }

  listen(events: TransportEvents): void {
    this.events = events;
  }

  write(bytes: Uint8Array): boolean {
    if (this.closed) return false;
    this.#pending.push(bytes);
    this.#accept();
    return this.#pending.length === 0;
  }

  /** The operating system takes more; nobody is told, as for writes below the high-water mark. */
  accept(bytes: number): void {
    this.room += bytes;
    this.#accept();
  }

  #accept(): void {
    while (this.room > 0 && this.#pending.length > 0) {
      const first = this.#pending[0] as Uint8Array;
      const taken = first.subarray(0, this.room);
      this.room -= taken.length;
      this.#sent.push(Buffer.from(taken));
      if (taken.length === first.length) this.#pending.shift();
      else this.#pending[0] = first.subarray(taken.length);
    }
  }

  /** What was accepted since the last call. */
  take(): Buffer {
    const bytes = Buffer.concat(this.#sent);
    this.#sent = [];
    return bytes;
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
