/** A long reply made of the elements of one collection, in slices (see sliced.ts). What is found beyond the number announced is left out. */
import { OperationError } from '@holdfast/base';
import type { ReplyWriter } from '@holdfast/resp';
import { sliceElements, type SlicedReply } from '../sliced.ts';

/** An iteration that has a current element. */
interface Walk {
  next(): boolean;
  close(): void;
}

export class EntrySlices<W extends Walk> implements SlicedReply {
  readonly #entries: W;
  readonly #write: (entry: W, reply: ReplyWriter) => void;
  #left: number;

  /**
   * @param entries a detached iteration, closed by this.
   * @param announced entries that the header, written already, has promised.
   */
  constructor(entries: W, announced: number, write: (entry: W, reply: ReplyWriter) => void) {
    this.#entries = entries;
    this.#left = announced;
    this.#write = write;
  }

  next(reply: ReplyWriter): boolean {
    for (let written = 0; written < sliceElements && this.#left > 0; written++) {
      if (!this.#entries.next()) {
        const message = `a collection has ${this.#left} entries less than its metadata record says: nothing can be sent for them`;
        throw new OperationError('ENGINE_SIZE_CORRUPT', message, { outcome: 'not-applied' });
      }
      this.#write(this.#entries, reply);
      this.#left--;
    }
    return this.#left > 0;
  }

  close(): void {
    this.#entries.close();
  }
}
