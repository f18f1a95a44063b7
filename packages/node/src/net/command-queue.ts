/** The commands of a MULTI, and what they take. */
import type { Request } from '@holdfast/resp';

/** What one command takes beside its own bytes, about. */
const overheadBytes = 256;

export class CommandQueue {
  #requests: Request[] | undefined;
  #bytes = 0;

  /** Undefined outside of MULTI. */
  get requests(): Request[] | undefined {
    return this.#requests;
  }

  set requests(requests: Request[] | undefined) {
    this.#requests = requests;
    this.#bytes = 0;
  }

  /** Bytes held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Keeps a copy. */
  add(request: Request): void {
    const own = request.copy();
    this.#requests?.push(own);
    this.#bytes += own.buffer.length + own.bounds.byteLength + overheadBytes;
  }
}
