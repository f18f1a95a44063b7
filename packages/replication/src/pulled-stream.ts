/**
 * A transport read by asking: the next line, the next so many bytes. For the file transfers of a full sync, where the
 * speed is that of the disk: no more is taken from the network than a bounded amount ahead.
 */
import { OperationError, messageOf, type Timer, type Timers, type Transport } from '@holdfast/base';

/** Held ahead of the reader before the transport is paused. */
const aheadBytesMax = 1024 * 1024;

export class PulledStream {
  readonly #transport: Transport;
  readonly #timers: Timers;
  readonly #silenceMs: number;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #receivedBytes = 0;
  #paused = false;
  #ended: string | undefined;
  #wake: (() => void) | undefined;

  /** @param silenceMs reading fails after this long without a byte. */
  constructor(transport: Transport, timers: Timers, silenceMs: number) {
    this.#transport = transport;
    this.#timers = timers;
    this.#silenceMs = silenceMs;
    transport.listen({
      onData: (chunk) => this.#onData(chunk),
      onEnd: () => this.#end('the peer closed the connection'),
      onClose: (error) => this.#end(error === undefined ? 'the connection was closed' : messageOf(error)),
    });
  }

  send(bytes: Uint8Array): void {
    this.#transport.write(bytes);
  }

  /** Whatever reads now or later fails. */
  destroy(): void {
    this.#end('the transfer was ended');
    this.#transport.destroy();
  }

  /**
   * A line without its end (CRLF or LF).
   * @throws OperationError FULL_SYNC_TRANSFER when the stream ends or is silent, or the line is longer than `maxBytes`.
   */
  async readLine(maxBytes: number): Promise<string> {
    let searched = 0;
    for (;;) {
      const all = this.#joined();
      const end = all.indexOf(10, searched);
      if (end >= 0 && end <= maxBytes) {
        const line = all.latin1Slice(0, end);
        this.#consume(end + 1);
        return line.endsWith('\r') ? line.slice(0, -1) : line;
      }
      if (all.length > maxBytes) throw failed(`a line longer than ${maxBytes} bytes`);
      searched = all.length;
      await this.#more();
    }
  }

  /** At least one byte, at most `maxBytes`: whatever is there. @throws as `readLine`. */
  async readSome(maxBytes: number): Promise<Buffer> {
    while (this.#bytes === 0) await this.#more();
    const first = this.#chunks[0] as Buffer;
    const piece = first.subarray(0, maxBytes);
    this.#consume(piece.length);
    return piece;
  }

  #joined(): Buffer {
    if (this.#chunks.length !== 1) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0] as Buffer;
  }

  #consume(count: number): void {
    this.#bytes -= count;
    let left = count;
    while (left > 0) {
      const first = this.#chunks[0] as Buffer;
      if (first.length > left) {
        this.#chunks[0] = first.subarray(left);
        break;
      }
      left -= first.length;
      this.#chunks.shift();
    }
    if (this.#paused && this.#bytes <= aheadBytesMax / 2) {
      this.#paused = false;
      this.#transport.resume();
    }
  }

  async #more(): Promise<void> {
    const before = this.#receivedBytes;
    // A line longer than what is held ahead must still be readable.
    if (this.#paused) {
      this.#paused = false;
      this.#transport.resume();
    }
    if (this.#receivedBytes > before) return;
    if (this.#ended !== undefined) throw failed(this.#ended);
    let timer: Timer | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      timer = this.#timers.after(this.#silenceMs, () => this.#end(`nothing came for ${this.#silenceMs} ms`));
    });
    timer?.cancel();
    if (this.#receivedBytes === before && this.#ended !== undefined) throw failed(this.#ended);
  }

  #onData(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    this.#receivedBytes += chunk.length;
    if (this.#bytes > aheadBytesMax && !this.#paused) {
      this.#paused = true;
      this.#transport.pause();
    }
    this.#wakeUp();
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

function failed(reason: string): OperationError {
  return new OperationError('FULL_SYNC_TRANSFER', `file transfer failed: ${reason}`, { outcome: 'not-applied' });
}
