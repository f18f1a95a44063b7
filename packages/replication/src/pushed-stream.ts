/** A transport written to at the speed of its reader: for the file transfers of a full sync. */
import { OperationError, messageOf, type Timer, type Timers, type Transport } from '@holdfast/base';

export class PushedStream {
  readonly #transport: Transport;
  readonly #timers: Timers;
  readonly #stallMs: number;
  #ended: string | undefined;
  #wake: (() => void) | undefined;

  /** @param stallMs writing fails when the peer takes nothing for this long. */
  constructor(transport: Transport, timers: Timers, stallMs: number) {
    this.#transport = transport;
    this.#timers = timers;
    this.#stallMs = stallMs;
    transport.listen({
      onData: () => undefined,
      onDrain: () => this.#wakeUp(),
      onClose: (error) => this.#end(error === undefined ? 'the connection was closed' : messageOf(error)),
    });
  }

  /** Bytes written that are still needed. */
  get pendingBytes(): number {
    return this.#transport.pendingBytes;
  }

  /**
   * Resolves when more may be written. `bytes` may be used again once nothing is pending.
   * @throws OperationError FULL_SYNC_TRANSFER when the peer has gone or takes nothing.
   */
  async write(bytes: Uint8Array): Promise<void> {
    this.#check();
    if (this.#transport.write(bytes)) return;
    this.#check();
    let timer: Timer | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      timer = this.#timers.after(this.#stallMs, () => this.#end(`the peer took nothing for ${this.#stallMs} ms`));
    });
    timer?.cancel();
    this.#check();
  }

  /** Sends what was written, then closes the own direction; the peer closes the other. */
  end(): void {
    this.#transport.end();
  }

  destroy(): void {
    this.#end('the transfer was ended');
    this.#transport.destroy();
  }

  #check(): void {
    if (this.#ended === undefined) return;
    throw new OperationError('FULL_SYNC_TRANSFER', `file transfer failed: ${this.#ended}`, { outcome: 'not-applied' });
  }

  #end(reason: string): void {
    this.#ended ??= reason;
    this.#wakeUp();
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
