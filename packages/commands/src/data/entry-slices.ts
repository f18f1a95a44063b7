/** A long reply made of the entries of one collection, in slices (see sliced.ts). */
import { OperationError } from '@holdfast/base';
import type { EntryIterator } from '@holdfast/engine';
import type { ReplyWriter } from '@holdfast/resp';
import { sliceElements, type SlicedReply } from '../sliced.ts';

export class EntrySlices implements SlicedReply {
  readonly #entries: EntryIterator;
  readonly #write: (entry: EntryIterator, reply: ReplyWriter) => void;
  #left: number;

  /**
   * @param entries a detached iteration, closed by this.
   * @param announced entries that the header, written already, has promised.
   */
  constructor(entries: EntryIterator, announced: number, write: (entry: EntryIterator, reply: ReplyWriter) => void) {
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
