import { Duplex } from 'node:stream';

/** The connection's end of a socket; what is written to it is kept. */
export class FakeSocket extends Duplex {
  written = '';
  isEnded = false;

  /** False: what is written stays unsent. */
  reads = true;
  #blocked: (() => void) | undefined;

  override _read(): void {
    // The test pushes.
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.written += chunk.toString();
    if (this.reads) done();
    else this.#blocked = done;
  }

  /** The peer reads again what it was sent. */
  readOn(): void {
    this.reads = true;
    const done = this.#blocked;
    this.#blocked = undefined;
    done?.();
  }

  override _final(done: () => void): void {
    this.isEnded = true;
    done();
  }

  setNoDelay(): this {
    return this;
  }
}
