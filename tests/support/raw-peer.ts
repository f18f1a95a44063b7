/** A peer that sends what it likes and looks at what comes back only when asked to: for tests of bad input. */
import { connect, type Socket } from 'node:net';
import { readFileSync } from 'node:fs';

export class RawPeer {
  readonly socket: Socket;
  /** Bytes that came back, the first ones kept. */
  received = 0;
  text = '';
  /** The other side ended or cut the connection. */
  closed = false;
  readonly #keptBytes: number;
  #unsent = 0;
  #wake: () => void = () => undefined;

  constructor(port: number, keptBytes: number = 64 * 1024) {
    this.#keptBytes = keptBytes;
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.on('error', () => undefined);
    this.socket.on('data', (chunk: Buffer) => {
      this.received += chunk.length;
      if (this.text.length < this.#keptBytes) this.text += chunk.toString('latin1');
      this.#wake();
    });
    for (const event of ['end', 'close'])
      this.socket.on(event, () => {
        this.closed = true;
        this.#wake();
      });
  }

  send(bytes: string | Uint8Array): void {
    if (this.socket.destroyed) return;
    this.#unsent++;
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes, () => {
      this.#unsent--;
      this.#wake();
    });
  }

  /** Resolves once `holds`; judged whenever bytes came or went, and at the end of the connection. One at a time. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  /** Resolves once everything sent has left this process, or the connection has ended. */
  async flushed(): Promise<void> {
    await this.until(() => this.#unsent === 0 || this.socket.destroyed);
  }

  destroy(): void {
    this.socket.destroy();
  }
}

/** Resident memory of a process in MiB, now and at its highest. */
export function memoryMb(pid: number): { now: number; peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
  return { now: Math.round(field('VmRSS')), peak: Math.round(field('VmHWM')) };
}
