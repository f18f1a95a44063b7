/**
 * The text of ids that follow each other: those of one tick share their milliseconds, whose digits are kept, and the
 * sequence is written behind them. XADD answers with one each time.
 */
import { Scratch, type StreamId } from '@holdfast/engine';
import type { ReplyWriter } from '@holdfast/resp';

/** What two u64 in decimal take, and what stands between them. */
const longest = 41;

export class IdText {
  readonly #text = new Scratch(longest);
  #msHigh = -1;
  #msLow = -1;
  /** Where the sequence begins. */
  #seqStart = 0;

  /** Writes an id as a bulk string. */
  reply(id: StreamId, reply: ReplyWriter): void {
    if (id.seqHigh !== 0) return reply.bulkLatin1(id.toString());
    if (id.msHigh !== this.#msHigh || id.msLow !== this.#msLow) this.#keep(id);
    const text = this.#text;
    text.end = this.#seqStart;
    text.decimal(id.seqLow);
    reply.bulk(text.buffer, 0, text.end);
  }

  #keep(id: StreamId): void {
    const text = id.toString();
    this.#text.reset();
    this.#text.bytes(Buffer.from(text.slice(0, text.indexOf('-') + 1), 'latin1'));
    this.#seqStart = this.#text.end;
    this.#msHigh = id.msHigh;
    this.#msLow = id.msLow;
  }
}
